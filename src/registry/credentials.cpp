#include "registry/credentials.hpp"

#include <fstream>
#include <span>
#include <utility>

#include "async/offload.hpp"
#include "base/base64.hpp"
#include "base/digest.hpp"
#include "registry/credential_helper.hpp"
#include "registry/docker_config.hpp"

namespace propeller::registry {

namespace {

Result<std::string> read_config(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(kDockerConfigBytesMax + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad() || (!in.eof() && in.fail()) || text.empty()) {
    return fail(Code::unauthorized, Origin::internal, "Docker's config.json cannot be read: " + file.string());
  }
  if (text.size() > kDockerConfigBytesMax)
    return fail(Code::unauthorized, Origin::internal, "Docker's config.json is larger than 1 MiB");
  return text;
}

// Blocking. A registry's own helper goes before the store, and that before what the file holds itself, as with Docker.
Result<Credentials> look_up(std::filesystem::path file, std::string key, std::stop_token stop) {
  const auto text = read_config(file);
  if (!text) return std::unexpected(text.error());
  const auto config = parse_docker_config(*text);
  if (!config) return fail(Code::unauthorized, Origin::internal, config.error().detail);
  std::string helper = config->store;
  if (const auto own = config->helpers.find(key); own != config->helpers.end()) helper = own->second;
  if (!helper.empty()) {
    auto credentials = ask_helper(std::move(helper), helper_server(key), std::move(stop));
    if (!credentials) return std::unexpected(credentials.error());
    if (*credentials) return std::move(**credentials);
  }
  const auto found = config->auths.find(key);
  return found == config->auths.end() ? Credentials{} : found->second;
}

}  // namespace

std::string login_hash(const Credentials& credentials) {
  if (credentials.empty()) return {};
  base::Sha256 hash;
  // The length first: what ends where is part of it.
  for (const std::string_view part :
       {std::string_view(credentials.username), std::string_view(credentials.password.reveal()),
        std::string_view(credentials.identity_token.reveal()), std::string_view(credentials.bearer.reveal())}) {
    hash.update(std::to_string(part.size()) + ":");
    hash.update(part);
  }
  return hash.finish().hex();
}

std::string basic_authorization(const Credentials& credentials) {
  return "Basic " + base::base64_encode(credentials.username + ":" + credentials.password.reveal());
}

CredentialSource::CredentialSource(const config::Registry& settings, Url configured)
    : settings_(settings), configured_(std::move(configured)) {}

CredentialSource::~CredentialSource() {
  stop_.request_stop();
  if (pool_) pool_->join();
}

async::awaitable<Result<Credentials>> CredentialSource::find(Url registry) {
  if (is_configured(registry) && settings_.is_authenticated) {
    if (!settings_.token.empty())
      co_return Credentials{.username = {}, .password = {}, .identity_token = {}, .bearer = settings_.token};
    if (!settings_.username.empty()) {
      co_return Credentials{
          .username = settings_.username, .password = settings_.password, .identity_token = {}, .bearer = {}};
    }
  }
  if (settings_.docker_config.empty()) co_return Credentials{};
  if (!registry.is_https() && !is_configured(registry)) co_return Credentials{};

  const std::string authority = registry.authority();
  const auto now = std::chrono::steady_clock::now();
  if (const auto kept = kept_.find(authority); kept != kept_.end() && kept->second.until > now)
    co_return kept->second.credentials;
  if (!pool_) pool_.emplace(1);
  const auto work = [file = settings_.docker_config, key = docker_key(registry.text), stop = stop_.get_token()] {
    return look_up(file, key, stop);
  };
  auto found = co_await async::offload(*pool_, work);
  if (!found) co_return found;
  if (kept_.size() >= kHostsMax) kept_.clear();
  kept_.insert_or_assign(authority, Kept{.credentials = *found, .until = now + kKeptFor});
  co_return found;
}

void CredentialSource::forget(const Url& registry) { kept_.erase(registry.authority()); }

}  // namespace propeller::registry
