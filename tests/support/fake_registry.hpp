#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/fake_connection.hpp"
#include "support/tls_files.hpp"

namespace propeller::support {

/// What goes wrong with an answer.
enum class FaultKind {
  hang,                ///< the request is read, nothing is ever answered
  hang_after,          ///< the connection stays open after `bytes` of the body
  close,               ///< closed without an answer
  close_after,         ///< closed after `bytes` of the body
  long_length,         ///< Content-Length says `bytes` more than there are; closed after them
  short_length,        ///< Content-Length says `bytes` fewer
  no_length,           ///< no Content-Length: the body ends with the connection
  garbage,             ///< no HTTP at all
  endless_head,        ///< header fields without end
  redirect,            ///< 307 to `value`
  redirect_loop,       ///< 307 to itself
  status,              ///< `status`, with `value` as Retry-After when not empty
  wrong_bytes,         ///< the first byte is another one
  more_bytes,          ///< chunked, `bytes` more than there are
  trickle,             ///< `bytes` at a time, `pause` between them
  ignore_range,        ///< the whole for a Range
  wrong_range,         ///< a Content-Range that begins elsewhere
  wrong_digest_field,  ///< Docker-Content-Digest of something else
};

struct Fault {
  FaultKind kind;
  std::size_t bytes = 0;
  int status = 0;
  std::string value = {};
  std::chrono::milliseconds pause{10};
  int times = 1'000'000;  ///< so many answers, then all is well
};

enum class FakeAuth { none, basic, bearer };

class FakeRegistry;

struct FakeRegistryOptions {
  FakeAuth auth = FakeAuth::none;
  std::string username = {}, password = {};  ///< of basic, and of the token endpoint; empty there: anybody gets a token
  int token_lifetime_seconds = 300;
  const TlsFiles* tls = nullptr;         ///< nullptr: plain http
  FakeRegistry* token_server = nullptr;  ///< whose /token to name as realm; nullptr: its own
  std::string realm = {};                ///< named instead of any of these
  bool is_bucket = false;                ///< every path is an object's: PUT makes it
  int send_buffer_bytes = 0;             ///< of the sockets; 0: the kernel's choice
};

/// A registry that misbehaves as told: manifests and blobs from memory over HTTP/1.1, with or without TLS, basic or
/// bearer authentication and a token endpoint (/token), and faults by path. It remembers what it was asked.
///
/// Order:    faults whose `part` is within the request's target are used up in the order they were injected; those that
///           concern content wait for a request that gets some.
/// Threads:  every method from any; a thread per connection inside.
/// Lifetime: a token_server and the TlsFiles outlive it.
class FakeRegistry {
 public:
  explicit FakeRegistry(FakeRegistryOptions options = {});
  ~FakeRegistry();
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url() const { return (options_.tls ? "https://" : "http://") + host(); }

  /// All return the digest, "sha256:…".
  std::string push_blob(const std::string& repository, std::string bytes);
  std::string push_manifest(const std::string& repository, const std::string& tag, const std::string& text,
                            const std::string& media_type = "application/vnd.oci.image.manifest.v1+json");
  /// An image with one layer; the digest is the manifest's.
  std::string push_module(const std::string& repository, const std::string& tag, std::string bytes,
                          const std::string& layer_type = "application/wasm");

  /// Of a bucket.
  void put_object(const std::string& path, std::string bytes);
  /// Its bytes; empty when it is not there.
  [[nodiscard]] std::string object(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> object_paths() const;

  void inject(std::string part, Fault fault);
  void clear_faults();
  /// Tokens that were given out are good no more.
  void revoke_tokens();

  [[nodiscard]] std::vector<SeenRequest> requests() const;
  [[nodiscard]] int requests_with(std::string_view part) const;  ///< whose target contains `part`
  [[nodiscard]] std::uint64_t body_bytes_sent() const { return body_bytes_sent_; }
  [[nodiscard]] int connections() const { return connections_made_; }

 private:
  struct Content {
    std::string bytes, media_type, digest;
  };
  struct Answer {
    int status = 200;
    std::vector<std::string> fields;
    std::shared_ptr<const Content> content;
    std::string body;  ///< where there is no content
    std::size_t offset = 0;
    bool is_head_alone = false;
  };
  struct Injected {
    std::string part;
    Fault fault;
  };

  void accept_connections();
  void serve(FakeConnection& connection);
  bool answer_request(FakeConnection& connection, const SeenRequest& request);
  [[nodiscard]] Answer decide(const SeenRequest& request, const Fault* fault);
  Answer decide_put(const SeenRequest& request);
  [[nodiscard]] Answer decide_token(const SeenRequest& request);
  [[nodiscard]] Answer challenge(const std::string& repository) const;
  [[nodiscard]] bool is_authorized(const SeenRequest& request, const std::string& repository);
  [[nodiscard]] bool accepts_token(const std::string& token, const std::string& repository);
  bool send(FakeConnection& connection, const Answer& answer, const Fault* fault);
  bool send_body(FakeConnection& connection, std::string_view body, const Fault* fault);
  bool write_body(FakeConnection& connection, std::string_view bytes);
  void hang();
  [[nodiscard]] std::unique_ptr<Fault> take_fault(const std::string& target, bool gets_content);

  FakeRegistryOptions options_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::shared_ptr<SSL_CTX> tls_;

  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool is_stopping_ = false;
  std::map<std::string, std::shared_ptr<const Content>> contents_;  ///< by path after /v2/
  std::list<Injected> faults_;
  std::vector<SeenRequest> requests_;
  std::map<std::string, std::string> tokens_;  ///< token to scope
  int tokens_made_ = 0;
  std::set<FakeConnection*> open_;
  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> body_bytes_sent_{0};
  std::atomic<int> connections_made_{0};
  std::thread acceptor_;
};

}  // namespace propeller::support
