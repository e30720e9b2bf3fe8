#include "config/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/support.hpp"

namespace propeller::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Loader, AChannelAloneIsClassicWithQosOneAndAPropletClientId) {
  const auto loaded = load_complete_with({});
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_THAT(loaded.problems.warnings, IsEmpty());
  ASSERT_EQ(loaded.settings.channels.size(), 1u);
  EXPECT_EQ(loaded.settings.channels[0].family, TopicFamily::classic);
  EXPECT_EQ(loaded.settings.channels[0].qos, 1);
  EXPECT_EQ(loaded.settings.mqtt.qos, 1);
  EXPECT_EQ(loaded.settings.mqtt.client_id, "Proplet-p1");
  EXPECT_EQ(loaded.settings.mqtt.username, "p1");
}

TEST(Loader, ADomainIdMakesItDomainWithQosTwoAndTheBareIdentity) {
  const auto loaded = load_complete_with({{"PROXY_TENANT_ID", "t1"}});
  ASSERT_EQ(loaded.settings.channels.size(), 1u);
  EXPECT_EQ(loaded.settings.channels[0].family, TopicFamily::domain);
  EXPECT_EQ(loaded.settings.channels[0].tenant, "t1");
  EXPECT_EQ(loaded.settings.mqtt.qos, 2);
  EXPECT_EQ(loaded.settings.mqtt.client_id, "p1");
}

TEST(Loader, EmbeddedChannelsHaveQosZeroBesideOthersWithTheirs) {
  const auto loaded = load_complete_with(
      {{"PROXY_CHANNEL_ID", "a,b"}, {"PROXY_CHANNEL_PROFILE", "embedded,standard"}, {"PROXY_MQTT_QOS", "2"}});
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_EQ(loaded.settings.channels.at(0).qos, 0);
  EXPECT_EQ(loaded.settings.channels.at(1).qos, 2);
  EXPECT_EQ(loaded.settings.mqtt.qos, 2);
}

TEST(Loader, TakesAFamilyForEachChannel) {
  const auto loaded = load_complete_with({{"PROXY_CHANNEL_ID", "a,b,c"},
                                          {"PROXY_TOPIC_FAMILY", "classic,domain-messages,domain"},
                                          {"PROXY_DOMAIN_ID", "d"}});
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_EQ(loaded.settings.channels.at(0).tenant, "");
  EXPECT_EQ(loaded.settings.channels.at(1).family, TopicFamily::domain_messages);
  EXPECT_EQ(loaded.settings.channels.at(2).family, TopicFamily::domain);
  EXPECT_EQ(loaded.settings.channels.at(2).qos, 2);
}

TEST(Loader, RefusesAListThatFitsNeitherOneNorEachChannel) {
  const auto loaded =
      load_complete_with({{"PROXY_CHANNEL_ID", "a,b,c"}, {"PROXY_CHANNEL_PROFILE", "embedded,standard"}});
  EXPECT_THAT(loaded.problems.errors, ElementsAre(HasSubstr("2 values for 3 channels")));
}

TEST(Loader, NamesEveryIdThatIsMissingWithItsAlternatives) {
  const auto loaded = load({{"HOME", "/nonexistent"}, {"PROXY_ENTITY_ID", "e"}}, {},
                           {.is_root = false, .working_directory = "/nonexistent"});
  ASSERT_THAT(loaded.problems.errors, ElementsAre(HasSubstr("incomplete")));
  const auto& text = loaded.problems.errors[0];
  for (const char* name :
       {"PROXY_PROPLET_KEY", "PROXY_CLIENT_KEY", "PROXY_API_KEY", "PROXY_CHANNEL_ID", "there is PROXY_ENTITY_ID"}) {
    EXPECT_THAT(text, HasSubstr(name));
  }
}

TEST(Loader, ADomainFamilyWithoutADomainIdIsIncomplete) {
  EXPECT_THAT(load_complete_with({{"PROXY_TOPIC_FAMILY", "domain"}}).problems.errors,
              ElementsAre(HasSubstr("PROXY_TENANT_ID")));
}

