#include "forward/recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/base64.hpp"
#include "forward/scratch.hpp"

namespace propeller::forward {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::chrono::sys_seconds kNoon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} + 12h};

/// Stands still at noon unless it is moved.
class NoonClock final : public base::Clock {
 public:
  [[nodiscard]] time_point now() const override { return {}; }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override { return at; }
  std::chrono::system_clock::time_point at = kNoon;
};

ExchangeRecord exchange(std::string url = "http://h/p") {
  return {.id = {},
          .at = kNoon,
          .method = "GET",
          .url = std::move(url),
          .protocol = "HTTP/1.1",
          .remote = "127.0.0.1:5",
          .request = {.fields = {{"Accept", "*/*"}}},
          .status = 200,
          .status_text = "OK",
          .response = {.fields = {{"Content-Type", "text/plain"}}},
          .duration = 12ms,
          .is_cache_hit = false,
          .is_blocked = false,
          .upgrade_type = {},
          .stream = {}};
}

std::vector<json> lines_of(const fs::path& file) {
  std::vector<json> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

class RecorderTest : public testing::Test {
 protected:
  config::Recording settings() const {
    return {.is_enabled = true, .dir = scratch_.path() / "r", .body_size_max_bytes = 100};
  }
  fs::path today() const { return scratch_.path() / "r" / "requests-2026-11-21.jsonl"; }

  /// Records, and is over when everything is written.
  void run(const config::Recording& how, const std::function<void(Recorder&)>& use) {
    std::optional<Recorder> recorder(std::in_place, how, clock_);
    EXPECT_TRUE(recorder->start());
    use(*recorder);
    recorder.reset();
  }

  const Scratch scratch_;
  NoonClock clock_;
};

TEST_F(RecorderTest, WritesTheReferencesLine) {
  run(settings(), [](Recorder& recorder) {
    auto one = exchange("https://u:hunter2@h/p?token=hunter2");
    one.request.fields = {{"Authorization", "hunter2"}, {"Accept", "a"}, {"Accept", "b"}};
    one.request.body_bytes = 300;
    one.request.body = R"({"password":"hunter2"})";
    one.is_cache_hit = true;
    one.upgrade_type = "websocket";
    one.stream = StreamRecord{.session_id = "7", .file = "streams/stream-7.bin"};
    recorder.record(one);
  });
  const auto lines = lines_of(today());
  ASSERT_EQ(lines.size(), 1U);
  const auto& line = lines[0];
  EXPECT_EQ(line["timestamp"], "2026-11-21T12:00:00.000000000Z");
  EXPECT_EQ(line["id"], "1795262400000000000-1");
  EXPECT_EQ(line["request"]["url"], "https://[REDACTED]@h/p?token=[REDACTED]");
  EXPECT_EQ(line["request"]["proto"], "HTTP/1.1");
  EXPECT_EQ(line["request"]["remote_addr"], "127.0.0.1:5");
  EXPECT_EQ(line["request"]["headers"], json::parse(R"({"Authorization":["[REDACTED]"],"Accept":["a","b"]})"));
  EXPECT_EQ(line["request"]["body_size"], 300);
  EXPECT_EQ(base::base64_decode(line["request"]["body"].get<std::string>()), R"({"password":"[REDACTED]"})");
  EXPECT_EQ(line["response"]["status"], 200);
  EXPECT_EQ(line["response"]["status_text"], "OK");
  EXPECT_EQ(line["response"]["duration_ms"], 12);
  EXPECT_EQ(line["cache_hit"], true);
  EXPECT_EQ(line["blocked"], false);
  EXPECT_EQ(line["upgrade_type"], "websocket");
  EXPECT_EQ(line["stream_record"],
            json::parse(R"({"session_id":"7","file":"streams/stream-7.bin","format":"discboeing-upgrade-stream-v1"})"));
  EXPECT_EQ(Scratch::read(today()).find("hunter2"), std::string::npos);
}

TEST_F(RecorderTest, FilesAreTheOwnersAlone) {
  scratch_.write("r/requests-2026-11-21.jsonl", "");
  fs::permissions(today(), fs::perms(0644));
  std::string file;
  run(settings(), [&](Recorder& recorder) {
    recorder.record(exchange());
    const auto stream = recorder.open_stream("websocket");
    ASSERT_TRUE(stream);
    file = stream->file;
    recorder.close_stream(stream->session_id);
  });
  EXPECT_EQ(fs::status(today()).permissions(), fs::perms(0600));
  EXPECT_EQ(fs::status(scratch_.path() / "r" / file).permissions(), fs::perms(0600));
  EXPECT_EQ(fs::status(scratch_.path() / "r" / "streams").permissions(), fs::perms(0700));
}

TEST_F(RecorderTest, BodiesAreCutAndThoseThatAreNoTextLeftOut) {
  run(settings(), [](Recorder& recorder) {
    auto cut = exchange();
    cut.response.body = std::string(101, 'x');
    recorder.record(cut);
    auto zero = exchange();
    zero.response.body = std::string("a\0b", 3);
    recorder.record(zero);
    auto picture = exchange();
    picture.response.fields = {{"content-type", "image/png"}};
    picture.response.body = "text";
    recorder.record(picture);
    auto packed = exchange();
    packed.response.fields.emplace_back("content-encoding", "br");
    packed.response.body = "packed";
    recorder.record(packed);
  });
  const auto lines = lines_of(today());
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(base::base64_decode(lines[0]["response"]["body"].get<std::string>()), std::string(100, 'x'));
  EXPECT_EQ(lines[0]["response"]["body_truncated"], true);
  EXPECT_FALSE(lines[1]["response"].contains("body"));
  EXPECT_FALSE(lines[2]["response"].contains("body"));
  EXPECT_FALSE(lines[2]["response"].contains("body_truncated"));
  EXPECT_FALSE(lines[3]["response"].contains("body")) << "its secrets could not be found";
}

TEST_F(RecorderTest, ABlockedRequestHasNoResponse) {
  run(settings(), [](Recorder& recorder) {
    auto one = exchange();
    one.status = 0;
    one.is_blocked = true;
    recorder.record(one);
  });
  const auto lines = lines_of(today());
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_FALSE(lines[0].contains("response"));
  EXPECT_EQ(lines[0]["blocked"], true);
}

TEST_F(RecorderTest, EachDayHasItsFile) {
  run(settings(), [](Recorder& recorder) {
    recorder.record(exchange());
    auto tomorrow = exchange();
    tomorrow.at += 12h;
    recorder.record(tomorrow);
  });
  EXPECT_EQ(lines_of(today()).size(), 1U);
  EXPECT_EQ(lines_of(scratch_.path() / "r" / "requests-2026-11-22.jsonl").size(), 1U);
}

TEST_F(RecorderTest, OldDaysAndWhatIsTooMuchGoesTheOldestFirst) {
  const auto age = [&](const fs::path& file, std::chrono::hours hours) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - hours);
    return file;
  };
  const auto ancient = age(scratch_.write("r/requests-2026-10-01.jsonl", "x"), 24h * 8);
  const auto older = age(scratch_.write("r/streams/stream-1.bin", std::string(600'000, 'x')), 48h);
  const auto newer = age(scratch_.write("r/requests-2026-11-20.jsonl", std::string(600'000, 'x')), 24h);
  const auto foreign = age(scratch_.write("r/notes.txt", "x"), 24h * 100);
  auto how = settings();
  how.size_max_bytes = base::kMiB;
  run(how, [](Recorder& recorder) { recorder.record(exchange()); });
  EXPECT_FALSE(fs::exists(ancient));
  EXPECT_FALSE(fs::exists(older));
  EXPECT_TRUE(fs::exists(newer));
  EXPECT_TRUE(fs::exists(foreign));
  EXPECT_EQ(lines_of(today()).size(), 1U);
}

TEST_F(RecorderTest, NeverGrowsBeyondItsSize) {
  auto how = settings();
  how.size_max_bytes = 2000;
  run(how, [](Recorder& recorder) {
    for (int i = 0; i < 100; ++i) recorder.record(exchange());
  });
  EXPECT_LE(fs::file_size(today()), 2000U);
  EXPECT_GE(lines_of(today()).size(), 2U) << "and what is there is whole";
}

// The recording must never hold a request up, however slow the disk: here nobody takes from the queue at all.
TEST_F(RecorderTest, AFullQueueDropsAndCounts) {
  Recorder recorder(settings(), clock_);
  for (std::size_t i = 0; i < Recorder::kQueueItemsMax + 5; ++i) recorder.record(exchange());
  EXPECT_EQ(recorder.counts().dropped, 5U);
}

TEST_F(RecorderTest, TheQueueIsBoundedInBytesToo) {
  auto how = settings();
  how.body_size_max_bytes = -1;
  Recorder recorder(how, clock_);
  for (int i = 0; i < 10; ++i) {
    auto large = exchange();
    large.response.body = std::string(recorder.body_bytes_max() + 1, 'x');
    recorder.record(large);
  }
  EXPECT_GE(recorder.counts().dropped, 6U);
}

TEST_F(RecorderTest, ADirectoryThatCannotBeMadeIsAnError) {
  auto how = settings();
  how.dir = scratch_.write("file", "x") / "r";
  Recorder recorder(how, clock_);
  EXPECT_FALSE(recorder.start());
}

TEST_F(RecorderTest, AStreamIsWrittenInTheReferencesFormat) {
  std::string id;
  std::string file;
  run(settings(), [&](Recorder& recorder) {
    const auto stream = recorder.open_stream("ws");
    ASSERT_TRUE(stream);
    id = stream->session_id;
    file = stream->file;
    recorder.add_to_stream(id, StreamDirection::to_server, "abc");
    recorder.add_to_stream(id, StreamDirection::to_client, "de");
    recorder.add_to_stream("unknown", StreamDirection::to_client, "de");
    recorder.close_stream(id);
    recorder.add_to_stream(id, StreamDirection::to_client, "late");
  });
  using namespace std::string_literals;
  // 1795262400 * 10^9, big endian.
  const auto stamp = "\x18\xea\x0d\xa4\x1e\x9d\x80\x00"s;
  const auto expected = "DBS1\x01"s + stamp + "\0"s + static_cast<char>(id.size()) + id + "\0\x02ws"s +  //
                        "\x01"s + stamp + "\x01\0\0\0\x03"s + "abc"s +                                   //
                        "\x01"s + stamp + "\x02\0\0\0\x02"s + "de"s +                                    //
                        "\x02"s + stamp + "\0\0\0\0\0\0\0\x03"s + "\0\0\0\0\0\0\0\x02"s + std::string(16, '\0');
  EXPECT_EQ(Scratch::read(scratch_.path() / "r" / file), expected);
}

TEST_F(RecorderTest, WhatAStreamLostIsInItsSummary) {
  auto how = settings();
  how.size_max_bytes = 200;
  std::string file;
  run(how, [&](Recorder& recorder) {
    const auto stream = recorder.open_stream("ws");
    ASSERT_TRUE(stream);
    file = stream->file;
    recorder.add_to_stream(stream->session_id, StreamDirection::to_client, std::string(1000, 'x'));
    recorder.close_stream(stream->session_id);
  });
  const auto text = Scratch::read(scratch_.path() / "r" / file);
  const auto end = stream_summary(kNoon, {.server_bytes = 1000, .dropped_chunks = 1, .dropped_bytes = 1000});
  EXPECT_THAT(text, testing::EndsWith(end));
  EXPECT_LE(text.size(), 200U);
}

TEST_F(RecorderTest, StreamsAreBounded) {
  run(settings(), [](Recorder& recorder) {
    std::size_t opened = 0;
    // The thread may or may not take some from the queue meanwhile: one of the two bounds is met.
    for (std::size_t i = 0; i < Recorder::kStreamsMax + 10; ++i)
      opened += recorder.open_stream("ws").has_value() ? 1 : 0;
    EXPECT_LE(opened, Recorder::kStreamsMax);
    EXPECT_GE(recorder.counts().dropped, 10U);
  });
}

TEST(BodyRecorded, IsWhatPeopleRead) {
  for (const auto* type : {"text/html", "application/json", "application/x-www-form-urlencoded", ""})
    EXPECT_TRUE(is_body_recorded(type)) << type;
  for (const auto* type :
       {"image/png", "Video/mp4", "font/woff2", "application/octet-stream", "application/gzip", "application/x-tar",
        "application/wasm", "application/pdf", "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.x",
        "application/zstd"})
    EXPECT_FALSE(is_body_recorded(type)) << type;
}

}  // namespace
}  // namespace propeller::forward
