#include "forward/trust.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>

namespace propeller::forward {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kPemBytesMax = 16 * 1024 * 1024;
constexpr std::size_t kDetailBytesMax = 300;

std::string read_text(const fs::path& file) {
  std::error_code error;
  if (fs::file_size(file, error) > kPemBytesMax || error) return {};
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// The last line a tool wrote, where it says what is wrong.
std::string last_words(const ProgramResult& result) {
  std::string_view text = result.output;
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  if (const auto line = text.rfind('\n'); line != std::string_view::npos) text.remove_prefix(line + 1);
  if (text.empty()) return result.exit_code < 0 ? "the tool did not end in time" : "the tool said nothing";
  return std::string(text.substr(0, kDetailBytesMax));
}

/// What every store is asked to do with.
struct Task {
  const TrustPlaces& places;
  fs::path certificate;
  std::string body;  ///< base64 of the certificate
  std::string name{kTrustName};

  [[nodiscard]] fs::path at(std::string_view path) const { return places.root / fs::path(path).relative_path(); }
  [[nodiscard]] std::optional<fs::path> program(const std::string& tool) const {
    return find_program(places.programs, tool);
  }
  [[nodiscard]] ProgramResult run(std::vector<std::string> arguments) const { return places.run(arguments); }
  [[nodiscard]] bool is_in(std::string_view pem) const {
    const auto all = certificates_in(pem);
    return std::ranges::find(all, body) != all.end();
  }
  /// Whether a PEM text holds our certificate, another one, or none.
  [[nodiscard]] TrustState judge(std::string_view pem) const {
    if (is_in(pem)) return TrustState::trusted;
    return certificates_in(pem).empty() ? TrustState::not_trusted : TrustState::other_certificate;
  }
};

TrustResult failed(std::string store, std::string detail) {
  return {.store = std::move(store), .state = TrustState::failed, .detail = std::move(detail)};
}

/// A directory of anchors, a tool that makes a bundle of them, and the bundle. Debian, Alpine and Fedora differ in
/// names.
class SystemStore {
 public:
  struct Style {
    std::string_view store, tool, anchors, suffix, bundle;
    std::vector<std::string> arguments, again;
  };

  SystemStore(const Task& task, Style style) : task_(task), style_(std::move(style)) {}

  [[nodiscard]] bool is_there() const { return task_.program(std::string(style_.tool)).has_value(); }

  [[nodiscard]] TrustResult status() const {
    TrustResult result{.store = store(), .state = TrustState::not_trusted, .detail = bundle().string()};
    if (task_.is_in(read_text(bundle()))) {
      result.state = TrustState::trusted;
    } else if (task_.judge(read_text(anchor())) == TrustState::other_certificate) {
      result.state = TrustState::other_certificate;
      result.detail = anchor().string();
    }
    return result;
  }

  [[nodiscard]] TrustResult install() const {
    std::error_code error;
    fs::create_directories(anchor().parent_path(), error);
    if (!error) fs::copy_file(task_.certificate, anchor(), fs::copy_options::overwrite_existing, error);
    if (error) return failed(store(), anchor().string() + ": " + error.message());
    // Programs of all users read it.
    fs::permissions(anchor(), fs::perms(0644), error);
    return rebuild(true);
  }

  [[nodiscard]] TrustResult remove() const {
    std::error_code error;
    const bool was_there = fs::remove(anchor(), error);
    if (error) return failed(store(), anchor().string() + ": " + error.message());
    return was_there || status().state == TrustState::trusted ? rebuild(false) : status();
  }

 private:
  [[nodiscard]] std::string store() const { return std::string(style_.store); }
  [[nodiscard]] fs::path anchor() const { return task_.at(style_.anchors) / (task_.name + std::string(style_.suffix)); }
  [[nodiscard]] fs::path bundle() const { return task_.at(style_.bundle); }

  /// The tool is believed when the bundle says the same; else it is asked to begin anew, once.
  [[nodiscard]] TrustResult rebuild(bool is_wanted) const {
    ProgramResult last;
    for (const auto& arguments : {style_.arguments, style_.again}) {
      std::vector<std::string> command{task_.program(std::string(style_.tool))->string()};
      command.insert(command.end(), arguments.begin(), arguments.end());
      last = task_.run(command);
      const auto now = status();
      if ((now.state == TrustState::trusted) == is_wanted) return now;
    }
    return failed(store(), std::string(style_.tool) + ": " + last_words(last));
  }

  const Task& task_;
  Style style_;
};

std::vector<SystemStore> system_stores(const Task& task) {
  const SystemStore debian(task, {.store = "system (Debian, Alpine)",
                                  .tool = "update-ca-certificates",
                                  .anchors = "/usr/local/share/ca-certificates",
                                  .suffix = ".crt",
                                  .bundle = "/etc/ssl/certs/ca-certificates.crt",
                                  .arguments = {},
                                  .again = {"--fresh"}});
  if (debian.is_there()) return {debian};
  const SystemStore fedora(task, {.store = "system (Fedora)",
                                  .tool = "update-ca-trust",
                                  .anchors = "/etc/pki/ca-trust/source/anchors",
                                  .suffix = ".crt",
                                  .bundle = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                  .arguments = {"extract"},
                                  .again = {}});
  if (fedora.is_there()) return {fedora};
  return {};
}

/// The database of browsers.
class NssStore {
 public:
  explicit NssStore(const Task& task) : task_(task) {}

  [[nodiscard]] bool is_there() const { return !task_.places.home.empty() && task_.program("certutil").has_value(); }

  [[nodiscard]] TrustResult status() const {
    TrustResult result{.store = "NSS", .state = TrustState::not_trusted, .detail = directory().string()};
    if (!has_database()) return result;
    const auto shown = certutil({"-L", "-n", task_.name, "-a"});
    if (shown.is_ok()) result.state = task_.judge(shown.output);
    return result;
  }

  [[nodiscard]] TrustResult install() const {
    std::error_code error;
    fs::create_directories(directory(), error);
    if (error) return failed("NSS", directory().string() + ": " + error.message());
    if (!has_database()) {
      if (const auto made = certutil({"-N", "--empty-password"}); !made.is_ok()) return failed("NSS", last_words(made));
    }
    take_out();
    const auto added = certutil({"-A", "-t", "C,,", "-n", task_.name, "-i", task_.certificate.string()});
    const auto now = status();
    return now.state == TrustState::trusted ? now : failed("NSS", last_words(added));
  }

  [[nodiscard]] TrustResult remove() const {
    if (has_database()) take_out();
    const auto now = status();
    return now.state == TrustState::not_trusted ? now : failed("NSS", "certutil did not take it out");
  }

 private:
  [[nodiscard]] fs::path directory() const { return task_.places.home / ".pki" / "nssdb"; }
  [[nodiscard]] bool has_database() const {
    std::error_code error;
    return fs::exists(directory() / "cert9.db", error);
  }
  [[nodiscard]] ProgramResult certutil(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {task_.program("certutil")->string(), "-d", "sql:" + directory().string()});
    return task_.run(std::move(arguments));
  }
  /// Several may be there under one name. Not being there is no failure.
  void take_out() const {
    constexpr int kCopiesMax = 8;
    for (int i = 0; i < kCopiesMax && certutil({"-D", "-n", task_.name}).is_ok(); ++i) {
    }
  }

  const Task& task_;
};

/// One key store of Java.
class JavaStore {
 public:
  JavaStore(const Task& task, fs::path file) : task_(task), file_(std::move(file)) {}

