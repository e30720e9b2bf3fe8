#include "forward/cache_listing.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"

namespace propeller::forward {
namespace {

const std::string kDigest = base::sha256("x").to_string();

store::Entry entry(const std::string& key) { return {.key = key}; }

TEST(CacheListing, AKeySaysWhatItIsAndWhereItIsFrom) {
  EXPECT_EQ(facts_of_key("https://ghcr.io/v2/owner/image/manifests/latest"),
            (KeyFacts{EntryKind::tag, "ghcr.io", "owner/image"}));
  EXPECT_EQ(facts_of_key("http://127.0.0.1:5000/v2/owner/image/blobs/" + kDigest),
            (KeyFacts{EntryKind::digest, "127.0.0.1:5000", "owner/image"}));
  EXPECT_EQ(facts_of_key("https://ghcr.io/v2/owner/image/manifests/" + kDigest),
            (KeyFacts{EntryKind::digest, "ghcr.io", "owner/image"}));
  EXPECT_EQ(facts_of_key("https://ghcr.io/v2/owner/image/tags/list?n=1"),
            (KeyFacts{EntryKind::http, "ghcr.io", "owner/image"}));
  EXPECT_EQ(facts_of_key("https://example.org/page 0123abcd"), (KeyFacts{EntryKind::http, "example.org", ""}));
  EXPECT_EQ(facts_of_key("https://example.org"), (KeyFacts{EntryKind::http, "example.org", ""}));
  EXPECT_EQ(facts_of_key("no URL"), (KeyFacts{}));
  EXPECT_EQ(facts_of_key(""), (KeyFacts{}));
}

TEST(CacheListing, AKeyMeansItsVariantsAndNothingThatOnlyBeginsSo) {
  const EntryFilter filter{.key = "https://a/page"};
  EXPECT_TRUE(filter.fits(entry("https://a/page")));
  EXPECT_TRUE(filter.fits(entry("https://a/page 0123")));
  EXPECT_FALSE(filter.fits(entry("https://a/page2")));
  EXPECT_FALSE(filter.fits(entry("https://a/page?x")));
}

TEST(CacheListing, ARedactedKeyMeansWhatItWasMadeOf) {
  const EntryFilter filter{.key = "https://a/page?sig=[REDACTED]&x=1"};
  EXPECT_EQ(filter.range(), "https://a/page?sig=");
  EXPECT_TRUE(filter.fits(entry("https://a/page?sig=hunter2&x=1")));
  EXPECT_TRUE(filter.fits(entry("https://a/page?sig=hunter2&x=1 0123")));
  EXPECT_FALSE(filter.fits(entry("https://a/page?sig=hunter2&x=2")));
}

TEST(CacheListing, DockerHubIsOneHost) {
  const auto layer = entry("https://registry-1.docker.io/v2/library/alpine/blobs/" + kDigest);
  EXPECT_TRUE(EntryFilter{.host = "docker.io"}.fits(layer));
  EXPECT_TRUE(EntryFilter{.repository = "docker.io/library/alpine"}.fits(layer));
  EXPECT_TRUE(EntryFilter{.repository = "library/alpine"}.fits(layer));
  EXPECT_FALSE(EntryFilter{.repository = "alpine"}.fits(layer));
  EXPECT_FALSE(EntryFilter{.host = "ghcr.io"}.fits(layer));
  EXPECT_TRUE(EntryFilter{.host = "GHCR.io"}.fits(entry("https://ghcr.io:8443/x")));
}

TEST(CacheListing, EveryConditionHasToFit) {
  const auto tag = entry("https://ghcr.io/v2/owner/image/manifests/latest");
  EXPECT_TRUE((EntryFilter{.host = "ghcr.io", .kind = EntryKind::tag}.fits(tag)));
  EXPECT_FALSE((EntryFilter{.host = "ghcr.io", .kind = EntryKind::http}.fits(tag)));
  EXPECT_FALSE(EntryFilter{.digest = base::sha256("x")}.fits(tag));
  EXPECT_TRUE(EntryFilter{}.is_empty());
  EXPECT_FALSE(EntryFilter{.kind = EntryKind::tag}.is_empty());
}

}  // namespace
}  // namespace propeller::forward
