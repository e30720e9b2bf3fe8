#pragma once

#include <memory>
#include <string>

#include "net/openssl.hpp"
#include "net/stream.hpp"
#include "net/tls_identity.hpp"

namespace propeller::net {

/// TLS over any Stream, also over another TlsStream. OpenSSL reads from and writes to the Stream below directly:
/// no bytes are copied between the two, and bytes that were sniffed there and given back are read first.
///
/// Bound:    one record while it is under way; an idle connection holds no record buffers.
/// Errors:   of the stream below, and tls_failed; connection_reset when the peer ends the connection without TLS's
///           goodbye, because it may have been cut short.
/// Lifetime: made by ClientTls and ServerTls, which outlive the handshake.
/// Source:   RFC 8446, RFC 5246
class TlsStream final : public Stream {
 public:
  TlsStream(std::unique_ptr<Stream> below, SslPtr ssl);
  ~TlsStream() override;

  [[nodiscard]] async::awaitable<Result<void>> shutdown_write() override;
  void close() override;
  void reset() override;
  [[nodiscard]] const boost::asio::any_io_executor& executor() override { return below_->executor(); }
  void set_timeouts(Timeouts timeouts) override { below_->set_timeouts(timeouts); }
  void set_read_deadline(std::optional<std::chrono::steady_clock::time_point> deadline) override {
    below_->set_read_deadline(deadline);
  }

 private:
  friend class ClientTls;
  friend class ServerTls;

  Result<std::optional<std::size_t>> receive_now(std::span<char> room) override;
  Result<std::size_t> send_now(std::span<const std::string_view> parts) override;
  async::awaitable<Result<void>> wait_readable() override;
  async::awaitable<Result<void>> wait_writable() override;
  bool has_arrived() override;

  async::awaitable<Result<void>> handshake(std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] Error broken(int ssl_error);
  [[nodiscard]] std::unexpected<Error> broken_before() const;
  void end(void (Stream::*how)());
  void note_agreement();

  static int bio_write(BIO* bio, const char* bytes, int size);
  static int bio_read(BIO* bio, char* room, int size);
  static long bio_control(BIO* bio, int command, long number, void* pointer);
  static const BIO_METHOD* bio_method();

  std::unique_ptr<Stream> below_;
  SslPtr ssl_;
  std::optional<Error> below_error_;
  std::string name_;               ///< client: whom we want to speak to; server: the name when the client gives none
  std::string alpn_;               ///< server: what it offers, in the wire's form
  std::string session_key_;        ///< client: where its session is kept; empty: nowhere
  std::string certificate_error_;  ///< what is wrong with the peer's, found while it was verified
  bool is_at_end_ = false;         ///< the stream below has ended
  bool is_broken_ = false;         ///< after a fatal error nothing may be sent any more, no goodbye either
  bool is_starved_ = false;        ///< the last read found no whole record
  bool read_wants_room_ = false;   ///< reading goes on when something was written (key update)
  bool is_record_pending_ = false;
};

}  // namespace propeller::net
