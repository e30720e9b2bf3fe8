#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "net/tls_identity.hpp"

namespace propeller::net {

/// The authority of this proxy: made on the first run, it issues a certificate for each host whose connections are
/// intercepted. All of them share one key pair, made anew at each start.
///
/// Bound:    kLeavesMax certificates are kept, the one used longest ago goes first.
/// Errors:   open(): io, naming the file. A pair that is incomplete, unreadable or expired is put aside as "*.old" and
///           replaced; `replaced_reason()` says so.
/// Threads:  leaf() from any; it computes, some 50 µs for a new host, and does not block.
/// Source:   RFC 5280
class CertificateAuthority {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::size_t kLeavesMax = 4096;
  static constexpr std::chrono::hours kLeafValidity{7 * 24};
  static constexpr std::chrono::hours kRenewedBefore{2 * 24};  ///< the end of a kept leaf, it is issued anew
  static constexpr std::chrono::hours kClockSkew{24};          ///< of a client that may be behind

  /// Reads ca.crt and ca.key of `directory` (a PKCS#1 key of RSA too), or makes them: 0644 and 0600 in a directory of
  /// 0755.
  [[nodiscard]] static Result<std::shared_ptr<CertificateAuthority>> open(const std::filesystem::path& directory,
                                                                          Time now);

  /// For a DNS name or an address; null for anything else.
  [[nodiscard]] std::shared_ptr<const TlsIdentity> leaf(std::string_view host, Time now);

  [[nodiscard]] std::string certificate_pem() const;
  [[nodiscard]] std::filesystem::path certificate_file() const { return directory_ / "ca.crt"; }
  /// Empty when the pair was there, or there was none.
  [[nodiscard]] const std::string& replaced_reason() const { return replaced_reason_; }
  [[nodiscard]] std::size_t leaves() const;
  [[nodiscard]] std::uint64_t issued() const;

 private:
  using Extension = std::unique_ptr<X509_EXTENSION, OpensslFree<::X509_EXTENSION_free>>;
  struct Leaf {
    std::string host;
    Time renewed_at;
    std::shared_ptr<const TlsIdentity> identity;
  };
  using Leaves = std::list<Leaf>;

  explicit CertificateAuthority(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<void> load(Time now);
  Result<void> make(Time now);
  void prepare_leaves();
  [[nodiscard]] std::shared_ptr<const TlsIdentity> find(const std::string& host, Time now);
  [[nodiscard]] std::shared_ptr<const TlsIdentity> issue(const std::string& host, Time until, Time now) const;
  void keep(Leaf leaf);

  const std::filesystem::path directory_;
  std::string replaced_reason_;
  std::shared_ptr<const TlsIdentity> authority_;
  Time ends_at_;
  KeyPtr leaf_key_;
  std::vector<Extension> leaf_extensions_;  ///< those that every leaf has

  mutable std::mutex mutex_;
  Leaves leaves_;  ///< the one used last first
  std::unordered_map<std::string_view, Leaves::iterator> by_host_;
  std::uint64_t issued_ = 0;
};

}  // namespace propeller::net
