#include "support/fake_registry.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "base/base64.hpp"
#include "base/digest.hpp"

namespace propeller::support {

namespace {

std::string digest_of(std::string_view bytes) { return base::sha256(bytes).to_string(); }

std::string basic(const std::string& username, const std::string& password) {
  const std::string plain = username + ":" + password;
  std::string encoded(base::base64_size(plain.size()), '\0');
  base::base64_encode(std::as_bytes(std::span(plain)), encoded.data());
  return "Basic " + encoded;
}

// "acme/add" of "/v2/acme/add/blobs/…".
std::string repository_of(const std::string& target) {
  const auto end = std::min(target.find("/manifests/"), target.find("/blobs/"));
  if (!target.starts_with("/v2/") || end == std::string::npos) return {};
  return target.substr(4, end - 4);
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result.push_back(static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

std::string parameter(std::string_view query, const std::string& name) {
  for (;;) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    if (pair.starts_with(name + "=")) return percent_decoded(pair.substr(name.size() + 1));
    if (end == query.npos) return {};
    query.remove_prefix(end + 1);
  }
}

bool concerns_content(FaultKind kind) {
  switch (kind) {
    case FaultKind::hang:
    case FaultKind::close:
    case FaultKind::garbage:
    case FaultKind::endless_head:
    case FaultKind::redirect:
    case FaultKind::redirect_loop:
    case FaultKind::status: return false;
    default: return true;
  }
}

bool is(const Fault* fault, FaultKind kind) { return fault != nullptr && fault->kind == kind; }

std::shared_ptr<SSL_CTX> make_tls(const TlsFiles& files) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context || SSL_CTX_use_certificate_chain_file(context.get(), files.server_certificate().c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), files.server_key().c_str(), SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("the fake registry cannot load its certificate");
  }
  return context;
}

}  // namespace

FakeRegistry::FakeRegistry(FakeRegistryOptions options) : options_(std::move(options)) {
  if (options_.tls != nullptr) tls_ = make_tls(*options_.tls);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("the fake registry cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

FakeRegistry::~FakeRegistry() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    for (auto* connection : open_) connection->stop();
  }
  stopped_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& thread : threads_) thread.join();
  ::close(listener_);
}

void FakeRegistry::accept_connections() {
  for (;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (socket < 0 || is_stopping_) {
      if (socket >= 0) ::close(socket);
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (options_.send_buffer_bytes > 0) {
      ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &options_.send_buffer_bytes, sizeof options_.send_buffer_bytes);
    }
    ++connections_made_;
    threads_.emplace_back([this, socket] {
      FakeConnection connection(socket, tls_.get());
      serve(connection);
    });
  }
}

void FakeRegistry::serve(FakeConnection& connection) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    open_.insert(&connection);
  }
  while (auto request = connection.read_request()) {
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(*request);
    }
    if (!answer_request(connection, *request)) break;
  }
  const std::lock_guard lock(mutex_);
  open_.erase(&connection);
}

void FakeRegistry::hang() {
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [this] { return is_stopping_; });
}

bool FakeRegistry::answer_request(FakeConnection& connection, const SeenRequest& request) {
  const auto fault = take_fault(request.target, is_authorized(request, repository_of(request.target)));
  if (is(fault.get(), FaultKind::hang)) hang();
  if (is(fault.get(), FaultKind::hang) || is(fault.get(), FaultKind::close)) return false;
  if (is(fault.get(), FaultKind::garbage)) {
    connection.write("\x01\x02 this is no HTTP at all\r\n\r\n");
    return false;
  }
  if (is(fault.get(), FaultKind::endless_head)) {
    bool is_open = connection.write("HTTP/1.1 200 OK\r\n");
    while (is_open) is_open = connection.write("X-Field: " + std::string(512, 'x') + "\r\n");
    return false;
  }
  auto answer = decide(request, fault.get());
  answer.is_head_alone = request.method == "HEAD";
  return send(connection, answer, fault.get());
}

