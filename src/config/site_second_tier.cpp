#include "config/site_second_tier.hpp"

#include <algorithm>
#include <string_view>

#include "config/setters.hpp"
#include "config/site_setters.hpp"

namespace propeller::config {

namespace {

using V = const std::string&;

constexpr std::size_t kBucketBytesMin = 3, kBucketBytesMax = 63;
constexpr std::size_t kRegionBytesMax = 64;
constexpr std::size_t kPrefixBytesMax = 256;
constexpr std::size_t kAccessKeyBytesMax = 256;
constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// What a signature and a URL write alike, so that nobody has to encode it.
bool is_made_of(std::string_view value, std::initializer_list<std::string_view> sets) {
  return std::ranges::all_of(
      value, [&](char c) { return std::ranges::any_of(sets, [c](std::string_view set) { return set.contains(c); }); });
}

Refusal set_bucket(std::string& to, V value) {
  if (value.size() < kBucketBytesMin || value.size() > kBucketBytesMax || !is_made_of(value, {kLower, ".-"}) ||
      value.contains(".."))
    return "allowed are 3 to 63 lower-case letters, digits, dots and hyphens";
  to = value;
  return std::nullopt;
}

Refusal set_region(std::string& to, V value) {
  if (value.empty() || value.size() > kRegionBytesMax || !is_made_of(value, {kLower, "-"}))
    return "allowed are lower-case letters, digits and hyphens";
  to = value;
  return std::nullopt;
}

Refusal set_prefix(std::string& to, V value) {
  std::string_view inner = value;
  while (inner.starts_with('/')) inner.remove_prefix(1);
  while (inner.ends_with('/')) inner.remove_suffix(1);
  if (inner.size() > kPrefixBytesMax || !is_made_of(inner, {kLower, kUpper, "._-/"}) || inner.contains("..") ||
      inner.contains("//"))
    return "allowed are letters, digits, dots, hyphens and underscores, in parts with one slash between them";
  to = inner;
  return std::nullopt;
}

Refusal set_access_key(std::string& to, V value) {
  if (value.empty() || value.size() > kAccessKeyBytesMax || !is_made_of(value, {kLower, kUpper, "._-+=@"}))
    return "allowed are letters, digits and ._-+=@";
  to = value;
  return std::nullopt;
}

void check_whole(YamlSection& section, const SecondTier& tier) {
  const auto needs = [&](std::string_view name, bool is_there) {
    if (!is_there) section.report().error(section.line_of(name), section.path_of(name), "a value is needed");
  };
  needs("endpoint", !tier.endpoint.empty());
  needs("bucket", !tier.bucket.empty());
  needs("access_key", !tier.access_key.empty());
  needs("secret_key", !tier.secret_key.empty());
}

}  // namespace

void read_second_tier(YamlSection section, SecondTier& to) {
  section.value("endpoint", [&](V v) { return set_registry_url(to.endpoint, v); });
  section.value("bucket", [&](V v) { return set_bucket(to.bucket, v); });
  section.value("region", [&](V v) { return set_region(to.region, v); });
  section.value("prefix", [&](V v) { return set_prefix(to.prefix, v); });
  section.value("access_key", [&](V v) { return set_access_key(to.access_key, v); });
  section.value("secret_key", [&](V v) { return set_secret(to.secret_key, v); }, Show::nothing);
  section.value("secret_key_file", [&](V v) { return set_secret_from_file(to.secret_key, v); });
  section.value("ca", [&](V v) { return set_readable_file(to.ca, v); });
  if (section.has("secret_key") && section.has("secret_key_file"))
    section.report().error(section.line_of("secret_key_file"), section.path_of("secret_key_file"),
                           "secret_key is given too");
  if (section.node() != nullptr) check_whole(section, to);
  section.finish();
}

}  // namespace propeller::config
