#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "program.hpp"
#include "support/environment.hpp"
#include "support/subprocess.hpp"

namespace propeller::cmd {
namespace {

using support::read_file;
using testing::HasSubstr;

const std::filesystem::path kSource = PROPELLER_SOURCE_DIR;

// The page is generated: propeller-proxy check --manual > deploy/propeller-proxy.1
TEST(Deploy, TheManualPageIsWhatTheProgramPrints) {
  EXPECT_EQ(read_file(kSource / "deploy/propeller-proxy.1"), run_program({"check", "--manual"}).out);
}

// The table is generated: propeller-proxy check --markdown
TEST(Deploy, TheReadmeHasTheTableOfVariablesThatTheProgramPrints) {
  EXPECT_THAT(read_file(kSource / "README.md"), HasSubstr(run_program({"check", "--markdown"}).out));
}

TEST(Deploy, InstallPutsProgramUnitAndManualBelowThePrefixAndDestdir) {
  const support::TempDir destination;
  support::Subprocess install(
      {.arguments = {PROPELLER_CMAKE, "--install", PROPELLER_BINARY_DIR, "--prefix", "/opt/propeller"},
       .environment = {{"DESTDIR", destination.path().string()}}});
  ASSERT_EQ(install.wait_exit(), 0) << install.output();
  const auto root = destination / "opt/propeller";
  EXPECT_TRUE(std::filesystem::exists(root / "bin/propeller-proxy"));
  EXPECT_TRUE(std::filesystem::exists(root / "share/man/man1/propeller-proxy.1"));
  EXPECT_THAT(read_file(root / "lib/systemd/system/propeller-proxy.service"),
              HasSubstr("ExecStart=/opt/propeller/bin/propeller-proxy run\n"));
}

}  // namespace
}  // namespace propeller::cmd
