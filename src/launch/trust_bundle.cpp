#include "launch/trust_bundle.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "base/file_descriptor.hpp"

namespace propeller::launch {

namespace fs = std::filesystem;

namespace {

const std::array<fs::path, 4> kSystemFiles{"/etc/ssl/certs/ca-certificates.crt",
                                           "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

constexpr std::string_view kPemMark = "-----BEGIN ";

/// Empty when it is not there, too large or no PEM.
std::string read_pem(const fs::path& file) {
  std::error_code error;
  if (const auto size = fs::file_size(file, error); error || size > kAuthoritiesBytesMax) return {};
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (text.find(kPemMark) == std::string::npos) return {};
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

std::unexpected<Error> io_error(const fs::path& file, const std::string& why) {
  return fail(Code::io, Origin::internal, file.string() + ": " + why);
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(Code::io, Origin::internal, std::generic_category().message(errno));
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

/// Whole or not at all, under a name of its own until then: several may do it at once.
Result<void> replace(const fs::path& file, std::string_view text) {
  std::string draft = file.string() + ".XXXXXX";
  const base::FileDescriptor out(::mkostemp(draft.data(), O_CLOEXEC));
  if (!out.is_open()) return io_error(file, std::generic_category().message(errno));
  auto written = write_all(out.get(), text);
  // Programs of all users read it.
  if (written && (::fchmod(out.get(), 0644) != 0 || ::rename(draft.c_str(), file.c_str()) != 0))
    written = fail(Code::io, Origin::internal, std::generic_category().message(errno));
  if (written) return {};
  ::unlink(draft.c_str());
  return io_error(file, written.error().detail);
}

}  // namespace

std::span<const fs::path> system_authority_files() { return kSystemFiles; }

Result<Bundle> keep_bundle(const fs::path& directory, std::span<const fs::path> candidates) {
  Bundle bundle{.file = directory / kBundleName};
  const auto ours = read_pem(directory / "ca.crt");
  if (ours.empty()) return io_error(directory / "ca.crt", "there is no certificate of our authority");
  std::string text;
  for (const auto& candidate : candidates) {
    if (text = read_pem(candidate); !text.empty()) break;
  }
  bundle.has_system_authorities = !text.empty();
  text += ours;
  const auto there = read_pem(bundle.file);
  if (there == text) return bundle;
  const auto replaced = replace(bundle.file, text);
  // Not ours to write: the proxy brings it up to date when it starts.
  if (!replaced && !there.ends_with(ours)) return std::unexpected(replaced.error());
  return bundle;
}

}  // namespace propeller::launch