FakeRegistry::Answer FakeRegistry::decide(const SeenRequest& request, const Fault* fault) {
  if (is(fault, FaultKind::status)) {
    Answer answer{.status = fault->status, .fields = {}, .content = {}, .body = R"({"errors":[{"code":"UNKNOWN"}]})"};
    if (!fault->value.empty()) answer.fields.push_back("Retry-After: " + fault->value);
    return answer;
  }
  if (is(fault, FaultKind::redirect))
    return {.status = 307, .fields = {"Location: " + fault->value}, .content = {}, .body = {}};
  if (is(fault, FaultKind::redirect_loop))
    return {.status = 307, .fields = {"Location: " + request.target}, .content = {}, .body = {}};
  const auto path = request.target.substr(0, request.target.find('?'));
  if (path == "/token") return decide_token(request);
  if (options_.is_bucket && request.method == "PUT") return decide_put(request);
  const std::string repository = repository_of(path);
  if (!is_authorized(request, repository)) return challenge(repository);

  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    const auto found = contents_.find(path);
    if (found == contents_.end())
      return {.status = 404, .fields = {}, .content = {}, .body = R"({"errors":[{"code":"NAME_UNKNOWN"}]})"};
    answer.content = found->second;
  }
  const auto& content = *answer.content;
  answer.fields.push_back("Content-Type: " + content.media_type);
  answer.fields.push_back("Docker-Content-Digest: " +
                          (is(fault, FaultKind::wrong_digest_field) ? digest_of("another") : content.digest));
  // The door, where a test has put one: by this a registry is known.
  if (path == "/v2/") answer.fields.emplace_back("Docker-Distribution-Api-Version: registry/2.0");
  const std::string range = request.field("range");
  if (range.starts_with("bytes=") && !is(fault, FaultKind::ignore_range)) {
    answer.offset = std::stoul(range.substr(6));
    if (answer.offset >= content.bytes.size()) return {.status = 416, .fields = {}, .content = {}, .body = {}};
    const auto told = is(fault, FaultKind::wrong_range) ? answer.offset - 1 : answer.offset;
    answer.status = 206;
    answer.fields.push_back("Content-Range: bytes " + std::to_string(told) + "-" +
                            std::to_string(content.bytes.size() - 1) + "/" + std::to_string(content.bytes.size()));
  }
  return answer;
}

FakeRegistry::Answer FakeRegistry::decide_token(const SeenRequest& request) {
  const auto question = request.target.find('?');
  const std::string query = request.method == "POST"        ? request.body
                            : question == std::string::npos ? ""
                                                            : request.target.substr(question + 1);
  const bool is_refresh = request.method == "POST" && parameter(query, "refresh_token") == options_.password;
  const bool is_known = options_.username.empty() || is_refresh ||
                        request.field("authorization") == basic(options_.username, options_.password);
  if (!is_known)
    return {.status = 401, .fields = {}, .content = {}, .body = R"({"details":"incorrect username or password"})"};
  const std::lock_guard lock(mutex_);
  const std::string token = "token-" + std::to_string(++tokens_made_);
  tokens_[token] = parameter(query, "scope");
  return {
      .status = 200,
      .fields = {"Content-Type: application/json"},
      .content = {},
      .body = R"({"token":")" + token + R"(","expires_in":)" + std::to_string(options_.token_lifetime_seconds) + "}"};
}

FakeRegistry::Answer FakeRegistry::challenge(const std::string& repository) const {
  Answer answer{.status = 401, .fields = {}, .content = {}, .body = R"({"errors":[{"code":"UNAUTHORIZED"}]})"};
  if (options_.auth == FakeAuth::basic) {
    answer.fields.emplace_back("WWW-Authenticate: Basic realm=\"fake\"");
    return answer;
  }
  std::string realm = options_.realm;
  if (realm.empty()) realm = (options_.token_server ? options_.token_server->url() : url()) + "/token";
  answer.fields.push_back("WWW-Authenticate: Bearer realm=\"" + realm +
                          "\",service=\"fake\",scope=\"repository:" + repository + ":pull\"");
  return answer;
}

bool FakeRegistry::is_authorized(const SeenRequest& request, const std::string& repository) {
  const std::string authorization = request.field("authorization");
  if (options_.auth == FakeAuth::none) return true;
  if (options_.auth == FakeAuth::basic) return authorization == basic(options_.username, options_.password);
  if (!authorization.starts_with("Bearer ")) return false;
  auto& issuer = options_.token_server ? *options_.token_server : *this;
  return issuer.accepts_token(authorization.substr(7), repository);
}

bool FakeRegistry::accepts_token(const std::string& token, const std::string& repository) {
  const std::lock_guard lock(mutex_);
  const auto found = tokens_.find(token);
  return found != tokens_.end() && found->second == "repository:" + repository + ":pull";
}

