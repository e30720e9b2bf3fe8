// Which test sees what a key of propeller-proxy.yaml does. A new key without a row fails here, and so does a row whose
// key or test has gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/forward_keys.hpp"
#include "config/forward_loader.hpp"
#include "support/environment.hpp"

namespace propeller::cmd {
namespace {

struct Row {
  std::string_view name;  ///< as the manual has it
  std::string_view test;  ///< fails when the key is not heeded
};

constexpr auto kKeys = std::to_array<Row>({
    {"threads", "ForwardKeys.EachThreadListensOnThePort"},
    {"proxy.port", "ForwardRun.CarriesHttpAndInterceptedHttpsUntilSigterm"},
    {"proxy.api_port", "ForwardApi.HealthIsWhatExistingClientsExpect"},
    {"proxy.listen", "ForwardKeys.ListensOnTheAddressesGivenAndNoOther"},
    {"proxy.open", "ForwardKeys.AnOpenProxyListensForEverybody"},
    {"proxy.users", "ForwardReload.SighupReadsTheFileOfUsersAgain"},
    {"proxy.allow_targets", "ForwardRun.CarriesHttpAndInterceptedHttpsUntilSigterm"},
    {"proxy.proxy_protocol", "ForwardKeys.TheProxyProtocolIsTakenFromWhoIsListed"},
    {"proxy.upstream", "ForwardKeys.EverythingGoesThroughTheUpstreamButWhatNoProxyNames"},
    {"proxy.no_proxy", "ForwardKeys.EverythingGoesThroughTheUpstreamButWhatNoProxyNames"},
    {"proxy.bandwidth.total", "ForwardKeys.TheBandwidthOfAllClientsTogetherIsLimited"},
    {"proxy.bandwidth.per_client", "ForwardKeys.TheBandwidthOfOneClientIsLimited"},
    {"proxy.read_timeout", "ForwardKeys.ARequestThatStopsInTheMiddleIsNotWaitedForForEver"},
    {"proxy.write_timeout", "ForwardKeys.AClientThatTakesNothingIsNotWaitedForForEver"},
    {"proxy.connect_timeout", "ForwardKeys.AServerThatDoesNotShakeHandsIsNotWaitedForForEver"},
    {"proxy.first_byte_timeout", "ForwardKeys.AServerThatDoesNotAnswerIsNotWaitedForForEver"},
    {"proxy.idle_timeout", "ForwardKeys.AConnectionWithoutANextRequestPassesAway"},
    {"proxy.tunnel_idle_timeout", "ForwardKeys.ATunnelWithoutABytePassesAway"},
    {"tls.cert_dir", "ForwardRun.CarriesHttpAndInterceptedHttpsUntilSigterm"},
    {"tls.upstream_ca", "ForwardRun.CarriesHttpAndInterceptedHttpsUntilSigterm"},
    {"tls.insecure_hosts", "ForwardKeys.AnUnknownAuthorityIsTakenFromInsecureHostsOnly"},
    {"tls.passthrough", "ForwardReload.PassthroughFollowsTheFile"},
    {"tls.learn_passthrough", "ForwardKeys.AHostWhoseClientRefusesOurCertificateIsLearned"},
    {"allowlist.enabled", "ForwardKeys.NamesAndAddressesOfTheAllowListAreReachedAndNoOther"},
    {"allowlist.domains", "ForwardKeys.NamesAndAddressesOfTheAllowListAreReachedAndNoOther"},
    {"allowlist.ips", "ForwardKeys.NamesAndAddressesOfTheAllowListAreReachedAndNoOther"},
    {"headers.<pattern>.conditions", "ForwardKeys.AHeaderRuleSetsAndAppendsWhereItsConditionsHold"},
    {"headers.<pattern>.set", "ForwardKeys.AHeaderRuleSetsAndAppendsWhereItsConditionsHold"},
    {"headers.<pattern>.append", "ForwardKeys.AHeaderRuleSetsAndAppendsWhereItsConditionsHold"},
    {"logging.level", "ForwardKeys.BelowItsLevelNothingIsLogged"},
    {"logging.format", "ForwardKeys.EveryLineOfTheLogIsJsonWhereTheFileSaysSo"},
    {"logging.file", "ForwardReload.SighupOpensALogFileThatWasMovedAwayAnew"},
    {"logging.include_body", "ForwardKeys.WhoWantsBodiesLoggedIsToldWhereTheyAreKept"},
    {"cache.enabled", "ForwardStorageKeys.AnEnabledCacheKeepsBlobsInItsDirectory"},
    {"cache.dir", "ForwardStorageKeys.AnEnabledCacheKeepsBlobsInItsDirectory"},
    {"cache.max_size", "ForwardStorageKeys.AFullCacheOfLruLetsTheOneGoThatWasUsedLongestAgo"},
    {"cache.max_object", "ForwardStorageKeys.AnObjectThatIsTooLargeIsNotKept"},
    {"cache.min_free", "ForwardStorageKeys.WithLessFreeThanMinFreeNothingIsKept"},
    {"cache.policy", "ForwardStorageKeys.AFullCacheOfLruLetsTheOneGoThatWasUsedLongestAgo"},
    {"cache.patterns", "ForwardStorageKeys.PatternsSayWhatIsKept"},
    {"cache.content_aware", "ForwardStorageKeys.ContentAwareKeepsWhatIsAskedForAsContent"},
    {"cache.http", "ForwardStorageKeys.TheRulesOfHttpCanBeSwitchedOff"},
    {"cache.packs", "ForwardDebianPack.AptInstallsFromADownMirrorWhatTheDebianPackKept"},
    {"cache.ttl", "ForwardStorageKeys.TtlCapsWhatAnOriginSays"},
    {"cache.private", "ForwardStorageKeys.PrivateSaysWhatBecomesOfContentThatCameWithCredentials"},
    {"cache.private_ttl", "ForwardStorageKeys.AYesToACallerHoldsForPrivateTtl"},
    {"cache.tag_window", "ForwardStorageKeys.ATagIsNotAskedAboutWithinTagWindow"},
    {"cache.compression", "ForwardStorageKeys.CompressionKeepsTextCompressed"},
    {"cache.second_tier.endpoint", "ForwardTier.WhatOneProxyHasFetchedTheOthersNeedNot"},
    {"cache.second_tier.bucket", "ForwardTier.WhatOneProxyHasFetchedTheOthersNeedNot"},
    {"cache.second_tier.region", "ForwardTier.ItsKeysSayWhereItIsAndWhoWeAre"},
    {"cache.second_tier.prefix", "ForwardTier.ItsKeysSayWhereItIsAndWhoWeAre"},
    {"cache.second_tier.access_key", "ForwardTier.ItsKeysSayWhereItIsAndWhoWeAre"},
    {"cache.second_tier.secret_key", "ForwardTier.AWrongSecretIsSaidAndPullsGoOn"},
    {"cache.second_tier.secret_key_file", "ForwardTier.ItsKeysSayWhereItIsAndWhoWeAre"},
    {"cache.second_tier.ca", "ForwardTier.ItsKeysSayWhereItIsAndWhoWeAre"},
    {"mirror.enabled", "ForwardMirror.IsThereWhereItIsEnabled"},
    {"mirror.default", "ForwardMirror.ADefaultAndNamesOfUpstreamsSayWhoIsAsked"},
    {"mirror.upstreams.name", "ForwardMirror.ADefaultAndNamesOfUpstreamsSayWhoIsAsked"},
    {"mirror.upstreams.url", "ForwardMirror.ADefaultAndNamesOfUpstreamsSayWhoIsAsked"},
    {"mirror.upstreams.ca", "ForwardMirror.ACaIsTrustedForItsUpstreamAlone"},
    {"mirror.upstreams.credentials.username", "ForwardMirror.CredentialsAreTakenFromTheFileOrFromFilesThatItNames"},
    {"mirror.upstreams.credentials.password", "ForwardMirror.CredentialsAreTakenFromTheFileOrFromFilesThatItNames"},
    {"mirror.upstreams.credentials.password_file",
     "ForwardMirror.CredentialsAreTakenFromTheFileOrFromFilesThatItNames"},
    {"mirror.upstreams.credentials.docker_config",
     "ForwardMirror.CredentialsAreTakenFromTheFileOrFromFilesThatItNames"},
    {"mirror.upstreams.credentials.token", "ForwardMirror.ATokenIsSentAsItIs"},
    {"mirror.upstreams.credentials.token_file", "ForwardMirror.ATokenIsSentAsItIs"},
    {"recording.enabled", "ForwardTraffic.ExchangesAreRecordedWithoutTheirSecrets"},
    {"recording.dir", "ForwardTraffic.ExchangesAreRecordedWithoutTheirSecrets"},
    {"recording.max_body_size", "ForwardTraffic.ExchangesAreRecordedWithoutTheirSecrets"},
    {"recording.max_size", "ForwardStorageKeys.RecordingsThatAreTooMuchMakeRoom"},
    {"recording.max_days", "ForwardStorageKeys.RecordingsAreKeptForSoManyDays"},
    {"recording.streams", "ForwardStorageKeys.UpgradedConnectionsAreRecordedWhereStreamsAreAskedFor"},
    {"api.listen", "ForwardKeys.TheApiIsOnItsAddressOnly"},
    {"api.auth", "ForwardApi.WithAuthTokenItIsAskedForOfEverybody"},
    {"api.token_file", "ForwardKeys.TheTokenIsTheOneInItsFile"},
});

constexpr auto kVariablesAndFlags = std::to_array<Row>({
    {"CONFIG_FILE", "ForwardRun.CarriesHttpAndInterceptedHttpsUntilSigterm"},
    {"PROXY_WORKSPACE", "ForwardWorkspace.IsHeededAsFarAsItIsHarmless"},
    {"PROXY_TRUST_WORKSPACE", "ForwardWorkspace.ATrustedOneMaySetHeaders"},
    {"--workspace", "ForwardWorkspace.FlagsNameAndTrustIt"},
    {"--trust-workspace", "ForwardWorkspace.FlagsNameAndTrustIt"},
    {"PROXY_PORT", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"PROXY_API_PORT", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"API_PORT", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"PROXY_CERT_DIR", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"CERT_DIR", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"PROXY_LOG_LEVEL", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"LOG_LEVEL", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"PROXY_LOG_FORMAT", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"LOG_FORMAT", "ForwardVariables.WinOverTheFileUnderBothNames"},
    {"--config", "ForwardVariables.FlagsWinOverThem"},
    {"--proxy-port", "ForwardVariables.FlagsWinOverThem"},
    {"--api-port", "ForwardVariables.FlagsWinOverThem"},
    {"--cert-dir", "ForwardVariables.FlagsWinOverThem"},
    {"--log-level", "ForwardVariables.FlagsWinOverThem"},
    {"--log-format", "ForwardVariables.FlagsWinOverThem"},
});

std::set<std::string> names_of(std::span<const Row> rows) {
  std::set<std::string> names;
  for (const auto& row : rows) names.emplace(row.name);
  return names;
}

/// The first column of the manual's table of keys.
std::set<std::string> documented_keys() {
  std::set<std::string> names;
  std::istringstream lines(support::read_file(std::filesystem::path(PROPELLER_SOURCE_DIR) / "docs/configuration.md"));
  bool is_in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) {
      is_in_table = line.starts_with("| key |") || (is_in_table && line.starts_with("|-"));
    } else if (is_in_table) {
      names.insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  return names;
}

std::set<std::string> tests_of_this_program() {
  std::set<std::string> names;
  const auto& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const auto& suite = *all.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j)
      names.insert(std::string(suite.name()) + "." + suite.GetTestInfo(j)->name());
  }
  return names;
}

