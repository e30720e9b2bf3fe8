// What a program that pulls (skopeo) gets from a registry whose tags move, and from one that is in trouble.
#include <fmt/format.h>

#include "base/digest.hpp"
#include "forward_programs.hpp"

namespace propeller::cmd {
namespace {

using support::FaultKind;
using support::wait_until;

enum class Way { mirror, intercepted };

/// The registry is the one that speaks TLS.
class ForwardTrouble : public ForwardPrograms, public testing::WithParamInterface<Way> {
 protected:
  void SetUp() override { name_servers(); }

  void start_with_window(const std::string& tag_window) {
    start_with("tag_window: " + tag_window,
               fmt::format("mirror: {{enabled: true, upstreams: [{{name: docker.io, url: '{}'}}]}}\n", secure_.url()));
    secure_.put_object("/v2/", "{ }");  // the door; other bytes than the configuration
    secure_.push_blob("acme/add", "{}");
    secure_.push_module("acme/add", "v1", kOld);
  }
  void move_the_tag() { secure_.push_module("acme/add", "v1", kNew); }

  [[nodiscard]] std::vector<std::string> pull_into(const std::filesystem::path& copy) const {
    const auto host =
        GetParam() == Way::mirror ? fmt::format("127.0.0.1:{}", port_) : fmt::format("{}:{}", kHost, secure_.port());
    // It comes to the mirror without TLS, and to the registry with it.
    const auto* check = GetParam() == Way::mirror ? "--src-tls-verify=false" : "--src-tls-verify=true";
    return {"skopeo", "--insecure-policy", "copy", check, "docker://" + host + "/acme/add:v1", "dir:" + copy.string()};
  }
  [[nodiscard]] Environment told() const { return {{"HTTPS_PROXY", proxy("http")}}; }
  [[nodiscard]] std::filesystem::path folder() { return files_ / fmt::format("pulled{}", ++pulls_); }
  /// The layer that a pull which ends well brings.
  [[nodiscard]] std::string pulled() {
    const auto copy = folder();
    run(pull_into(copy), told());
    for (const std::string layer : {kOld, kNew})
      if (std::filesystem::exists(copy / base::sha256(layer).hex())) return layer;
    return "neither";
  }
  /// Manifest, configuration and layer; the door.
  [[nodiscard]] static int blobs_of_a_pull() { return GetParam() == Way::mirror ? 3 : 4; }
  /// The old image is here, the registry has a new one, and says this to whoever asks for such a path.
  void expect_pulls_despite(const std::string& part, const support::Fault& fault) {
    start_with_window("0s");
    ASSERT_EQ(pulled(), kOld);
    ASSERT_TRUE(has_stored(blobs_of_a_pull()));
    move_the_tag();
    secure_.inject(part, fault);
    EXPECT_EQ(pulled(), kOld) << log();
    secure_.clear_faults();
    EXPECT_TRUE(wait_until([&] { return pulled() == kNew; })) << "when the registry can say again";
  }

  /// Blobs are said to be elsewhere, where nobody listens.
  void end_the_storage() {
    secure_.inject("/blobs/", {.kind = FaultKind::redirect,
                               .value = fmt::format("https://{}:{}/storage", kHost, support::free_port())});
  }

  static constexpr const char* kOld = "the old layer";
  static constexpr const char* kNew = "the new layer";
  int pulls_ = 0;
};

TEST_P(ForwardTrouble, AMovedTagIsSeenAfterItsWindow) {
  start_with_window("1s");
  ASSERT_EQ(pulled(), kOld);
  move_the_tag();
  EXPECT_TRUE(wait_until([&] { return pulled() == kNew; }));
}

TEST_P(ForwardTrouble, AMovedTagIsNotAskedAboutWithinItsWindow) {
  start_with_window("1h");
  ASSERT_EQ(pulled(), kOld);
  move_the_tag();
  const auto asked = secure_.requests_with("/manifests/v1");
  EXPECT_EQ(pulled(), kOld);
  EXPECT_EQ(secure_.requests_with("/manifests/v1"), asked);
}

TEST_P(ForwardTrouble, ARegistryThatWantsToBeLeftAloneCostsNobodyAPull) {
  expect_pulls_despite("/manifests/v1", {.kind = FaultKind::status, .status = 429, .value = "1"});
}

TEST_P(ForwardTrouble, ARegistryWithServerErrorsCostsNobodyAPull) {
  expect_pulls_despite("/", {.kind = FaultKind::status, .status = 500});
}

TEST_P(ForwardTrouble, ServerErrorsOfAFirstPullAreToldAndForgotten) {
  start_with_window("1h");
  secure_.inject("/acme/add/", {.kind = FaultKind::status, .status = 500});
  EXPECT_NE(exit_code(pull_into(folder()), told()), 0);
  secure_.clear_faults();
  EXPECT_EQ(pulled(), kOld) << log();
}

TEST_P(ForwardTrouble, BlobsThatAreNowhereFailAFirstPullAndAreForgotten) {
  start_with_window("1h");
  end_the_storage();
  EXPECT_NE(exit_code(pull_into(folder()), told()), 0);
  EXPECT_GE(secure_.requests_with("/blobs/"), 1);
  secure_.clear_faults();
  EXPECT_EQ(pulled(), kOld) << log();
}

TEST_P(ForwardTrouble, BlobsThatAreNowhereCostNobodyWhatIsKept) {
  start_with_window("1h");
  ASSERT_EQ(pulled(), kOld);
  ASSERT_TRUE(has_stored(blobs_of_a_pull()));
  end_the_storage();
  EXPECT_EQ(pulled(), kOld) << log();
}

INSTANTIATE_TEST_SUITE_P(Ways, ForwardTrouble, testing::Values(Way::mirror, Way::intercepted), [](const auto& way) {
  return way.param == Way::mirror ? std::string("Mirror") : std::string("Intercepted");
});

}  // namespace
}  // namespace propeller::cmd