  [[nodiscard]] TrustResult status() const {
    TrustResult result{.store = store(), .state = TrustState::not_trusted, .detail = file_.string()};
    const auto shown = keytool({"-exportcert", "-rfc"});
    if (shown.is_ok()) result.state = task_.judge(shown.output);
    return result;
  }

  [[nodiscard]] TrustResult install() const {
    if (status().state == TrustState::trusted) return status();
    (void)keytool({"-delete"});
    const auto added = keytool({"-importcert", "-noprompt", "-trustcacerts", "-file", task_.certificate.string()});
    const auto now = status();
    return now.state == TrustState::trusted ? now : failed(store(), last_words(added));
  }

  [[nodiscard]] TrustResult remove() const {
    if (status().state == TrustState::not_trusted) return status();
    const auto taken = keytool({"-delete"});
    const auto now = status();
    return now.state == TrustState::not_trusted ? now : failed(store(), last_words(taken));
  }

 private:
  [[nodiscard]] std::string store() const { return "Java (" + file_.string() + ")"; }
  [[nodiscard]] ProgramResult keytool(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), task_.program("keytool")->string());
    // The password that Java's own key stores come with.
    arguments.insert(arguments.end(), {"-alias", task_.name, "-keystore", file_.string(), "-storepass", "changeit"});
    return task_.run(std::move(arguments));
  }

  const Task& task_;
  fs::path file_;
};