TEST(Loader, RefusesShareGroupsWhereClientsTakeChunksInArrivalOrder) {
  EXPECT_THAT(load_complete_with({{"PROXY_MQTT_SHARE_GROUP", "g"}}).problems.errors, ElementsAre(HasSubstr("classic")));
  EXPECT_THAT(
      load_complete_with(
          {{"PROXY_MQTT_SHARE_GROUP", "g"}, {"PROXY_DOMAIN_ID", "d"}, {"PROXY_TOPIC_FAMILY", "domain-messages"}})
          .problems.errors,
      ElementsAre(HasSubstr("domain-messages")));
}

TEST(Loader, CollectsEveryProblemInsteadOfStoppingAtTheFirst) {
  const auto loaded =
      load({{"HOME", "/x"}, {"PROXY_MQTT_QOS", "9"}, {"PROXY_CHUNK_SIZE", "1"}, {"PROXY_AUTHENTICATE", "1"}}, {},
           {.is_root = false, .working_directory = "/nonexistent"});
  EXPECT_EQ(loaded.problems.errors.size(), 4u);
}

TEST(Loader, AliasesThatDisagreeAreAWarningThatSaysWhichIsUsed) {
  const auto loaded =
      load_complete_with({{"PROXY_CLIENT_ID", "other"}, {"PROXY_ENTITY_ID", "p1"}, {"PROXY_API_KEY", "k-other"}});
  EXPECT_EQ(loaded.settings.mqtt.username, "p1");
  EXPECT_THAT(
      loaded.problems.warnings,
      ElementsAre(HasSubstr("PROXY_PROPLET_ID and PROXY_CLIENT_ID are both set and differ: PROXY_PROPLET_ID is used"),
                  AllOf(HasSubstr("PROXY_API_KEY"), Not(HasSubstr("k-other")))));
}

TEST(Loader, ASpecificLogLevelGoesBeforeTheGeneralOneWithoutAWarning) {
  const auto loaded = load_complete_with({{"LOG_LEVEL", "error"}, {"PROXY_LOG_LEVEL", "debug"}});
  EXPECT_EQ(loaded.settings.log.level, "debug");
  EXPECT_THAT(loaded.problems.warnings, IsEmpty());
}