bool FakeRegistry::send(FakeConnection& connection, const Answer& answer, const Fault* fault) {
  const std::string_view body =
      answer.content ? std::string_view(answer.content->bytes).substr(answer.offset) : std::string_view(answer.body);
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " Status\r\n";
  for (const auto& field : answer.fields) head += field + "\r\n";
  std::size_t length = body.size();
  if (is(fault, FaultKind::long_length)) length += fault->bytes;
  if (is(fault, FaultKind::short_length)) length -= std::min(length, fault->bytes);
  const bool is_chunked = is(fault, FaultKind::more_bytes);
  if (is_chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!is(fault, FaultKind::no_length)) {
    head += "Content-Length: " + std::to_string(length) + "\r\n";
  }
  if (!connection.write(head + "\r\n")) return false;
  if (answer.is_head_alone) return true;
  if (is_chunked) {
    const std::string whole = std::string(body) + std::string(fault->bytes, 'x');
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", whole.size());
    return connection.write(size + whole + "\r\n0\r\n\r\n");
  }
  return send_body(connection, body, fault);
}

bool FakeRegistry::send_body(FakeConnection& connection, std::string_view body, const Fault* fault) {
  if (is(fault, FaultKind::hang_after) || is(fault, FaultKind::close_after)) {
    write_body(connection, body.substr(0, fault->bytes));
    if (fault->kind == FaultKind::hang_after) hang();
    return false;
  }
  if (is(fault, FaultKind::wrong_bytes) && !body.empty()) {
    const char other = static_cast<char>(body.front() ^ 1);
    return write_body(connection, {&other, 1}) && write_body(connection, body.substr(1));
  }
  if (is(fault, FaultKind::trickle)) {
    while (!body.empty()) {
      if (!write_body(connection, body.substr(0, fault->bytes))) return false;
      body.remove_prefix(std::min(fault->bytes, body.size()));
      std::unique_lock lock(mutex_);
      if (stopped_.wait_for(lock, fault->pause, [this] { return is_stopping_; })) return false;
    }
    return true;
  }
  if (!write_body(connection, body)) return false;
  const bool must_close =
      is(fault, FaultKind::long_length) || is(fault, FaultKind::short_length) || is(fault, FaultKind::no_length);
  return !must_close;
}

bool FakeRegistry::write_body(FakeConnection& connection, std::string_view bytes) {
  constexpr std::size_t kPiece = 256 * 1024;
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, kPiece);
    if (!connection.write(piece)) return false;
    body_bytes_sent_ += piece.size();
    bytes.remove_prefix(piece.size());
  }
  return true;
}

std::string FakeRegistry::push_blob(const std::string& repository, std::string bytes) {
  const std::string digest = digest_of(bytes);
  const auto content = std::make_shared<const Content>(
      Content{.bytes = std::move(bytes), .media_type = "application/octet-stream", .digest = digest});
  const std::lock_guard lock(mutex_);
  contents_["/v2/" + repository + "/blobs/" + digest] = content;
  return digest;
}

std::string FakeRegistry::push_manifest(const std::string& repository, const std::string& tag, const std::string& text,
                                        const std::string& media_type) {
  const std::string digest = digest_of(text);
  const auto content =
      std::make_shared<const Content>(Content{.bytes = text, .media_type = media_type, .digest = digest});
  const std::lock_guard lock(mutex_);
  const std::string prefix = "/v2/" + repository + "/manifests/";
  if (!tag.empty()) contents_[prefix + tag] = content;
  contents_[prefix + digest] = content;
  return digest;
}

std::string FakeRegistry::push_module(const std::string& repository, const std::string& tag, std::string bytes,
                                      const std::string& layer_type) {
  const std::size_t size = bytes.size();
  const std::string blob = push_blob(repository, std::move(bytes));
  return push_manifest(
      repository, tag,
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":")" +
          digest_of("{}") + R"(","size":2},"layers":[{"mediaType":")" + layer_type + R"(","digest":")" + blob +
          R"(","size":)" + std::to_string(size) + "}]}");
}

void FakeRegistry::inject(std::string part, Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({std::move(part), std::move(fault)});
}

void FakeRegistry::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

std::unique_ptr<Fault> FakeRegistry::take_fault(const std::string& target, bool gets_content) {
  const std::lock_guard lock(mutex_);
  for (auto injected = faults_.begin(); injected != faults_.end(); ++injected) {
    if (target.find(injected->part) == std::string::npos) continue;
    if (!gets_content && concerns_content(injected->fault.kind)) continue;
    auto fault = std::make_unique<Fault>(injected->fault);
    if (--injected->fault.times == 0) faults_.erase(injected);
    return fault;
  }
  return nullptr;
}

void FakeRegistry::revoke_tokens() {
  const std::lock_guard lock(mutex_);
  tokens_.clear();
}

std::vector<SeenRequest> FakeRegistry::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int FakeRegistry::requests_with(std::string_view part) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::ranges::count_if(
      requests_, [&](const SeenRequest& request) { return request.target.find(part) != std::string::npos; }));
}

}  // namespace propeller::support
