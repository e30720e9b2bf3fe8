#include "admin/api_guard.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/file_descriptor.hpp"
#include "base/random.hpp"
#include "http/syntax.hpp"
#include "http/uri.hpp"

namespace propeller::admin {

namespace {

constexpr std::size_t kNewTokenBytes = 32;

/// As long for a wrong one as for the right one.
bool is_token(std::string_view given, const Secret& token) {
  const auto& right = token.reveal();
  return !right.empty() && given.size() == right.size() && CRYPTO_memcmp(given.data(), right.data(), right.size()) == 0;
}

std::optional<std::string_view> bearer_of(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!http::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  return http::trim(authorization.substr(kScheme.size()));
}

bool is_media_type(std::optional<std::string_view> content_type, std::string_view wanted) {
  return content_type &&
         http::equals_ignoring_case(http::trim(content_type->substr(0, content_type->find(';'))), wanted);
}

/// Why somebody without a token has to have one; empty when not.
std::string_view why_token(const ApiCall& call, ApiTrust trust) {
  if (trust == ApiTrust::nobody) return "the token is needed (api.auth is token)";
  if (!call.is_from_loopback) return "the token is needed from another machine";
  if (call.origin) return "the token is needed from a web page (Origin)";
  if (call.fetch_site && *call.fetch_site != "none") return "the token is needed from a web page (Sec-Fetch-Site)";
  if (!is_loopback_authority(call.authority)) return "the token is needed under another name than localhost (Host)";
  return {};
}

Result<Secret> check_token(std::string text, const std::string& file) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.size() < kTokenBytesMin || text.size() > kTokenBytesMax) {
    return fail(Code::bad_config, Origin::internal,
                fmt::format("{}: a token has {} to {} characters; remove the file, and a new one is made", file,
                            kTokenBytesMin, kTokenBytesMax));
  }
  return Secret(std::move(text));
}

std::unexpected<Error> io_error(const std::string& file) {
  return fail(Code::io, Origin::internal, fmt::format("cannot write {}: {}", file, std::strerror(errno)));
}

}  // namespace

bool is_loopback_authority(std::string_view authority) {
  const auto parsed = http::parse_authority(authority);
  if (!parsed) return false;
  if (http::equals_ignoring_case(parsed->host, "localhost")) return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(parsed->host, error);
  return !error && address.is_loopback();
}

std::optional<ApiRefusal> judge(const ApiCall& call, ApiTrust trust, const Secret& token) {
  bool has_token = false;
  if (call.authorization) {
    const auto given = bearer_of(*call.authorization);
    has_token = given && is_token(*given, token);
    if (!has_token) return ApiRefusal{401, "the token is not right"};
  } else if (const auto why = why_token(call, trust); !why.empty()) {
    return ApiRefusal{401, std::string(why)};
  }
  if (!call.has_body || is_media_type(call.content_type, "application/json")) return std::nullopt;
  // What curl -d says when it is told nothing. From a page it would need no preflight, but a page has been refused.
  if (!has_token && is_media_type(call.content_type, "application/x-www-form-urlencoded")) return std::nullopt;
  return ApiRefusal{415, "the body has to be application/json"};
}

Result<Secret> open_token(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (in) {
    std::string text(kTokenBytesMax + 2, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return check_token(std::move(text), file);
  }
  if (errno != ENOENT)
    return fail(Code::io, Origin::internal, fmt::format("cannot read {}: {}", file, std::strerror(errno)));
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  auto token = base::random_hex(kNewTokenBytes);
  const auto text = token + "\n";
  // Under its name only when it is whole: half a token would be taken for one at the next start.
  const auto draft = file + ".new";
  ::unlink(draft.c_str());
  {
    const base::FileDescriptor out(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!out.is_open()) return io_error(draft);
    if (::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(out.get()) != 0)
      return io_error(draft);
  }
  if (::rename(draft.c_str(), file.c_str()) != 0) return io_error(file);
  return Secret(std::move(token));
}

}  // namespace propeller::admin
