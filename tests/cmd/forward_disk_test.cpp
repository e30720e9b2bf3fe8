// The real program on a disk that is full.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/digest.hpp"
#include "forward/scripted_origin.hpp"
#include "forward_site.hpp"
#include "support/mounts.hpp"
#include "support/wasm_module.hpp"

namespace propeller::cmd {
namespace {

using support::wait_until;
using testing::HasSubstr;

class ForwardDisk : public ForwardSite {
 protected:
  void SetUp() override {
    if (!support::may_mount()) GTEST_SKIP() << "this process may not mount";
    std::filesystem::create_directories(disk_);
    launcher_ = {"unshare", "--mount", "sh", "-c",
                 "mount -t tmpfs -o size=512k,mode=700 none " + disk_.string() + " && exec \"$0\" \"$@\""};
  }
  [[nodiscard]] std::string put(support::FakeRegistry& registry, const std::string& bytes) const {
    return registry.url() + "/v2/acme/m/blobs/" + registry.push_blob("acme/m", bytes);
  }
  [[nodiscard]] bool is_served(const std::string& url, const std::string& bytes) const {
    const auto got = curl({"--no-include", url});
    return got.exit_code == 0 && got.output == bytes;
  }

  const std::filesystem::path disk_ = files_ / "disk";
};

TEST_F(ForwardDisk, WhenItIsTooSmallForWhatComesThatIsServedAndTheLogSaysSo) {
  const auto small = support::random_bytes(10'000, 1), large = support::random_bytes(3'000'000, 2);
  write_config(usual("cache: {enabled: true, min_free: 0, dir: " + disk_.string() + "}\n"));
  start();
  const auto kept = put(plain_, small);
  EXPECT_TRUE(is_served(kept, small));
  ASSERT_TRUE(wait_until([&] { return curl({"-I", kept}).has("X-Cache: HIT"); })) << log();
  for (auto* registry : {&plain_, &secure_}) {
    const auto url = put(*registry, large);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(is_served(url, large)) << log();
    EXPECT_EQ(registry->requests_with(base::sha256(large).to_string()), 2) << "it is not kept";
  }
  EXPECT_TRUE(says("the disk has too little room left; what is asked for is passed on")) << log();
  EXPECT_TRUE(curl({"-I", kept}).has("X-Cache: HIT")) << "what was there stays";
  stop();
}

// How much comes is not said in advance: it is written until the disk refuses.
TEST_F(ForwardDisk, WhenItIsFullEverythingIsServedAndTheLogSaysSo) {
  const std::string large(3'000'000, 'p');
  const forward::ScriptedOrigin origin([&](const support::SeenRequest&) {
    return fmt::format(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: max-age=600\r\nTransfer-Encoding: chunked\r\n\r\n"
        "{:x}\r\n{}\r\n0\r\n\r\n",
        large.size(), large);
  });
  write_config(usual("cache: {enabled: true, min_free: 0, dir: " + disk_.string() + "}\n"));
  start();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(is_served(origin.url(), large)) << log();
  EXPECT_EQ(origin.request_count(), 2U) << "it is not kept";
  EXPECT_TRUE(says("the disk refuses to store; what is asked for is passed on")) << log();
  EXPECT_THAT(log(), HasSubstr("No space left on device"));
  EXPECT_THAT(metrics(), HasSubstr("\npropeller_store_storing 0\n"));
  for (auto* registry : {&plain_, &secure_})
    EXPECT_TRUE(is_served(blob(*registry), "some bytes of a blob")) << "as before";
  stop();
}

TEST_F(ForwardDisk, WhenItIsFullNothingIsRecordedAndEverythingServed) {
  write_config(usual("recording: {enabled: true, max_body_size: -1, dir: " + disk_.string() + "}\n"));
  start();
  const auto text = files_ / "text";
  support::write_file(text, std::string(900'000, 't'));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(
        curl({"-H", "Content-Type: text/plain", "--data-binary", "@" + text.string(), blob(plain_)}).has("HTTP/1.1"))
        << log();
  EXPECT_TRUE(is_served(blob(secure_), "some bytes of a blob")) << log();
  EXPECT_TRUE(wait_until([&] { return metrics().contains("\npropeller_forward_recordings_lost_total 3\n"); }))
      << metrics();
  stop();
}

}  // namespace
}  // namespace propeller::cmd
