#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "store/store_fixture.hpp"
#include "support/environment.hpp"
#include "support/fake_registry.hpp"
#include "tier/second_tier.hpp"

namespace propeller::tier {

/// A store with a second tier behind it, whose server does as it is told.
class TierTest : public store::StoreTest {
 protected:
  static constexpr std::string_view kKey = "http://r.test/v2/acme/m/blobs/x";

  TierTest() : bucket_({.is_bucket = true}) { options_.size_bytes_max = 64 * base::kMiB; }
  void SetUp() override { open(); }
  void TearDown() override { tier_.reset(); }

  /// Waits until it is asked. `rest` is how long it is left alone after a failure.
  void start(std::chrono::milliseconds rest = std::chrono::hours(1)) {
    tier_ = std::make_unique<SecondTier>(SecondTierOptions{.settings = {.endpoint = bucket_.url(),
                                                                        .bucket = "site",
                                                                        .prefix = "edge",
                                                                        .access_key = "key",
                                                                        .secret_key = Secret("secret"),
                                                                        .ca = {}},
                                                           .rest = rest,
                                                           .sleep = sleep_,
                                                           .upload_time_max = upload_time_max_},
                                         *store_, tier_probe_);
    ASSERT_TRUE(tier_->start());
    ASSERT_TRUE(support::wait_until([&] { return tier_->is_up(); })) << tier_->reason();
  }

  [[nodiscard]] static std::string path_of(const std::string& name) { return "/site/" + name; }
  [[nodiscard]] std::string object_path(std::string_view bytes) const {
    return path_of(names_.blob(base::sha256(bytes)));
  }
  [[nodiscard]] std::string record_path(std::string_view key = kKey) const { return path_of(names_.record(key)); }
  /// What another proxy has put there.
  void share(const std::string& bytes, std::string_view key = kKey) {
    const Record record{.key = std::string(key),
                        .digest = base::sha256(bytes),
                        .size = bytes.size(),
                        .content_type = "application/x-test"};
    bucket_.put_object(object_path(bytes), bytes);
    bucket_.put_object(record_path(key), format_record(record).value());
  }
  bool bring(std::string_view bytes, std::string_view key = kKey) {
    return run(tier_->bring(std::string(key), base::sha256(bytes)));
  }
  [[nodiscard]] int asked(std::string_view method, std::string_view part) const {
    int count = 0;
    for (const auto& each : bucket_.requests()) count += each.method == method && each.target.contains(part) ? 1 : 0;
    return count;
  }

  support::FakeRegistry bucket_;
  const ObjectNames names_{"edge"};
  Probe tier_probe_{metrics_};
  Reach::Sleep sleep_ = &async::sleep_for;
  std::chrono::milliseconds upload_time_max_ = S3Client::kUploadTimeMax;
  std::unique_ptr<SecondTier> tier_;
};

}  // namespace propeller::tier