std::vector<JavaStore> java_stores(const Task& task) {
  std::vector<JavaStore> stores;
  if (!task.program("keytool")) return stores;
  std::vector<fs::path> files{task.at("/etc/ssl/certs/java/cacerts"), task.at("/etc/pki/java/cacerts")};
  if (!task.places.java_home.empty()) files.push_back(task.places.java_home / "lib" / "security" / "cacerts");
  std::vector<fs::path> seen;
  for (const auto& file : files) {
    std::error_code error;
    // Distributions link one to the other.
    const auto real = fs::canonical(file, error);
    if (error || std::ranges::find(seen, real) != seen.end()) continue;
    seen.push_back(real);
    stores.emplace_back(task, real);
  }
  return stores;
}

Result<Task> make_task(const TrustPlaces& places, const fs::path& certificate) {
  auto all = certificates_in(read_text(certificate));
  if (all.size() != 1) {
    return fail(Code::bad_config, Origin::client,
                certificate.string() + ": one certificate (PEM) is needed; the proxy makes it on its first run");
  }
  return Task{.places = places, .certificate = certificate, .body = std::move(all.front())};
}

/// `each` is called for every store that is there.
Result<std::vector<TrustResult>> for_stores(const TrustPlaces& places, const fs::path& certificate, auto each) {
  const auto task = make_task(places, certificate);
  if (!task) return std::unexpected(task.error());
  std::vector<TrustResult> results;
  if (places.has_system) {
    for (const auto& store : system_stores(*task)) results.push_back(each(store));
  }
  if (const NssStore nss(*task); nss.is_there()) results.push_back(each(nss));
  if (places.has_system) {
    for (const auto& store : java_stores(*task)) results.push_back(each(store));
  }
  return results;
}

}  // namespace

std::vector<std::string> certificates_in(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::vector<std::string> found;
  for (auto begin = pem.find(kBegin); begin != std::string_view::npos; begin = pem.find(kBegin)) {
    pem.remove_prefix(begin + kBegin.size());
    const auto end = pem.find(kEnd);
    if (end == std::string_view::npos) break;
    std::string body(pem.substr(0, end));
    std::erase_if(body, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
    found.push_back(std::move(body));
    pem.remove_prefix(end + kEnd.size());
  }
  return found;
}

std::string_view to_string(TrustState state) {
  switch (state) {
    case TrustState::trusted: return "trusted";
    case TrustState::not_trusted: return "not trusted";
    case TrustState::other_certificate: return "another certificate under our name";
    case TrustState::failed: return "failed";
  }
  return "";
}

Result<std::vector<TrustResult>> install_trust(const TrustPlaces& places, const fs::path& certificate) {
  return for_stores(places, certificate, [](const auto& store) { return store.install(); });
}

Result<std::vector<TrustResult>> remove_trust(const TrustPlaces& places, const fs::path& certificate) {
  return for_stores(places, certificate, [](const auto& store) { return store.remove(); });
}

Result<std::vector<TrustResult>> trust_status(const TrustPlaces& places, const fs::path& certificate) {
  return for_stores(places, certificate, [](const auto& store) { return store.status(); });
}

}  // namespace propeller::forward
