// What a proxy gives to the others: in the background, once, and only as long as it is taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tier/tier_fixture.hpp"

namespace propeller::tier {
namespace {

using support::FaultKind;
using support::wait_until;

async::awaitable<bool> joined(async::TaskGroup& tasks) {
  co_await tasks.join();
  co_return true;
}

class Upload : public TierTest {
 protected:
  void offer(const std::string& bytes, std::string_view key = kKey) {
    auto blob = put(bytes);
    ASSERT_NE(blob, nullptr);
    tier_->offer(std::string(key), std::move(blob), "Content-Type: application/x-test\r\nETag: \"e\"\r\n");
  }
  [[nodiscard]] bool has_uploaded(std::uint64_t count) {
    return wait_until([&] { return tier_probe_.uploaded.value() == count; });
  }
};

TEST_F(Upload, WhatWasFetchedIsThereForTheOthers) {
  start();
  const std::string bytes(700'000, 'u');
  offer(bytes);
  ASSERT_TRUE(has_uploaded(1));
  EXPECT_EQ(bucket_.object(object_path(bytes)), bytes);
  const auto record = parse_record(bucket_.object(record_path()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->content_type, "application/x-test");
  for (const auto& request : bucket_.requests()) {
    if (request.method != "PUT") continue;
    EXPECT_EQ(request.field("x-amz-content-sha256"), base::sha256(request.body).hex());
    EXPECT_NE(request.field("authorization").find("x-amz-content-sha256"), std::string::npos) << "signed";
  }
  EXPECT_EQ(tier_probe_.uploaded_bytes.value(), bytes.size());
  ASSERT_TRUE(run(store_->erase_blob(base::sha256(bytes))));
  EXPECT_TRUE(bring(bytes)) << "as another proxy would";
}

TEST_F(Upload, AnEmptyContentIsOneToo) {
  start();
  offer("");
  ASSERT_TRUE(has_uploaded(1));
  ASSERT_TRUE(run(store_->erase_blob(base::sha256(""))));
  EXPECT_TRUE(bring(""));
}

TEST_F(Upload, WhatIsThereIsNotSentAgain) {
  start();
  share("bytes");
  offer("bytes", "http://mirror.test/x");
  ASSERT_TRUE(has_uploaded(1));
  EXPECT_EQ(asked("PUT", "/sha256/"), 0);
  EXPECT_EQ(asked("PUT", "/records/"), 1) << "the other key names it now";
}

// Whoever has the signature may have it, for a while.
TEST_F(Upload, WhatASignatureOpenedIsNotShared) {
  start();
  const std::string key = std::string(kKey) + "?sig=abc";
  offer("signed", key);
  offer("for everybody");
  ASSERT_TRUE(has_uploaded(1));
  EXPECT_EQ(asked("PUT", "/sha256/"), 1);
  share("signed", key);
  EXPECT_FALSE(bring("signed", key));
  EXPECT_EQ(asked("GET", "/records/"), 0);
}

TEST_F(Upload, WhatIsTakenAwayIsNotBroughtAnyMore) {
  start();
  share("bytes");
  tier_->forget(std::string(kKey));
  ASSERT_TRUE(wait_until([&] { return asked("PUT", "/records/") == 1; }));
  EXPECT_FALSE(bring("bytes"));
  EXPECT_EQ(tier_probe_.wrong.value(), 0U);
  EXPECT_TRUE(tier_->is_up());
}

TEST_F(Upload, AWrongObjectIsReplaced) {
  start();
  share("bytes");
  bucket_.put_object(object_path("bytes"), "wrong");
  EXPECT_FALSE(bring("bytes"));
  offer("bytes");
  ASSERT_TRUE(has_uploaded(1));
  EXPECT_EQ(bucket_.object(object_path("bytes")), "bytes");
}

TEST_F(Upload, AFullQueueDropsAndCountsAndHoldsUpNobody) {
  start();
  bucket_.inject("/sha256/", {.kind = FaultKind::hang});
  const auto blob = put("bytes");
  const auto offered = 2 * Uploader::kWaitingMax;
  for (std::size_t i = 0; i < offered; ++i) tier_->offer("http://r.test/" + std::to_string(i), blob, "");
  EXPECT_GE(tier_probe_.dropped.value(), 1U);
  EXPECT_TRUE(wait_until([&] {
    return tier_probe_.waiting.value() + static_cast<std::int64_t>(tier_probe_.dropped.value()) >=
           static_cast<std::int64_t>(offered - Uploader::kAtOnce);
  }));
  EXPECT_LE(tier_probe_.waiting.value(), static_cast<std::int64_t>(Uploader::kWaitingMax));
  tier_->stop();
  EXPECT_EQ(tier_probe_.write_errors.value(), 0U) << "stopped while the server still hung";
}

TEST_F(Upload, AfterAFailureNothingIsTakenForAWhile) {
  start();
  bucket_.inject("/sha256/", {.kind = FaultKind::status, .status = 403});
  offer("bytes");
  ASSERT_TRUE(wait_until([&] { return tier_probe_.write_errors.value() == 1; }));
  const auto before = bucket_.requests().size();
  offer("others", "http://r.test/others");
  EXPECT_TRUE(wait_until([&] { return tier_probe_.dropped.value() == 2; }));
  EXPECT_EQ(bucket_.requests().size(), before);
  EXPECT_TRUE(tier_->is_up()) << "who may only read reads on";
}

TEST_F(Upload, OneThatTakesTooLongIsDroppedAlone) {
  upload_time_max_ = std::chrono::seconds(2);
  start();
  bucket_.inject("/sha256/", {.kind = FaultKind::status, .status = 404, .times = 1});  // HEAD: it is not there
  bucket_.inject("/sha256/", {.kind = FaultKind::hang, .times = 1});
  offer("large");
  ASSERT_TRUE(wait_until([&] { return tier_probe_.write_errors.value() == 1; }));
  EXPECT_EQ(tier_probe_.dropped.value(), 1U);
  offer("small", "http://r.test/small");
  ASSERT_TRUE(has_uploaded(1));
  EXPECT_EQ(bucket_.object(object_path("small")), "small");
}

TEST_F(Upload, AKeyThatNoRecordHoldsIsNotShared) {
  start();
  offer("bytes", "http://r.test/" + std::string(Record::kKeyBytesMax, 'k'));
  EXPECT_TRUE(wait_until([&] { return tier_probe_.dropped.value() == 1; }));
  EXPECT_EQ(tier_probe_.uploaded.value(), 0U);
}

TEST_F(Upload, WhileItIsOutNothingIsTaken) {
  start();
  bucket_.inject("/records/", {.kind = FaultKind::status, .status = 500});
  EXPECT_FALSE(bring("bytes"));
  offer("bytes");
  EXPECT_EQ(tier_probe_.dropped.value(), 1U);
}

class UploadQueue : public Upload {
 protected:
  std::unique_ptr<S3Client> client_ =
      S3Client::make(core_.get_executor(), {.endpoint = bucket_.url(), .bucket = "site"}).value();
  async::TaskGroup tasks_{core_.get_executor()};
};

// What is evicted meanwhile stays on the disk for it.
TEST_F(UploadQueue, SoManyBytesWaitOrOneContentOfMore) {
  const auto blob = put("bytes");
  const auto dropped_of = [&](const std::vector<std::uint64_t>& sizes) {
    // None of them is sent before the core runs.
    Uploader uploader(*client_, names_, tier_probe_, tasks_, std::chrono::seconds(1));
    const auto before = tier_probe_.dropped.value();
    for (const auto size : sizes)
      uploader.add({.key = std::string(kKey), .digest = blob->digest(), .size = size, .content_type = ""}, blob);
    tasks_.cancel();
    EXPECT_TRUE(run(joined(tasks_)));
    return tier_probe_.dropped.value() - before;
  };
  EXPECT_EQ(dropped_of({Uploader::kHeldBytesMax - 1, 1}), 0U);
  EXPECT_EQ(dropped_of({Uploader::kHeldBytesMax - 1, 2, 1}), 1U) << "there is a place for the smaller one";
  EXPECT_EQ(dropped_of({Uploader::kObjectBytesMax, 1}), 1U);
  EXPECT_EQ(dropped_of({Uploader::kObjectBytesMax + 1, 1}), 1U);
}

TEST_F(UploadQueue, SoManyWrongObjectsAreRemembered) {
  Uploader uploader(*client_, names_, tier_probe_, tasks_, std::chrono::seconds(1));
  for (std::size_t i = 0; i < Uploader::kWrongMax; ++i) EXPECT_TRUE(uploader.distrust(base::sha256(std::to_string(i))));
  EXPECT_FALSE(uploader.distrust(base::sha256("0"))) << "it is known";
  EXPECT_TRUE(uploader.distrust(base::sha256("one more")));
  EXPECT_TRUE(uploader.distrust(base::sha256("0"))) << "it has begun anew";
}

}  // namespace
}  // namespace propeller::tier
