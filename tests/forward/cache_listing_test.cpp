#include "forward/cache_listing.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/digest.hpp"
#include "support/environment.hpp"

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

// The bridge's own entries have who they are for before the URL.
TEST(CacheListing, WhatTheBridgeKeepsIsOfItsRepositoryToo) {
  const std::string key = "bridge:anybody:https://ghcr.io/v2/owner/image/manifests/latest";
  EXPECT_EQ(facts_of_key(key), (KeyFacts{EntryKind::tag, "ghcr.io", "owner/image"}));
  EXPECT_TRUE(EntryFilter{.repository = "ghcr.io/owner/image"}.fits(entry(key)));
  EXPECT_TRUE(EntryFilter{.prefix = "bridge:"}.fits(entry(key)));
  EXPECT_FALSE(EntryFilter{.prefix = "https://ghcr.io/"}.fits(entry(key)));
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

// A filter that fits little must not read a million entries for one page.
TEST(CacheListing, APageLooksAtNoMoreThanItsBoundAndTheNextGoesOn) {
  namespace asio = boost::asio;
  const support::TempDir files;
  observe::Metrics metrics;
  store::Probe probe(metrics);
  asio::io_context core(1);
  asio::thread_pool pool(2);
  store::ContentStore store({.directory = files / "cache", .free_bytes_min = 0}, pool, probe);
  ASSERT_TRUE(store.open());
  const auto run = [&](auto task) {
    auto future = asio::co_spawn(core, std::move(task), asio::use_future);
    core.restart();
    core.run();
    return future.get();
  };
  for (std::size_t i = 0; i < CacheListing::kLookedAtMax; ++i)
    ASSERT_TRUE(run(store.put_entry({.key = fmt::format("https://a/{:06}", i)})));
  ASSERT_TRUE(run(store.put_entry({.key = "https://b/"})));
  CacheListing listing(store, cache::kSecondsMax);
  const EntryFilter filter{.host = "b"};
  const auto first = run(listing.list(filter, {}, 10));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->items.empty());
  ASSERT_TRUE(first->next);
  const auto second = run(listing.list(filter, *first->next, 10));
  ASSERT_TRUE(second);
  ASSERT_EQ(second->items.size(), 1U);
  EXPECT_EQ(second->items[0].key, "https://b/");
  EXPECT_FALSE(second->next);
  EXPECT_EQ(run(listing.purge({.host = "a"}))->entries, CacheListing::kLookedAtMax);
  store.close();
  pool.join();
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
