// What others have fetched, and a server of it that fails in every way there is: the caller is told "no" in bounded
// time, and the store never has anything wrong.
#include "tier/second_tier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <vector>

#include "tier/tier_fixture.hpp"

namespace propeller::tier {
namespace {

using support::Fault;
using support::FaultKind;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(TierTest, ARecordAndItsBytesAreBrought) {
  const std::string bytes(300'000, 'b');
  share(bytes);
  start();
  EXPECT_TRUE(bring(bytes));
  const auto entry = run(store_->find_entry(std::string(kKey)));
  ASSERT_TRUE(entry && *entry);
  EXPECT_EQ((*entry)->digest, store::BlobDigest(base::sha256(bytes)));
  EXPECT_EQ((*entry)->size, bytes.size());
  EXPECT_THAT((*entry)->header_text, HasSubstr("Content-Type: application/x-test\r\n"));
  EXPECT_THAT((*entry)->header_text, HasSubstr("Docker-Content-Digest: " + base::sha256(bytes).to_string()));
  EXPECT_EQ(text_of(*find(base::sha256(bytes))), bytes);
  EXPECT_EQ(tier_probe_.hits.value(), 1U);
  EXPECT_EQ(tier_probe_.read_bytes.value(), bytes.size());
  for (const auto& request : bucket_.requests()) {
    EXPECT_THAT(request.field("authorization"), StartsWith("AWS4-HMAC-SHA256 Credential=key/"));
    EXPECT_THAT(request.field("authorization"), HasSubstr("/us-east-1/s3/aws4_request, SignedHeaders=host;"));
  }
}

// A digest is no secret: that somebody may have it is what the record says.
TEST_F(TierTest, BytesWithoutARecordAreNotAskedFor) {
  share("bytes", "http://r.test/another");
  start();
  EXPECT_FALSE(bring("bytes"));
  EXPECT_EQ(asked("GET", "/sha256/"), 0);
  EXPECT_EQ(tier_probe_.misses.value(), 1U);
  EXPECT_TRUE(tier_->is_up());
}

// Who writes records only would open what others have for some of their callers alone.
TEST_F(TierTest, ARecordAloneOpensNothingThatIsHere) {
  ASSERT_NE(put("private here"), nullptr);
  share("private here");
  start();
  EXPECT_FALSE(bring("private here"));
  const auto entry = run(store_->find_entry(std::string(kKey)));
  EXPECT_TRUE(entry && !*entry);
}

TEST_F(TierTest, ARecordOfSomethingElseIsNotBelieved) {
  share("bytes");
  const auto record = bucket_.object(record_path());
  bucket_.put_object(record_path("http://r.test/another"), record);
  start();
  EXPECT_FALSE(bring("bytes", "http://r.test/another"));
  EXPECT_FALSE(bring("other bytes"));
  bucket_.put_object(record_path(), "no record");
  EXPECT_FALSE(bring("bytes"));
  bucket_.put_object(record_path(), std::string(Record::kTextBytesMax + 1, 'x'));
  EXPECT_FALSE(bring("bytes"));
  EXPECT_EQ(asked("GET", "/sha256/"), 0);
}

TEST_F(TierTest, WhatTheStoreDoesNotKeepIsNotFetched) {
  options_.object_bytes_max = 1'000;
  reopen();
  const std::string bytes(40'000'000, 'b');  // more than sockets hold
  share(bytes);
  start();
  EXPECT_FALSE(bring(bytes));
  EXPECT_TRUE(tier_->is_up());
  EXPECT_LT(bucket_.body_bytes_sent(), bytes.size());
}

TEST_F(TierTest, MoreThanOnePutHoldsIsNotExpected) {
  share("bytes");
  const Record record{.key = std::string(kKey),
                      .digest = base::sha256("bytes"),
                      .size = Uploader::kObjectBytesMax + 1,
                      .content_type = ""};
  bucket_.put_object(record_path(), format_record(record).value());
  start();
  EXPECT_FALSE(bring("bytes"));
  EXPECT_EQ(asked("GET", "/sha256/"), 0);
}

TEST_F(TierTest, TwoKeysOfOneDigestShareADownload) {
  const std::string bytes(3'000'000, 'b');
  share(bytes);
  share(bytes, "http://mirror.test/x");
  start();
  bucket_.inject("/sha256/", {.kind = FaultKind::trickle, .bytes = 500'000, .pause = std::chrono::milliseconds(20)});
  int brought = 0;
  const auto ask = [](SecondTier& tier, std::string key, store::BlobDigest digest,
                      int& count) -> async::awaitable<void> {
    if (co_await tier.bring(std::move(key), digest)) ++count;
  };
  async::TaskGroup group(core_.get_executor());
  for (const auto* key : {kKey.data(), "http://mirror.test/x"})
    group.spawn(ask(*tier_, key, base::sha256(bytes), brought));
  core_.restart();
  core_.run();
  EXPECT_EQ(brought, 2);
  EXPECT_EQ(asked("GET", "/sha256/"), 1);
}

TEST_F(TierTest, NoMoreThanSoManyAreAskedForAtOnce) {
  start();
  bucket_.inject("/records/", {.kind = FaultKind::trickle, .bytes = 1, .pause = std::chrono::milliseconds(20)});
  share("bytes");
  int brought = 0;
  const auto ask = [](SecondTier& tier, std::string key, int& count) -> async::awaitable<void> {
    if (co_await tier.bring(std::move(key), base::sha256("bytes"))) ++count;
  };
  async::TaskGroup group(core_.get_executor());
  for (std::size_t i = 0; i <= SecondTier::kAskedMax; ++i) group.spawn(ask(*tier_, std::string(kKey), brought));
  core_.restart();
  core_.run();
  EXPECT_GE(tier_probe_.skipped.value(), 1U) << "it goes to the registry at once";
}

enum class After { out, wrong };

struct Case {
  const char* name;
  const char* part;  ///< of the path
  Fault fault;
  After after;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class TierFault : public TierTest, public testing::WithParamInterface<Case> {};

TEST_P(TierFault, IsNobodysTrouble) {
  const auto& one = GetParam();
  const std::string bytes(2'000'000, 'b');
  share(bytes);
  start();
  bucket_.inject(one.part, one.fault);
  EXPECT_FALSE(bring(bytes));
  EXPECT_FALSE(store_->has_blob(base::sha256(bytes)));
  EXPECT_EQ(tier_->is_up(), one.after == After::wrong) << tier_->reason();
  EXPECT_EQ(tier_probe_.wrong.value(), one.after == After::wrong ? 1U : 0U);
  if (one.after == After::wrong) return;
  // Nobody waits a second time.
  const auto before = bucket_.requests().size();
  EXPECT_FALSE(bring(bytes));
  EXPECT_EQ(bucket_.requests().size(), before);
  EXPECT_EQ(tier_probe_.skipped.value(), 1U);
  EXPECT_NE(tier_->reason(), "");
}

constexpr auto kRecords = "/records/", kBlobs = "/sha256/";

INSTANTIATE_TEST_SUITE_P(
    All, TierFault,
    testing::Values(
        Case{"RecordHangs", kRecords, {.kind = FaultKind::hang}, After::out},
        Case{"RecordIsRefused", kRecords, {.kind = FaultKind::status, .status = 403}, After::out},
        Case{"RecordFails", kRecords, {.kind = FaultKind::status, .status = 500}, After::out},
        Case{"RecordIsRedirected", kRecords, {.kind = FaultKind::redirect, .value = "http://127.0.0.1:1/"}, After::out},
        Case{"RecordIsGarbage", kRecords, {.kind = FaultKind::garbage}, After::out},
        Case{"RecordHasAnEndlessHead", kRecords, {.kind = FaultKind::endless_head}, After::out},
        Case{"RecordIsCut", kRecords, {.kind = FaultKind::close_after, .bytes = 20}, After::out},
        Case{"RecordStops", kRecords, {.kind = FaultKind::hang_after, .bytes = 20}, After::out},
        Case{"BlobHangs", kBlobs, {.kind = FaultKind::hang}, After::out},
        Case{"BlobFails", kBlobs, {.kind = FaultKind::status, .status = 503}, After::out},
        Case{"BlobIsClosed", kBlobs, {.kind = FaultKind::close}, After::out},
        Case{"BlobIsCut", kBlobs, {.kind = FaultKind::close_after, .bytes = 1'000'000}, After::out},
        Case{"BlobStops", kBlobs, {.kind = FaultKind::hang_after, .bytes = 1'000'000}, After::out},
        Case{"BlobTrickles",
             kBlobs,
             {.kind = FaultKind::trickle, .bytes = 1'000, .pause = std::chrono::milliseconds(100)},
             After::out},
        Case{"BlobHasOtherBytes", kBlobs, {.kind = FaultKind::wrong_bytes}, After::wrong},
        Case{"BlobHasMoreBytes", kBlobs, {.kind = FaultKind::more_bytes, .bytes = 100'000}, After::wrong},
        Case{"BlobSaysItIsLonger", kBlobs, {.kind = FaultKind::long_length, .bytes = 10}, After::wrong},
        Case{"BlobSaysItIsShorter", kBlobs, {.kind = FaultKind::short_length, .bytes = 10}, After::wrong}),
    [](const auto& info) { return info.param.name; });

TEST_F(TierTest, IsBackWhenItAnswersAgain) {
  share("bytes");
  start(std::chrono::milliseconds(20));
  bucket_.inject("/records/", {.kind = FaultKind::status, .status = 500, .times = 1});
  bucket_.inject("/probe", {.kind = FaultKind::status, .status = 500, .times = 2});
  EXPECT_FALSE(bring("bytes"));
  EXPECT_TRUE(support::wait_until([&] { return tier_->is_up(); }));
  EXPECT_EQ(tier_->reason(), "");
  EXPECT_TRUE(bring("bytes"));
  EXPECT_EQ(tier_probe_.read_errors.value(), 3U);
}

TEST(TierRest, IsTwiceAsLongEachTimeUpToABound) {
  using std::chrono::seconds;
  EXPECT_EQ(rest_after(0, seconds(5)), seconds(5)) << "only we have asked";
  EXPECT_EQ(rest_after(1, seconds(5)), seconds(5));
  EXPECT_EQ(rest_after(2, seconds(5)), seconds(10));
  EXPECT_EQ(rest_after(6, seconds(5)), seconds(160));
  EXPECT_EQ(rest_after(7, seconds(5)), kRestMax);
  EXPECT_EQ(rest_after(1'000'000, seconds(5)), kRestMax);
}

// One that answers us and nobody else costs a client its patience each time that it comes back.
TEST_F(TierTest, WhatFailsClientsAgainRestsForLongerUntilItIsOfUse) {
  using std::chrono::seconds;
  share("bytes");
  std::vector<std::chrono::steady_clock::duration> rests;
  sleep_ = [&rests](std::chrono::steady_clock::duration rest) {
    rests.push_back(rest);
    return async::sleep_for({});
  };
  start(seconds(5));
  const auto fail = [&] {
    bucket_.inject("/records/", {.kind = FaultKind::status, .status = 500, .times = 1});
    EXPECT_FALSE(bring("bytes"));
    EXPECT_TRUE(support::wait_until([&] { return tier_->is_up(); }));
  };
  bucket_.inject("/probe", {.kind = FaultKind::status, .status = 500, .times = 2});
  for (int i = 0; i < 3; ++i) fail();
  EXPECT_TRUE(bring("bytes"));
  fail();
  tier_->stop();
  EXPECT_THAT(rests, testing::ElementsAre(seconds(5), seconds(5), seconds(5), seconds(10), seconds(20), seconds(5)));
}

TEST_F(TierTest, WhoWaitsIsToldThatItEnds) {
  share("bytes");
  start();
  bucket_.inject("/records/", {.kind = FaultKind::hang});
  std::jthread stopping([this] {
    (void)support::wait_until([&] { return asked("GET", "/records/") > 0; });
    tier_->stop();
  });
  EXPECT_FALSE(bring("bytes"));
  stopping.join();
  EXPECT_FALSE(bring("bytes")) << "after its end, too";
  EXPECT_EQ(tier_probe_.read_errors.value(), 0U) << "it did not fail";
}

}  // namespace
}  // namespace propeller::tier
