#include <gtest/gtest.h>

#include "net/client_hello.hpp"
#include "net/client_tls.hpp"
#include "net/proxy_protocol.hpp"

namespace propeller::net {
namespace {

using namespace std::string_literals;
using Hello = ClientHello::State;
using Proxy = ProxyHeader::State;

/// The first flight of OpenSSL.
std::string real_hello(const char* server_name, const std::vector<std::string>& alpn) {
  const SslContextPtr context(::SSL_CTX_new(::TLS_client_method()));
  const SslPtr ssl(::SSL_new(context.get()));
  BIO* const out = ::BIO_new(::BIO_s_mem());
  ::SSL_set_bio(ssl.get(), ::BIO_new(::BIO_s_mem()), out);
  if (server_name != nullptr) SSL_set_tlsext_host_name(ssl.get(), server_name);
  const auto wire = alpn_wire(alpn);
  if (!wire.empty())
    ::SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                          static_cast<unsigned>(wire.size()));
  ::SSL_connect(ssl.get());
  const char* text = nullptr;
  const auto size = ::BIO_get_mem_data(out, &text);
  return {text, static_cast<std::size_t>(size)};
}

/// The same message in records of `size` bytes.
std::string fragmented(const std::string& hello, std::size_t size) {
  std::string records;
  for (std::size_t at = 5; at < hello.size(); at += size) {
    const auto part = hello.substr(at, size);
    records += "\x16\x03\x01"s + static_cast<char>(part.size() >> 8) + static_cast<char>(part.size()) + part;
  }
  return records;
}

TEST(ClientHello, NamesTheServerAndTheProtocols) {
  const auto hello = parse_client_hello(real_hello("Registry.Example.ORG", {"h2", "http/1.1"}));
  EXPECT_EQ(hello.state, Hello::complete);
  EXPECT_EQ(hello.server_name, "registry.example.org");
  EXPECT_EQ(hello.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
}

TEST(ClientHello, MayHaveNeither) {
  const auto hello = parse_client_hello(real_hello(nullptr, {}));
  EXPECT_EQ(hello.state, Hello::complete);
  EXPECT_EQ(hello.server_name, "");
  EXPECT_TRUE(hello.alpn.empty());
}

TEST(ClientHello, EveryBeginningAsksForMore) {
  const auto bytes = real_hello("example.org", {"h2"});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(parse_client_hello(std::string_view(bytes).substr(0, size)).state, Hello::incomplete) << size;
  EXPECT_EQ(parse_client_hello(bytes + "more").state, Hello::complete);
}

// Clients split it to get through boxes that look only at the first record.
TEST(ClientHello, IsReadFromRecordsOfAnySize) {
  const auto bytes = real_hello("example.org", {"h2"});
  for (const std::size_t size : {1U, 3U, 50U, 200U}) {
    const auto hello = parse_client_hello(fragmented(bytes, size));
    EXPECT_EQ(hello.state, Hello::complete) << size;
    EXPECT_EQ(hello.server_name, "example.org");
  }
}

TEST(ClientHello, OtherProtocolsAreNotTaken) {
  auto broken = real_hello("example.org", {});
  broken[43] = '\xff';  // the session's length
  for (const auto& bytes : {"GET / HTTP/1.1\r\n"s, "SSH-2.0-x"s, "\x16\x02"s, "\x05\x01\x00"s,
                            "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"s, "\x16\x03\x01\x00\x00"s, broken})
    EXPECT_EQ(parse_client_hello(bytes).state, Hello::not_tls);
}

TEST(ClientHello, ANameThatIsNoHostIsLeftOut) {
  auto bytes = real_hello("example.org", {});
  bytes.replace(bytes.find("example.org"), 7, "exa\r\nle");
  EXPECT_EQ(parse_client_hello(bytes).state, Hello::complete);
  EXPECT_EQ(parse_client_hello(bytes).server_name, "");
}

TEST(ClientHello, NoMoreThanTheBoundIsWaitedFor) {
  auto endless = "\x16\x03\x01\x40\x00\x01\x00\x3f\xff"s;
  endless.resize(kClientHelloBytesMax, '\0');
  EXPECT_EQ(parse_client_hello(endless).state, Hello::not_tls);
}

TEST(ProxyProtocol, ReadsTheTextForm) {
  const auto header = parse_proxy_header("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /");
  ASSERT_EQ(header.state, Proxy::complete);
  EXPECT_EQ(header.size, 45u);
  EXPECT_EQ(header.endpoints->client.address().to_string(), "192.0.2.1");
  EXPECT_EQ(header.endpoints->client.port(), 56324);
  EXPECT_EQ(header.endpoints->server.address().to_string(), "198.51.100.7");
  EXPECT_EQ(header.endpoints->server.port(), 443);
  EXPECT_TRUE(parse_proxy_header("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n").endpoints);
  const auto unknown = parse_proxy_header("PROXY UNKNOWN ffff::1 whatever\r\n");
  EXPECT_EQ(unknown.state, Proxy::complete);
  EXPECT_FALSE(unknown.endpoints);
}

TEST(ProxyProtocol, ReadsTheBinaryFormAndSkipsWhatFollowsTheAddresses) {
  const auto signature = "\r\n\r\n\0\r\nQUIT\n"s;
  const auto v4 = parse_proxy_header(signature + "\x21\x11\x00\x0f"s +
                                     "\xc0\x00\x02\x01\x7f\x00\x00\x01\x04\x00\x01\xbb"s + "tlv"s + "rest");
  ASSERT_EQ(v4.state, Proxy::complete);
  EXPECT_EQ(v4.size, 31u);
  EXPECT_EQ(v4.endpoints->client.address().to_string(), "192.0.2.1");
  EXPECT_EQ(v4.endpoints->client.port(), 1024);
  EXPECT_EQ(v4.endpoints->server.port(), 443);
  const auto v6 = parse_proxy_header(signature + "\x21\x21\x00\x24"s + std::string(15, '\0') + "\x01"s +
                                     std::string(15, '\0') + "\x02\x00\x50\x00\x51"s);
  ASSERT_EQ(v6.state, Proxy::complete);
  EXPECT_EQ(v6.endpoints->client.address().to_string(), "::1");
  EXPECT_EQ(v6.endpoints->server.port(), 81);
  const auto local = parse_proxy_header(signature + "\x20\x00\x00\x00"s);
  EXPECT_EQ(local.state, Proxy::complete);
  EXPECT_FALSE(local.endpoints);
}

TEST(ProxyProtocol, EveryBeginningAsksForMore) {
  for (const auto& bytes : {"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"s,
                            "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\x7f\x00\x00\x01\x04\x00\x01\xbb"s}) {
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(parse_proxy_header(std::string_view(bytes).substr(0, size)).state, Proxy::incomplete) << size;
  }
}

TEST(ProxyProtocol, TellsBrokenFromAbsent) {
  const auto signature = "\r\n\r\n\0\r\nQUIT\n"s;
  for (const auto& bytes :
       {"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n"s, "PROXY TCP4 ::1 ::1 1 2\r\n"s,
        "PROXY UDP4 1.1.1.1 1.1.1.1 1 2\r\n"s, "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n"s,
        "PROXY TCP4 1.1.1.1 1.1.1.1 01 2\r\n"s, "PROXY TCP4 1.1.1.1 1.1.1.1 1 2 3\r\n"s,
        "PROXY TCP4  1.1.1.1 1.1.1.1 1 2\r\n"s, "PROXY " + std::string(200, 'x'), signature + "\x31\x11\x00\x0c"s,
        signature + "\x21\x11\x00\x02xx"s, signature + "\x21\x11\xff\xff"s})
    EXPECT_EQ(parse_proxy_header(bytes).state, Proxy::broken) << bytes;
  for (const auto& bytes : {"GET / HTTP/1.1\r\n"s, "POST "s, "\x16\x03\x01"s, "\r\nGET"s})
    EXPECT_EQ(parse_proxy_header(bytes).state, Proxy::absent) << bytes;
}

}  // namespace
}  // namespace propeller::net