TEST(ForwardKeyTable, HasARowForEveryKeyOfTheSettings) {
  config::for_each_key([](std::string_view key, auto, auto) {
    const auto is_its_row = [&](const Row& row) {
      return row.name == key || row.name.starts_with(std::string(key) + ".");
    };
    EXPECT_TRUE(std::ranges::any_of(kKeys, is_its_row)) << key << " has no test that observes its effect";
  });
}

TEST(ForwardKeyTable, HasTheKeysOfTheManualAndNoOther) { EXPECT_EQ(names_of(kKeys), documented_keys()); }

TEST(ForwardKeyTable, HasEveryVariableAndFlagAndNoOther) {
  std::set<std::string> names;
  for (const auto& variable : config::forward_variables()) {
    names.emplace(variable.flag);
    for (const auto name : variable.names) names.emplace(name);
  }
  names.erase("");
  EXPECT_EQ(names_of(kVariablesAndFlags), names);
}

TEST(ForwardKeyTable, NamesTestsThatThereAre) {
  const auto tests = tests_of_this_program();
  for (const auto rows : {std::span<const Row>(kKeys), std::span<const Row>(kVariablesAndFlags)}) {
    for (const auto& row : rows) EXPECT_TRUE(tests.contains(std::string(row.test))) << row.name << ": " << row.test;
  }
}

}  // namespace
}  // namespace propeller::cmd
