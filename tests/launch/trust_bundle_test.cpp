#include "launch/trust_bundle.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "support/environment.hpp"

namespace propeller::launch {
namespace {

namespace fs = std::filesystem;
using support::read_file;
using support::write_file;

constexpr const char* kOurs = "-----BEGIN CERTIFICATE-----\nOURS\n-----END CERTIFICATE-----\n";
constexpr const char* kSystems = "-----BEGIN CERTIFICATE-----\nSYSTEM\n-----END CERTIFICATE-----";

class TrustBundle : public testing::Test {
 protected:
  TrustBundle() { write_file(files_ / "ca.crt", kOurs); }
  [[nodiscard]] Result<Bundle> keep() const { return keep_bundle(files_.path(), candidates_); }
  [[nodiscard]] std::string bundle() const { return read_file(files_ / "bundle.crt"); }

  const support::TempDir files_;
  const std::array<fs::path, 2> candidates_{files_ / "first.pem", files_ / "second.pem"};
};

TEST_F(TrustBundle, HasTheSystemsListAndOursBehindIt) {
  write_file(candidates_[1], kSystems);
  const auto kept = keep();
  ASSERT_TRUE(kept) << kept.error().detail;
  EXPECT_TRUE(kept->has_system_authorities);
  EXPECT_EQ(bundle(), std::string(kSystems) + "\n" + kOurs);
  EXPECT_EQ(fs::status(kept->file).permissions(), fs::perms(0644));
}

TEST_F(TrustBundle, FollowsBothOfThem) {
  write_file(candidates_[0], kSystems);
  ASSERT_TRUE(keep());
  write_file(candidates_[0], "-----BEGIN CERTIFICATE-----\nNEWER\n-----END CERTIFICATE-----\n");
  write_file(files_ / "ca.crt", "-----BEGIN CERTIFICATE-----\nMINE\n-----END CERTIFICATE-----\n");
  ASSERT_TRUE(keep());
  EXPECT_THAT(bundle(), testing::HasSubstr("NEWER"));
  EXPECT_THAT(bundle(), testing::HasSubstr("MINE"));
  EXPECT_THAT(bundle(), testing::Not(testing::HasSubstr("OURS")));
}

TEST_F(TrustBundle, ANameWithoutCertificatesIsPassedOver) {
  write_file(candidates_[0], "no certificate at all\n");
  write_file(candidates_[1], kSystems);
  ASSERT_TRUE(keep());
  EXPECT_THAT(bundle(), testing::HasSubstr("SYSTEM"));
}

TEST_F(TrustBundle, AListThatIsTooLongIsPassedOver) {
  write_file(candidates_[0], kSystems + std::string(kAuthoritiesBytesMax, '\n'));
  const auto kept = keep();
  ASSERT_TRUE(kept);
  EXPECT_FALSE(kept->has_system_authorities);
  EXPECT_EQ(bundle(), kOurs);
}

TEST_F(TrustBundle, WithoutOurCertificateThereIsNone) {
  fs::remove(files_ / "ca.crt");
  const auto kept = keep();
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, Code::io);
  EXPECT_FALSE(fs::exists(files_ / "bundle.crt"));
}

TEST_F(TrustBundle, LeavesNoDraftsBehind) {
  fs::create_directory(files_ / "bundle.crt");  // which no file can replace
  EXPECT_FALSE(keep());
  EXPECT_EQ(std::distance(fs::directory_iterator(files_.path()), {}), 2);
}

}  // namespace
}  // namespace propeller::launch
