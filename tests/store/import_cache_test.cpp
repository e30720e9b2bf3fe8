#include "store/import_cache.hpp"

#include "store/store_fixture.hpp"

namespace propeller::store {
namespace {

std::string big_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
  return text;
}

class ImportTest : public StoreTest {
 protected:
  ImportTest() : old_(fs::temp_directory_path() / ("propeller-old-" + base::random_hex(8))) {
    fs::create_directories(old_);
  }
  ~ImportTest() override { fs::remove_all(old_); }

  void leave(const std::string& key, const std::string& body,
             const std::string& headers = "Content-Type:application/octet-stream\nX-A:b: c\n") {
    const std::string name = base::sha256(key).hex();
    std::ofstream(old_ / name, std::ios::binary)
        << big_endian(200, 4) << big_endian(1'700'000'000, 8) << big_endian(headers.size(), 4) << headers << body;
    std::ofstream(old_ / (name + ".meta")) << key;
  }
  ImportCounts import(std::function<bool(std::string_view)> is_wanted = {}, bool is_public = true) {
    auto counts =
        run(import_cache({.directory = old_, .is_wanted = std::move(is_wanted), .is_public = is_public}, *store_));
    EXPECT_TRUE(counts);
    return counts.value_or(ImportCounts{});
  }
  static std::string blob_key(std::string_view body) {
    return "registry-1.docker.io:443/v2/library/alpine/blobs/" + base::sha256(body).to_string();
  }

  fs::path old_;
};

TEST_F(ImportTest, ABodyWhoseKeyNamesItsDigestIsTakenOverWithItsHeaders) {
  open();
  const std::string body(600'000, 'b');
  leave(blob_key(body), body);
  const ImportCounts counts = import();
  EXPECT_EQ(counts.imported, 1U);
  EXPECT_EQ(counts.bytes, body.size());
  const auto blob = find(digest_of(body));
  ASSERT_NE(blob, nullptr);
  EXPECT_EQ(text_of(*blob), body);
  const auto entry =
      run(store_->find_entry("https://registry-1.docker.io/v2/library/alpine/blobs/" + digest_of(body).to_string()));
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->header_text, "Content-Type: application/octet-stream\r\nX-A: b: c\r\n");
  EXPECT_EQ((*entry)->stored_at, 1'700'000'000);
  EXPECT_EQ((*entry)->status, 200);
}

// The old cache holds what one client had a token for beside what everybody may have.
TEST_F(ImportTest, WhatMayBePrivateAnswersNobodyUntilItIsSaidToBePublic) {
  open();
  const auto key = blob_key("body");
  leave(key, "body");
  EXPECT_EQ(import({}, false).imported, 1U);
  EXPECT_NE(find(digest_of("body")), nullptr);
  EXPECT_EQ(*run(store_->find_entry(urls_of_old_key(key).at(0))), nullptr);
  EXPECT_EQ(import({}, true).present, 1U);
  EXPECT_NE(*run(store_->find_entry(urls_of_old_key(key).at(0))), nullptr);
}

TEST_F(ImportTest, TheSecondTimeItIsThereAlready) {
  open();
  leave(blob_key("body"), "body");
  EXPECT_EQ(import().imported, 1U);
  EXPECT_EQ(import().present, 1U);
}

// Each host and repository had a copy of its own; here it is one blob, and all of them find it.
TEST_F(ImportTest, TheSameBodyUnderAnotherNameIsFoundByBoth) {
  open();
  const auto other = "ghcr.io:443/v2/acme/blobs/" + digest_of("body").to_string();
  leave(blob_key("body"), "body");
  leave(other, "body");
  const auto counts = import();
  EXPECT_EQ(counts.imported, 1U);
  EXPECT_EQ(counts.present, 1U);
  EXPECT_EQ(store_->status().blobs, 1U);
  for (const auto& key : {blob_key("body"), other}) {
    const auto entry = run(store_->find_entry(urls_of_old_key(key).at(0)));
    EXPECT_TRUE(entry && *entry) << key;
  }
}

TEST_F(ImportTest, ABodyThatIsNotItsDigestIsCountedAndNotTaken) {
  open();
  leave(blob_key("body"), "bodY");
  EXPECT_EQ(import().damaged, 1U);
  EXPECT_EQ(find(digest_of("body")), nullptr);
  EXPECT_EQ(find(digest_of("bodY")), nullptr);
}

TEST_F(ImportTest, ABodyThatNothingVouchesForIsLeft) {
  open();
  leave("example.org:443/file.tar", "body");
  EXPECT_EQ(import().undigested, 1U);
  EXPECT_EQ(store_->status().blobs, 0U);
}

TEST_F(ImportTest, ThePatternsDecideByThePath) {
  open();
  leave(blob_key("one"), "one");
  leave("registry.example.org/registry-v2/docker/registry/v2/blobs/sha256/ab/" + base::sha256("two").hex() + "/data",
        "two");
  const ImportCounts counts = import([](std::string_view path) { return path.starts_with("/registry-v2/"); });
  EXPECT_EQ(counts.imported, 1U);
  EXPECT_EQ(counts.not_wanted, 1U);
  EXPECT_NE(find(digest_of("two")), nullptr);
}

TEST_F(ImportTest, FilesThatAreNoEntriesAreCountedOrLeftAlone) {
  open();
  std::ofstream(old_ / base::sha256("without key").hex()) << "body";
  leave(blob_key("short"), "short");
  fs::resize_file(old_ / base::sha256(blob_key("short")).hex(), 10);
  leave(blob_key("headers"), "headers", "no colon\n");
  std::ofstream(old_ / (base::sha256("x").hex() + ".tmp-123")) << "half";
  std::ofstream(old_ / "README") << "mine";
  const ImportCounts counts = import();
  EXPECT_EQ(counts.damaged, 3U);
  EXPECT_EQ(counts.imported, 0U);
}

TEST_F(ImportTest, WhatHasNoRoomIsRefused) {
  options_.object_bytes_max = 3;
  open();
  leave(blob_key("body"), "body");
  EXPECT_EQ(import().refused, 1U);
}

TEST_F(ImportTest, ADirectoryThatIsNotThereIsAnErrorWithItsName) {
  open();
  const auto counts = run(import_cache({.directory = old_ / "nowhere", .is_wanted = {}}, *store_));
  ASSERT_FALSE(counts);
  EXPECT_NE(counts.error().detail.find("nowhere"), std::string::npos);
}

TEST(OldHead, LengthsAndStatesThatCannotBeAreRefused) {
  const std::string time = big_endian(1, 8);
  EXPECT_TRUE(parse_old_head(big_endian(206, 4) + time + big_endian(0, 4)));
  EXPECT_FALSE(parse_old_head(big_endian(404, 4) + time + big_endian(0, 4)));
  EXPECT_FALSE(parse_old_head(big_endian(200, 4) + time + big_endian(OldHead::kHeaderBytesMax + 1, 4)));
  EXPECT_FALSE(parse_old_head(big_endian(200, 4) + time + "abc"));
}

TEST(OldHead, HeaderLinesThatWouldForgeOthersAreRefused) {
  EXPECT_EQ(convert_old_headers(""), "");
  EXPECT_FALSE(convert_old_headers("A:b"));
  EXPECT_FALSE(convert_old_headers("A b:c\n"));
  EXPECT_FALSE(convert_old_headers(":c\n"));
  EXPECT_FALSE(convert_old_headers("A:b\rB:c\n"));
}

TEST(OldHead, WhatWasForOneClientOrOneMessageIsLeftOut) {
  EXPECT_EQ(convert_old_headers("Set-Cookie:a=b\nETag:\"e\"\nset-cookie2:c\nProxy-Authenticate:Basic\n"
                                "Authentication-Info:x\nContent-Length:1\nCONTENT-RANGE:bytes 0-0/1\n"
                                "Connection:close\nTransfer-Encoding:chunked\n"),
            "ETag: \"e\"\r\n");
}

TEST(OldHead, AKeyIsWhatClientsAskFor) {
  using Urls = std::vector<std::string>;
  EXPECT_EQ(urls_of_old_key("Example.org:443/A?b"), Urls{"https://example.org/A?b"});
  EXPECT_EQ(urls_of_old_key("example.org/a"), Urls{"http://example.org/a"});
  EXPECT_EQ(urls_of_old_key("example.org:80/a"), Urls{"http://example.org/a"});
  EXPECT_EQ(urls_of_old_key("[::1]/a"), Urls{"http://[::1]/a"});
  EXPECT_EQ(urls_of_old_key("r:5000/a"), (Urls{"https://r:5000/a", "http://r:5000/a"}));
  EXPECT_EQ(urls_of_old_key("/a"), Urls{});
  EXPECT_EQ(urls_of_old_key("no path"), Urls{});
}

TEST(OldHead, ADigestIsFoundInBothFormsOfAPath) {
  const std::string hex = base::sha256("x").hex();
  EXPECT_EQ(digest_in_key("/v2/a/manifests/sha256:" + hex), digest_of("x"));
  EXPECT_EQ(digest_in_key("/blobs/sha256/ab/" + hex + "/data"), digest_of("x"));
  EXPECT_EQ(digest_in_key("/blobs/sha256/ab/" + hex), std::nullopt);
  EXPECT_EQ(digest_in_key("/v2/a/manifests/sha256:" + hex.substr(1)), std::nullopt);
}

}  // namespace
}  // namespace propeller::store