TEST(Loader, AnEmptyVariableCountsAsNotSet) {
  const auto loaded =
      load_complete_with({{"PROXY_CHUNK_SIZE", ""}, {"PROXY_PROPLET_ID", ""}, {"PROXY_CLIENT_ID", "c"}});
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_EQ(loaded.settings.stream.chunk_size_bytes, 512'000u);
  EXPECT_EQ(loaded.settings.mqtt.username, "c");
}

TEST(Loader, WarnsAboutUnknownVariablesWithASuggestionAndWithoutTheirValue) {
  const auto loaded =
      load_complete_with({{"PROXY_CHUNKSIZE", "hunter2"}, {"PROXY_ENTIRELY_ELSEWHERE_XYZ", "1"}, {"OTHER", "1"}});
  EXPECT_THAT(loaded.problems.errors, IsEmpty());
  EXPECT_THAT(loaded.problems.warnings, ElementsAre("unknown variable PROXY_CHUNKSIZE; did you mean PROXY_CHUNK_SIZE?",
                                                    "unknown variable PROXY_ENTIRELY_ELSEWHERE_XYZ"));
}

TEST(Loader, AuthenticationNeedsCredentials) {
  EXPECT_THAT(load_complete_with({{"PROXY_AUTHENTICATE", "TRUE"}}).problems.errors,
              ElementsAre(HasSubstr("PROXY_REGISTRY_TOKEN")));
  EXPECT_THAT(load_complete_with({{"PROXY_AUTHENTICATE", "TRUE"}, {"PROXY_REGISTRY_USERNAME", "u"}}).problems.errors,
              ElementsAre(HasSubstr("missing is PROXY_REGISTRY_PASSWORD")));
}

TEST(Loader, CredentialsWithoutAuthenticateAreDroppedWithAWarning) {
  const auto loaded = load_complete_with({{"PROXY_REGISTRY_USERNAME", "u"}, {"PROXY_REGISTRY_PASSWORD", "w"}});
  EXPECT_THAT(loaded.problems.warnings, ElementsAre(HasSubstr("PROXY_AUTHENTICATE")));
  EXPECT_TRUE(loaded.settings.registry.username.empty());
  EXPECT_TRUE(loaded.settings.registry.password.empty());
}

TEST(Loader, LowersTheLargestImageToWhatTheSpoolHolds) {
  const auto loaded = load_complete_with({{"PROXY_SPOOL_SIZE", "100MiB"}});
  EXPECT_EQ(loaded.settings.stream.image_size_max_bytes, 100 * base::kMiB);
  EXPECT_THAT(loaded.problems.warnings, ElementsAre(HasSubstr("lowered to 100.0 MiB")));
}

TEST(Loader, ChoosesTheSpoolDirectoryByWhatTheMachineOffers) {
  const auto spool_dir = [](Environment environment, bool is_root) {
    environment.merge(Environment{{"PROXY_PROPLET_ID", "p"}, {"PROXY_PROPLET_KEY", "k"}, {"PROXY_CHANNEL_ID", "c"}});
    return load(environment, {}, {.is_root = is_root, .working_directory = "/nonexistent"})
        .settings.stream.spool_dir.string();
  };
  EXPECT_EQ(spool_dir({{"STATE_DIRECTORY", "/var/lib/a:/var/lib/b"}, {"XDG_CACHE_HOME", "/c"}}, true), "/var/lib/a");
  EXPECT_EQ(spool_dir({{"XDG_CACHE_HOME", "/c"}, {"HOME", "/h"}}, false), "/c/propeller-proxy");
  EXPECT_EQ(spool_dir({{"HOME", "/root"}}, true), "/var/cache/propeller-proxy");
  EXPECT_EQ(spool_dir({{"HOME", "/h"}}, false), "/h/.cache/propeller-proxy");
  EXPECT_EQ(spool_dir({}, false), "");
  const auto store_dir = [](Environment environment) {
    environment.merge(complete());
    return load(environment, {}, {.is_root = true, .working_directory = "/nonexistent"}).settings.store.dir.string();
  };
  EXPECT_EQ(store_dir({}), "/var/cache/propeller-proxy/cache");
  EXPECT_EQ(store_dir({{"PROXY_SPOOL_DIR", "/s"}}), "/s/cache");
  EXPECT_EQ(store_dir({{"PROXY_SPOOL_DIR", "/s"}, {"PROXY_CACHE_DIR", "/c"}}), "/c");
}

TEST(Loader, FindsDockersConfigInTheHomeDirectoryOnlyWhenItIsThere) {
  const TemporaryDirectory home;
  EXPECT_EQ(load_complete_with({{"HOME", home.path().string()}}).settings.registry.docker_config, "");
  const auto file = home.write(".docker/config.json", "{}");
  EXPECT_EQ(load_complete_with({{"HOME", home.path().string()}}).settings.registry.docker_config, file);
}

TEST(Loader, TlsFilesComeInPairsAndNeedAnEncryptedAddress) {
  const TemporaryDirectory files;
  const auto pem = files.write("x.pem", "pem").string();
  EXPECT_THAT(
      load_complete_with({{"PROXY_MQTT_ADDRESS", "ssl://b"}, {"PROXY_MQTT_TLS_CLIENT_CERT", pem}}).problems.errors,
      ElementsAre(HasSubstr("without PROXY_MQTT_TLS_CLIENT_KEY")));
  EXPECT_THAT(load_complete_with({{"PROXY_MQTT_TLS_CA_CERT", pem}}).problems.warnings,
              ElementsAre(HasSubstr("not encrypted")));
}

TEST(Loader, WarnsAboutChunksThatDeployedPropletsCannotTake) {
  EXPECT_THAT(load_complete_with({{"PROXY_CHUNK_SIZE", "8MiB"}}).problems.warnings, Contains(HasSubstr("10 MiB")));
}

TEST(Loader, RefusesMoreChannelsThanItsLimit) {
  std::string list = "c0";
  for (int i = 1; i <= 256; ++i) list += ",c" + std::to_string(i);
  EXPECT_THAT(load_complete_with({{"PROXY_CHANNEL_ID", list}}).problems.errors,
              Contains(HasSubstr("at most 256 channels")));
}

}  // namespace
}  // namespace propeller::config
