#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <filesystem>

#include "command.hpp"
#include "config/parse.hpp"
#include "forward/trust.hpp"
#include "net/certificate_authority.hpp"

namespace propeller::cmd {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::minutes kToolTimeout{2};

std::string variable(const Call& call, std::string_view name) {
  const auto found = call.environment.find(name);
  return found == call.environment.end() ? std::string() : found->second;
}

struct User {
  fs::path home;
  uid_t id = 0;
  gid_t group = 0;
};

std::optional<User> user_named(const std::string& name) {
  const passwd* const entry = ::getpwnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return User{.home = entry->pw_dir, .id = entry->pw_uid, .group = entry->pw_gid};
}

forward::TrustPlaces places_of(const Call& call) {
  forward::TrustPlaces places{.home = variable(call, "HOME"), .java_home = variable(call, "JAVA_HOME")};
  const auto path = variable(call, "PATH");
  for (std::string_view rest = path; !rest.empty();) {
    const auto colon = rest.find(':');
    places.programs.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
  }
  // Where update-ca-certificates is, which the PATH of ordinary users leaves out.
  places.programs.emplace_back("/usr/sbin");
  places.run = [](const std::vector<std::string>& arguments) { return forward::run_program(arguments, kToolTimeout); };
  return places;
}

/// What root made in somebody's home belongs to them.
void give_to(const User& user) {
  std::error_code error;
  const auto root = user.home / ".pki";
  (void)::lchown(root.c_str(), user.id, user.group);
  for (fs::recursive_directory_iterator files(root, error), end; !error && files != end; files.increment(error))
    (void)::lchown(files->path().c_str(), user.id, user.group);
}

/// The authority's certificate: made now, when there is none and somebody wants to trust it.
Result<fs::path> certificate_of(const fs::path& directory, bool is_made) {
  if (!is_made) return directory / "ca.crt";
  const auto authority = net::CertificateAuthority::open(directory, std::chrono::system_clock::now());
  if (!authority) return std::unexpected(authority.error());
  return (*authority)->certificate_file();
}

int report(const std::vector<forward::TrustResult>& results, forward::TrustState wanted) {
  if (results.empty()) {
    fmt::print(stderr, "no trust store was found here: give programs ca.crt itself (see the README)\n");
    return kExitFailure;
  }
  int exit_code = kExitOk;
  for (const auto& result : results) {
    fmt::print("{}: {}{}\n", result.store, to_string(result.state),
               result.detail.empty() ? "" : fmt::format(" ({})", result.detail));
    if (result.state != wanted) exit_code = kExitFailure;
  }
  return exit_code;
}

int run_action(const Call& call, const std::string& action, const Parsed& flags) {
  const auto configuration = load_forward_configuration(call, flags.configuration);
  if (!configuration.problems.errors.empty()) {
    print_problems(configuration.problems);
    return kExitUsage;
  }
  auto places = places_of(call);
  std::optional<User> user;
  if (const auto name = flags.own.find("--user"); name != flags.own.end()) {
    user = user_named(name->second);
    if (!user)
      return usage_error("trust", fmt::format("--user: there is no user {}", config::show_value(name->second)));
    places.home = user->home;
  }
  if (flags.own.contains("--skip-user-trust")) places.home.clear();
  places.has_system = !flags.own.contains("--skip-system-trust");
  const auto certificate = certificate_of(configuration.settings.tls.cert_dir, action == "install");
  if (!certificate) {
    fmt::print(stderr, "propeller-proxy trust: {}\n", certificate.error().detail);
    return kExitFailure;
  }
  const auto results = action == "install"  ? forward::install_trust(places, *certificate)
                       : action == "remove" ? forward::remove_trust(places, *certificate)
                                            : forward::trust_status(places, *certificate);
  if (user && action == "install" && ::geteuid() == 0) give_to(*user);
  if (!results) {
    fmt::print(stderr, "propeller-proxy trust: {}\n", results.error().detail);
    return kExitFailure;
  }
  fmt::print("{}\n", certificate->string());
  return report(*results, action == "remove" ? forward::TrustState::not_trusted : forward::TrustState::trusted);
}

}  // namespace

int run_trust(const Call& call) {
  const auto& command = command_named("trust");
  auto arguments = call.arguments;
  const auto words = take_words(command, arguments);
  int exit_code = kExitOk;
  const auto flags = parse_flags(command, arguments, exit_code);
  if (!flags) return exit_code;
  if (words.size() != 1 || (words[0] != "install" && words[0] != "remove" && words[0] != "status"))
    return usage_error("trust", "say what to do: install, remove or status");
  return run_action(call, words[0], *flags);
}

int install_trust(const Call& call, const Parsed& flags) { return run_action(call, "install", flags); }

int run_init_certs(const Call& call) {
  int exit_code = kExitOk;
  const auto flags = parse_flags(command_named("init-certs"), call.arguments, exit_code);
  if (!flags) return exit_code;
  return install_trust(call, *flags);
}

}  // namespace propeller::cmd
