#include "cache/packs.hpp"

#include <gtest/gtest.h>

#include "cache/freshness.hpp"
#include "cache/storing.hpp"
#include "cache/vary.hpp"

namespace propeller::cache {
namespace {

using namespace std::chrono_literals;
using Use = Verdict::Use;

constexpr Packs kAll{.is_npm_on = true, .is_debian_on = true};
constexpr Packs kNpm{.is_npm_on = true};
constexpr Packs kDebian{.is_debian_on = true};
constexpr sys_seconds kNow{1'800'000'000s};

http::Fields fields(std::string_view name, std::string_view value) {
  http::Fields all;
  all.add(name, value);
  return all;
}

Verdict verdict_of(Keeping keeping, std::string_view control, const RequestDirectives& asked = {},
                   seconds length_max = kSecondsMax) {
  const auto said = fields("Cache-Control", control);
  return judge({.fields = said, .initial_age = 100s, .received = kNow, .keeping = keeping}, asked, kNow, length_max);
}

bool is_stored(Keeping keeping, std::string_view control, Credentials credentials = Credentials::none) {
  const auto said = fields("Cache-Control", control);
  return may_store({.credentials = credentials, .fields = said, .received = kNow, .keeping = keeping});
}

TEST(Packs, WhatLiesInAPoolOrUnderItsHashDoesNotChange) {
  for (const std::string_view path :
       {"/debian/pool/main/a/acme/acme_1.0-1_amd64.deb", "/pool/x.udeb", "/debian/pool/main/a/acme/acme_1.0-1.dsc",
        "/debian/pool/main/a/acme/acme_1.0.orig.tar.xz", "/debian/pool/main/a/acme/acme_1.0.orig.tar.gz.asc",
        "/debian/dists/stable/main/binary-amd64/by-hash/SHA256/"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "/debian/dists/stable/main/source/by-hash/MD5Sum/d41d8cd98f00b204e9800998ecf8427e"}) {
    EXPECT_EQ(keeping_of(kDebian, path, {}), Keeping::unchanging) << path;
  }
}

TEST(Packs, IndexesOfDebianBelongTogether) {
  for (const std::string_view path :
       {"/debian/dists/stable/InRelease", "/debian/dists/stable/main/binary-amd64/Packages.xz",
        "/debian/dists/stable/main/i18n/Translation-en.bz2", "/flat/InRelease", "/flat/Release.gpg", "/flat/Packages",
        "/flat/Sources.gz", "/debian/dists/stable/by-hash/SHA256/short"}) {
    EXPECT_EQ(keeping_of(kDebian, path, {}), Keeping::index) << path;
  }
}

TEST(Packs, WhatOnlyLooksLikeItIsAsItSays) {
  for (const std::string_view path : {"/", "", "/acme.deb", "/pool/", "/pool/index.html", "/Packages.tar.gz",
                                      "/PackagesOfMine", "/by-hash/SHA256/", "/acme/-/acme.zip"}) {
    EXPECT_EQ(keeping_of(kAll, path, {}), Keeping::as_said) << path;
  }
}

TEST(Packs, AnArchiveOfNpmDoesNotChangeAndADocumentIsKnownByItsRequest) {
  EXPECT_EQ(keeping_of(kNpm, "/@acme/add/-/add-1.0.0.tgz", {}), Keeping::unchanging);
  EXPECT_EQ(keeping_of(kNpm, "/api/v4/packages/npm/@acme/add/-/@acme/add-1.0.0.tgz", {}), Keeping::unchanging);
  EXPECT_EQ(keeping_of(kNpm, "/group/project/-/raw/main/chart-latest.tgz", {}), Keeping::as_said);
  EXPECT_EQ(keeping_of(kNpm, "/acme", fields("pacote-req-type", "packument")), Keeping::document);
  const auto short_form = fields("Accept", "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*");
  EXPECT_EQ(keeping_of(kNpm, "/@acme%2fadd", short_form), Keeping::document);
  EXPECT_EQ(keeping_of(kNpm, "/-/npm/v1/keys", short_form), Keeping::as_said);
  EXPECT_EQ(keeping_of(kNpm, "/acme", fields("Accept", "application/json")), Keeping::as_said);
}

TEST(Packs, TheDoorOfARegistryIsKnownByItsAnswer) {
  EXPECT_EQ(keeping_of({}, "/v2/", {}), Keeping::door);
  EXPECT_EQ(keeping_of({}, "/v2/acme/tags/list", {}), Keeping::as_said);
  EXPECT_TRUE(is_likely(Keeping::door, 200, fields("Docker-Distribution-Api-Version", "registry/2.0")));
  EXPECT_FALSE(is_likely(Keeping::door, 200, fields("Content-Type", "application/json")));
  EXPECT_FALSE(is_likely(Keeping::door, 401, fields("Docker-Distribution-Api-Version", "registry/2.0")));
}

TEST(Packs, OneThatIsOffSaysNothing) {
  EXPECT_EQ(keeping_of(kNpm, "/debian/pool/a.deb", {}), Keeping::as_said);
  EXPECT_EQ(keeping_of(kDebian, "/acme/-/acme-1.0.0.tgz", {}), Keeping::as_said);
  EXPECT_EQ(keeping_of({}, "/acme/-/acme-1.0.0.tgz", {}), Keeping::as_said);
}

TEST(Packs, WhatDoesNotChangeIsFreshForEver) {
  for (const std::string_view control : {"", "max-age=0", "no-cache", "s-maxage=0, must-revalidate"}) {
    const auto verdict = verdict_of(Keeping::unchanging, control, {}, 10s);
    EXPECT_EQ(verdict.use, Use::fresh) << control;
    EXPECT_EQ(verdict.time_left, kSecondsMax) << control;
    EXPECT_EQ(verdict_of(Keeping::as_said, control).use, Use::after_checking) << control;
  }
}

TEST(Packs, OnlyNoCacheOfAClientSendsForWhatDoesNotChange) {
  const auto asked = [](const RequestDirectives& directives) {
    return verdict_of(Keeping::unchanging, "", directives).use;
  };
  EXPECT_EQ(asked({.max_age = 0s}), Use::fresh) << "as apt asks for what it finds by its hash";
  EXPECT_EQ(asked({.min_fresh = kSecondsMax}), Use::fresh);
  EXPECT_EQ(asked({.no_cache = true}), Use::after_checking);
  EXPECT_EQ(under(Keeping::document, RequestDirectives{.max_age = 7s}).max_age, 7s);
}

TEST(Packs, AnIndexIsAskedAboutEachTimeAndOutlivesItsOrigin) {
  for (const auto keeping : {Keeping::index, Keeping::door}) {
    for (const std::string_view control : {"", "max-age=600, stale-while-revalidate=600", "must-revalidate"}) {
      const auto verdict = verdict_of(keeping, control, {.max_stale = kSecondsMax});
      EXPECT_EQ(verdict.use, Use::after_checking) << control;
      EXPECT_TRUE(verdict.may_outlive_silence && verdict.may_outlive_errors) << control;
    }
  }
}

TEST(Packs, ADocumentIsFreshAsLongAsItSaysAndOutlivesItsOrigin) {
  EXPECT_EQ(verdict_of(Keeping::document, "max-age=600").use, Use::fresh);
  EXPECT_EQ(verdict_of(Keeping::document, "max-age=600", {}, 10s).use, Use::after_checking);
  for (const std::string_view control : {"max-age=0, must-revalidate", "no-cache", "s-maxage=1"}) {
    const auto verdict = verdict_of(Keeping::document, control);
    EXPECT_EQ(verdict.use, Use::after_checking) << control;
    EXPECT_TRUE(verdict.may_outlive_silence && verdict.may_outlive_errors) << control;
    EXPECT_FALSE(verdict_of(Keeping::as_said, control).may_outlive_silence) << control;
  }
}

TEST(Packs, AWhole200IsKeptWhateverItsFreshness) {
  for (const auto keeping : {Keeping::unchanging, Keeping::document, Keeping::index, Keeping::door}) {
    EXPECT_TRUE(is_stored(keeping, "max-age=0"));
    EXPECT_FALSE(is_stored(keeping, "no-store"));
    EXPECT_FALSE(is_stored(keeping, "private, max-age=60"));
    EXPECT_FALSE(is_stored(keeping, "max-age=0", Credentials::authorization));
    EXPECT_FALSE(is_stored(keeping, "max-age=0", Credentials::cookie));
  }
  EXPECT_FALSE(is_stored(Keeping::as_said, "max-age=0"));
}

TEST(Packs, APageOfWhoeverIsInBetweenIsNoPackage) {
  EXPECT_TRUE(is_likely(Keeping::unchanging, 200, fields("Content-Type", "application/octet-stream")));
  EXPECT_TRUE(is_likely(Keeping::index, 200, {}));
  EXPECT_FALSE(is_likely(Keeping::unchanging, 200, fields("Content-Type", "Text/HTML; charset=utf-8")));
  EXPECT_FALSE(is_likely(Keeping::unchanging, 404, {}));
  EXPECT_FALSE(is_likely(Keeping::as_said, 200, {}));
}

TEST(Packs, TheFormsOfADocumentAreKeptApartSaidOrNot) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(vary_names({}, Keeping::document), Names{"accept"});
  EXPECT_EQ(vary_names(fields("Vary", "Accept"), Keeping::document), Names{"accept"});
  EXPECT_EQ(vary_names(fields("Vary", "A-Field"), Keeping::document), (Names{"a-field", "accept"}));
  EXPECT_EQ(vary_names(fields("Vary", "*"), Keeping::document), std::nullopt);
  EXPECT_EQ(vary_names({}, Keeping::index), Names{});
}

}  // namespace
}  // namespace propeller::cache
