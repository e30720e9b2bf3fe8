#include "forward/users.hpp"

#include <fmt/format.h>

#include <fstream>

#include "base/base64.hpp"
#include "base/digest.hpp"
#include "base/random.hpp"
#include "forward/password.hpp"
#include "http/syntax.hpp"

namespace propeller::forward {

using http::equals_ignoring_case;

namespace {

constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr std::size_t kSaltBytes = 32;

/// Verified in place of a user who is not there. Of the kind and cost that htpasswd -B writes; no password has it.
constexpr auto kNobody = "$2y$05$abcdefghijklmnopqrstuuUjIVRHbBJUUpVJcGr.E1Q9TVx7Ul3Sa";

std::unexpected<Error> wrong(std::size_t line, std::string_view why) {
  return fail(Code::bad_config, Origin::client, fmt::format("line {}: {}", line, why));
}

}  // namespace

std::optional<Login> parse_basic(std::string_view value) {
  constexpr std::string_view kScheme = "Basic ";
  if (!equals_ignoring_case(value.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  value.remove_prefix(kScheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  if (value.size() > base::base64_size(kNameBytesMax + 1 + kPasswordBytesMax)) return std::nullopt;
  const auto decoded = base::base64_decode(value);
  if (!decoded) return std::nullopt;
  const auto colon = decoded->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Login{decoded->substr(0, colon), Secret(decoded->substr(colon + 1))};
}

Result<Users> Users::parse(std::string_view text) {
  if (text.size() > kUsersBytesMax) return wrong(1, fmt::format("more than {} bytes", kUsersBytesMax));
  Users users;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const auto end = text.find('\n');
    auto row = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty() || row.starts_with('#')) continue;
    const auto colon = row.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon > kNameBytesMax)
      return wrong(line, "expected name:hash, as htpasswd writes it");
    const auto name = row.substr(0, colon);
    auto hash = row.substr(colon + 1);
    hash = hash.substr(0, hash.find(':'));  // some tools write comments behind
    if (!is_password_hash(hash)) {
      return wrong(line,
                   "this kind of hash cannot be verified: allowed are bcrypt (htpasswd -B), MD5 ($apr1$), "
                   "SHA-crypt, yescrypt and {SHA}");
    }
    if (!users.hashes_.emplace(name, hash).second) return wrong(line, "this name is there twice");
    if (users.hashes_.size() > kUsersMax) return wrong(line, fmt::format("more than {} users", kUsersMax));
  }
  return users;
}

bool Users::verify(const Login& login) const {
  const auto found = hashes_.find(login.name);
  if (login.password.reveal().size() > kPasswordBytesMax) return false;
  const bool is_right = verify_password(login.password.reveal(), found == hashes_.end() ? kNobody : found->second);
  return is_right && found != hashes_.end();
}

Result<std::shared_ptr<const Users>> load_users(const std::filesystem::path& file) {
  if (file.empty()) return nullptr;
  std::ifstream in(file, std::ios::binary);
  std::string text(Users::kUsersBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad())
    return fail(Code::bad_config, Origin::internal, fmt::format("proxy.users: cannot read {}", file.native()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  auto users = Users::parse(text);
  if (!users) {
    return fail(Code::bad_config, Origin::internal,
                fmt::format("proxy.users: {}: {}", file.native(), users.error().detail));
  }
  return std::make_shared<const Users>(std::move(*users));
}

VerifiedLogins::VerifiedLogins() : salt_(base::random_hex(kSaltBytes)) {}

VerifiedLogins::Print VerifiedLogins::print(const Login& login) const {
  base::Sha256 hash;
  hash.update(salt_);
  hash.update(fmt::format("{}:", login.name.size()));
  hash.update(login.name);
  hash.update(login.password.reveal());
  return hash.finish().bytes();
}

bool VerifiedLogins::contains(const Login& login, base::Clock::time_point now) {
  const auto one = print(login);
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(one);
  return found != index_.end() && now < found->second->until;
}

void VerifiedLogins::add(const Login& login, base::Clock::time_point now) {
  const auto one = print(login);
  const std::lock_guard lock(mutex_);
  if (const auto there = index_.find(one); there != index_.end()) {
    entries_.erase(there->second);
    index_.erase(there);
  } else if (entries_.size() >= kEntriesMax) {
    index_.erase(entries_.front().print);
    entries_.pop_front();
  }
  entries_.push_back({one, now + kLifetime});
  index_[one] = std::prev(entries_.end());
}

void VerifiedLogins::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  index_.clear();
}

}  // namespace propeller::forward
