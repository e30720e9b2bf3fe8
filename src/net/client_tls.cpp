#include "net/client_tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/assert.hpp"
#include "net/certificate_text.hpp"

namespace propeller::net {

namespace {

using async::awaitable;

// RSA and DH of 2048 bits, no SHA-1 in signatures: the least that is still considered safe.
constexpr int kSecurityLevel = 2;

using SharedCache = std::shared_ptr<SessionCache>;

void free_cache(void*, void* kept, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<SharedCache*>(kept); }

/// Where a context holds its SharedCache; freed with the context, which connections keep alive.
int cache_index() {
  static const int index = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_cache);
  return index;
}

bool matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  return host.size() > pattern.size() - 1 && host.ends_with(pattern.substr(1));
}

bool is_address(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

std::unexpected<Error> unusable(const std::string& file) {
  return fail(Code::bad_config, Origin::internal, fmt::format("{} cannot be used for TLS: {}", file, openssl_reason()));
}

}  // namespace

std::string alpn_wire(const std::vector<std::string>& names) {
  std::string wire;
  for (const auto& name : names) {
    if (!name.empty() && name.size() <= 255) wire.append(1, static_cast<char>(name.size())).append(name);
  }
  return wire;
}

ClientTls::ClientTls(ClientTlsOptions options) : options_(std::move(options)) {}

Result<std::shared_ptr<ClientTls>> ClientTls::create(ClientTlsOptions options) {
  std::shared_ptr<ClientTls> made(new ClientTls(std::move(options)));
  if (auto loaded = made->load(); !loaded) return std::unexpected(std::move(loaded.error()));
  return made;
}

Result<void> ClientTls::load() {
  context_.reset(::SSL_CTX_new(::TLS_client_method()));
  ASSERT(context_);
  SSL_CTX* const context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_security_level(context, kSecurityLevel);
  ::SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  ::SSL_CTX_sess_set_new_cb(context, on_session);
  // A certificate of the list is trusted as it is, an intermediate or a server's own too.
  ::X509_VERIFY_PARAM_set_flags(::SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  ::SSL_CTX_set_ex_data(context, cache_index(), new SharedCache(sessions_));

  if (options_.uses_system_ca && ::SSL_CTX_set_default_verify_paths(context) != 1)
    return unusable("the system's list of certificates");
  for (const auto& file : options_.ca_files) {
    if (::SSL_CTX_load_verify_file(context, file.c_str()) != 1) return unusable(file.string());
  }
  ::ERR_clear_error();
  if (options_.identity) {
    const auto& own = *options_.identity;
    if (::SSL_CTX_use_cert_and_key(context, own.certificate.get(), own.key.get(), own.chain.get(), 1) != 1)
      return unusable("the client's certificate");
  }
  return {};
}

bool ClientTls::is_insecure(std::string_view host) const {
  std::string lower(host);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::ranges::any_of(options_.insecure_hosts, [&](const auto& pattern) { return matches(pattern, lower); });
}

int ClientTls::on_verified(int is_fine, X509_STORE_CTX* store) {
  if (is_fine == 1) return 1;
  auto* const ssl = static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& stream = *static_cast<TlsStream*>(SSL_get_app_data(ssl));
  stream.certificate_error_ =
      certificate_problem(::X509_STORE_CTX_get_error(store), ::X509_STORE_CTX_get_current_cert(store), stream.name_);
  return 0;
}

int ClientTls::on_session(SSL* ssl, SSL_SESSION* session) {
  const auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  auto* const cache = static_cast<SharedCache*>(::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(ssl), cache_index()));
  if (stream == nullptr || stream->session_key_.empty()) return 0;
  (*cache)->put(stream->session_key_, SessionPtr(session));
  return 1;
}

Result<SslPtr> ClientTls::prepare(const ConnectTlsOptions& options) const {
  SslPtr ssl(::SSL_new(context_.get()));
  ASSERT(ssl);
  ::SSL_set_connect_state(ssl.get());
  const bool is_verified = !is_insecure(options.host);
  ::SSL_set_verify(ssl.get(), is_verified ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, is_verified ? on_verified : nullptr);
  if (is_address(options.host)) {
    if (::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl.get()), options.host.c_str()) != 1)
      return fail(Code::tls_failed, Origin::internal,
                  fmt::format("no certificate can carry the address {}", options.host));
  } else {
    ::SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (options.host.empty() || ::SSL_set1_host(ssl.get(), options.host.c_str()) != 1 ||
        SSL_set_tlsext_host_name(ssl.get(), options.host.c_str()) != 1) {
      return fail(Code::tls_failed, Origin::internal, fmt::format("'{}' is no host name", options.host));
    }
  }
  const auto alpn = alpn_wire(options.alpn);
  if (!alpn.empty()) {
    ::SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
  }
  return ssl;
}

awaitable<Result<std::unique_ptr<Stream>>> ClientTls::connect(std::unique_ptr<Stream> below,
                                                              ConnectTlsOptions options) {
  auto ssl = prepare(options);
  if (!ssl) co_return std::unexpected(std::move(ssl.error()));
  auto stream = std::make_unique<TlsStream>(std::move(below), std::move(*ssl));
  stream->name_ = options.host;
  stream->session_key_ = fmt::format("{}:{}:{}:{}", options.host, options.port, alpn_wire(options.alpn),
                                     is_insecure(options.host) ? "insecure" : "verified");
  if (const auto session = sessions_->take(stream->session_key_)) {
    ::SSL_set_session(stream->ssl_.get(), session.get());
    // A session of TLS 1.2 may be used again and again, a ticket of TLS 1.3 only once.
    if (::SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION) {
      ::SSL_SESSION_up_ref(session.get());
      sessions_->put(stream->session_key_, SessionPtr(session.get()));
    }
  }
  if (auto done = co_await stream->handshake(options.deadline); !done)
    co_return std::unexpected(std::move(done.error()));
  co_return stream;
}

}  // namespace propeller::net
