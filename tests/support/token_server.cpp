#include "support/token_server.hpp"

#include <netinet/in.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "support/base64.hpp"
#include "support/tls_files.hpp"

namespace propeller::support {
namespace {

template <auto Free>
struct Freer {
  void operator()(auto* pointer) const { Free(pointer); }
};
using File = std::unique_ptr<FILE, Freer<&std::fclose>>;
using Key = std::unique_ptr<EVP_PKEY, Freer<&EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<&X509_free>>;
using Digesting = std::unique_ptr<EVP_MD_CTX, Freer<&EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freer<&ECDSA_SIG_free>>;

std::string certificate_base64(const std::filesystem::path& path) {
  const File file(std::fopen(path.c_str(), "r"));
  const Certificate certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
  std::string der(static_cast<std::size_t>(i2d_X509(certificate.get(), nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(certificate.get(), &out);
  return encode_base64(der);
}

// JWS wants r and s side by side (RFC 7518 section 3.4), OpenSSL makes an ASN.1 sequence of them.
std::string side_by_side(const std::string& der) {
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  const Signature signature(d2i_ECDSA_SIG(nullptr, &in, static_cast<long>(der.size())));
  std::string both(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(both.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + 32, 32);
  return both;
}

std::string sign(const std::filesystem::path& key_path, std::string_view text, bool is_ecdsa) {
  const File file(std::fopen(key_path.c_str(), "r"));
  const Key key(PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr));
  const Digesting context(EVP_MD_CTX_new());
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, data, text.size()) != 1)
    throw std::runtime_error("cannot sign");
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data, text.size()) != 1)
    throw std::runtime_error("cannot sign");
  signature.resize(size);
  return is_ecdsa ? side_by_side(signature) : signature;
}

std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string query_value(std::string_view target, std::string_view name) {
  std::istringstream query{std::string(target.substr(std::min(target.size(), target.find('?') + 1)))};
  for (std::string pair; std::getline(query, pair, '&');)
    if (pair.starts_with(std::string(name) + "="))
      return percent_decoded(std::string_view(pair).substr(name.size() + 1));
  return {};
}

std::string http(std::string_view status, const std::string& body) {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace

TokenServer::TokenServer(TokenServerOptions options) : options_(std::move(options)) {
  make_self_signed(certificate(), directory_ / "token.key", options_.algorithm == "RS256" ? "RSA" : "EC");
  if (options_.tls != nullptr) {
    tls_ = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (SSL_CTX_use_certificate_chain_file(tls_.get(), options_.tls->server_certificate().c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_.get(), options_.tls->server_key().c_str(), SSL_FILETYPE_PEM) != 1)
      throw std::runtime_error("token server cannot use its certificate");
  }
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("token server cannot listen");
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { run(); });
}

TokenServer::~TokenServer() {
  is_stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);  // wakes accept()
  thread_.join();
  ::close(listener_);
}

void TokenServer::run() {
  while (!is_stopping_) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    // A client that sends nothing must not hold up the others for longer than this.
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    FakeConnection connection(socket, tls_.get());
    if (const auto request = connection.read_request()) connection.write(answer(*request));
  }
}

std::string TokenServer::answer(const SeenRequest& request) {
  std::string user;
  const std::string& target = request.target;
  if (request.method != "GET" || !target.starts_with("/token")) return http("404 Not Found", "{}");
  const std::string authorization = request.field("authorization");
  if (authorization.starts_with("Basic ")) {
    const std::string pair = decode_base64(std::string_view(authorization).substr(6)).value_or("");
    const auto colon = std::min(pair.size(), pair.find(':'));
    const auto known = options_.users.find(pair.substr(0, colon));
    if (known != options_.users.end() && colon < pair.size() && known->second == pair.substr(colon + 1))
      user = known->first;
  }
  if (!options_.users.empty() && user.empty()) {
    ++refused_;
    return http("401 Unauthorized", R"({"details":"incorrect username or password"})");
  }
  ++issued_;
  const std::string token = make_token(user, query_value(target, "scope"));
  return http("200 OK", nlohmann::json{{"token", token}, {"expires_in", options_.lifetime.count()}}.dump());
}

std::string TokenServer::make_token(const std::string& subject, const std::string& scope) const {
  nlohmann::json access = nlohmann::json::array();
  // "repository:<name>:<actions>"; the name may hold colons no more than the actions do.
  const auto first = scope.find(':'), last = scope.rfind(':');
  if (first != std::string::npos && last > first) {
    nlohmann::json actions = nlohmann::json::array();
    std::istringstream list(scope.substr(last + 1));
    for (std::string action; std::getline(list, action, ',');) actions.push_back(action);
    access.push_back(
        {{"type", scope.substr(0, first)}, {"name", scope.substr(first + 1, last - first - 1)}, {"actions", actions}});
  }
  const auto now = std::time(nullptr);
  const nlohmann::json header{
      {"typ", "JWT"}, {"alg", options_.algorithm}, {"x5c", {certificate_base64(certificate())}}};
  const nlohmann::json claims{{"iss", kIssuer},
                              {"sub", subject},
                              {"aud", kService},
                              {"exp", now + options_.lifetime.count()},
                              {"nbf", now - 10},
                              {"iat", now - 10},
                              {"jti", std::to_string(issued_)},
                              {"access", access}};
  const std::string body = encode_base64_url(header.dump()) + "." + encode_base64_url(claims.dump());
  return body + "." + encode_base64_url(sign(directory_ / "token.key", body, options_.algorithm != "RS256"));
}

}  // namespace propeller::support
