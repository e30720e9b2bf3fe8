#include "config/identity_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Loaded load_with_file(const std::string& text, Environment environment = {}) {
  const TemporaryDirectory files;
  files.write("config.toml", text);
  environment.emplace("HOME", "/nonexistent");
  return load(environment, {}, Host{.is_root = false, .working_directory = files.path()});
}

TEST(IdentityFile, GivesTheIdsUnderTheirNewerNames) {
  const auto loaded = load_with_file(
      "[manager]\nanything = 1\n[proxy]\ntenant_id = \"t\"\nchannel_id = \"c\"\nentity_id = \"e\"\napi_key = \"k\"\n");
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_THAT(loaded.problems.warnings, IsEmpty());
  ASSERT_EQ(loaded.settings.channels.size(), 1u);
  EXPECT_EQ(loaded.settings.channels[0].tenant, "t");
  EXPECT_EQ(loaded.settings.channels[0].id, "c");
  EXPECT_EQ(loaded.settings.channels[0].family, TopicFamily::domain);
  EXPECT_EQ(loaded.settings.mqtt.username, "e");
  EXPECT_EQ(loaded.settings.mqtt.password.reveal(), "k");
}

TEST(IdentityFile, GivesTheIdsUnderTheirOlderNames) {
  const auto loaded =
      load_with_file("[proxy]\ndomain_id = \"t\"\nchannel_id = \"c\"\nclient_id = \"e\"\nclient_key = \"k\"\n");
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_EQ(loaded.settings.channels.at(0).tenant, "t");
  EXPECT_EQ(loaded.settings.mqtt.username, "e");
  EXPECT_EQ(loaded.settings.mqtt.password.reveal(), "k");
}

TEST(IdentityFile, IsUsedOnlyWhereVariablesAreEmpty) {
  const auto loaded = load_with_file("[proxy]\nchannel_id = \"file\"\nclient_id = \"file\"\nclient_key = \"file\"\n",
                                     {{"PROXY_ENTITY_ID", "environment"}, {"PROXY_CHANNEL_ID", ""}});
  EXPECT_EQ(loaded.settings.mqtt.username, "environment");
  EXPECT_EQ(loaded.settings.channels.at(0).id, "file");
  EXPECT_EQ(loaded.settings.mqtt.password.reveal(), "file");
}

TEST(IdentityFile, TellsTheLineOfASyntaxErrorWithoutTheKey) {
  const auto loaded = load_with_file("[proxy]\nchannel_id = \"c\"\nclient_key = 12hunter2\n");
  ASSERT_THAT(loaded.problems.errors, Contains(HasSubstr("line 3")));
  EXPECT_THAT(loaded.problems.errors, Each(Not(HasSubstr("hunter"))));
}

TEST(IdentityFile, RefusesAnIdThatIsNotAString) {
  EXPECT_THAT(load_with_file("[proxy]\nchannel_id = 7\n").problems.errors,
              Contains(HasSubstr("line 2: channel_id has to be a string")));
}

TEST(IdentityFile, WarnsAboutUnknownKeysWithASuggestion) {
  EXPECT_THAT(load_with_file("[proxy]\nchanel_id = \"c\"\n").problems.warnings,
              Contains(HasSubstr("did you mean channel_id?")));
}

TEST(IdentityFile, RefusesAFileThatIsFarTooLarge) {
  EXPECT_THAT(load_with_file(std::string(kIdentityFileBytesMax + 1, '\n')).problems.errors,
              Contains(HasSubstr("larger than")));
}

TEST(IdentityFile, NamesABadValueWithTheFileItComesFrom) {
  EXPECT_THAT(load_with_file("[proxy]\nchannel_id = \"a/b\"\n").problems.errors,
              Contains(AllOf(HasSubstr("PROXY_CHANNEL_ID"), HasSubstr("config.toml"), HasSubstr("a/b"))));
}

}  // namespace
}  // namespace propeller::config
