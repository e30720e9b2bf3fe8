#include "net/tls_stream.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>

#include "base/assert.hpp"

namespace propeller::net {

namespace {

using async::awaitable;

// A record's plain text at most (RFC 8446 5.1): small parts are gathered up to it, so that a head and the beginning
// of its body travel in one record.
constexpr std::size_t kRecordBytes = 16 * 1024;

/// The peer says that it does not want our certificate.
bool is_certificate_alert(int reason) {
  switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: return true;
    default: return false;
  }
}

/// As many of `parts` as fit into one record, together; a large first part is not copied.
std::string_view gather(std::span<const std::string_view> parts, std::span<char> scratch) {
  while (!parts.empty() && parts.front().empty()) parts = parts.subspan(1);
  if (parts.empty()) return {};
  if (parts.size() == 1 || parts.front().size() >= scratch.size()) return parts.front().substr(0, scratch.size());
  std::size_t size = 0;
  for (const auto part : parts) {
    size += part.copy(scratch.data() + size, scratch.size() - size);
    if (size == scratch.size()) break;
  }
  return {scratch.data(), size};
}

/// Position in a list of parts.
struct Cursor {
  std::span<const std::string_view> parts;
  std::array<std::string_view, 16> rest = {};
  std::size_t used = 0;

  void skip(std::size_t count) {
    while (!parts.empty() && count >= parts.front().size()) {
      count -= parts.front().size();
      parts = parts.subspan(1);
    }
    if (count == 0) return;
    used = std::min(parts.size(), rest.size());
    std::ranges::copy(parts.first(used), rest.begin());
    rest.front().remove_prefix(count);
    parts = std::span(rest).first(used);
  }
};

}  // namespace

TlsStream::TlsStream(std::unique_ptr<Stream> below, SslPtr ssl)
    : Stream(below->info(), below->origin()), below_(std::move(below)), ssl_(std::move(ssl)) {
  BIO* const bio = ::BIO_new(bio_method());
  ASSERT(bio != nullptr);
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
}

TlsStream::~TlsStream() {
  // Or OpenSSL takes the session for one of a broken connection, and it is never resumed.
  ::SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

const BIO_METHOD* TlsStream::bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* const made = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    ASSERT(made != nullptr);
    ::BIO_meth_set_write(made, bio_write);
    ::BIO_meth_set_read(made, bio_read);
    ::BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

int TlsStream::bio_write(BIO* bio, const char* bytes, int size) {
  auto& self = *static_cast<TlsStream*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::array parts{std::string_view(bytes, static_cast<std::size_t>(size))};
  const auto sent = self.below_->try_write(parts);
  if (sent && *sent > 0) return static_cast<int>(*sent);
  if (sent) {
    BIO_set_retry_write(bio);
  } else {
    self.below_error_ = sent.error();
  }
  return -1;
}

int TlsStream::bio_read(BIO* bio, char* room, int size) {
  auto& self = *static_cast<TlsStream*>(::BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto got = self.below_->try_read({room, static_cast<std::size_t>(size)});
  if (got && *got) {
    self.is_at_end_ = **got == 0;
    return static_cast<int>(**got);
  }
  if (got) {
    BIO_set_retry_read(bio);
  } else {
    self.below_error_ = got.error();
  }
  return -1;
}

long TlsStream::bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  return command == BIO_CTRL_EOF ? static_cast<TlsStream*>(::BIO_get_data(bio))->is_at_end_ : 0;
}

Error TlsStream::broken(int ssl_error) {
  is_broken_ = true;
  if (below_error_) return *below_error_;
  const auto code = ::ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  if (!certificate_error_.empty()) {
    ::ERR_clear_error();
    return {Code::tls_certificate, origin(), certificate_error_};
  }
  if (is_at_end_ && (ssl_error == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
    ::ERR_clear_error();
    return {Code::connection_reset, origin(), "the connection ended without TLS's goodbye"};
  }
  const auto text = openssl_reason();
  if (is_certificate_alert(reason))
    return {Code::tls_certificate, origin(), "the peer refuses our certificate: " + text};
  return {Code::tls_failed, origin(), "TLS: " + text};
}

std::unexpected<Error> TlsStream::broken_before() const {
  if (below_error_) return std::unexpected(*below_error_);
  return fail(Code::tls_failed, origin(), "the TLS connection is broken");
}

awaitable<Result<void>> TlsStream::handshake(std::chrono::steady_clock::time_point deadline) {
  below_->set_read_deadline(deadline);
  for (;;) {
    forget_openssl_errors();
    const int done = ::SSL_do_handshake(ssl_.get());
    if (done == 1) break;
    const int error = ::SSL_get_error(ssl_.get(), done);
    Result<void> ready;
    if (error == SSL_ERROR_WANT_READ) {
      ready = co_await below_->wait_input();
    } else if (error == SSL_ERROR_WANT_WRITE) {
      ready = co_await below_->wait_output();
    } else {
      ready = std::unexpected(broken(error));
    }
    if (!ready) {
      is_broken_ = true;
      co_return ready;
    }
  }
  below_->set_read_deadline(std::nullopt);
  note_agreement();
  co_return Result<void>{};
}

void TlsStream::note_agreement() {
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  ::SSL_get0_alpn_selected(ssl_.get(), &alpn, &alpn_size);
  const char* const server_name = ::SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  const bool is_verified = ::SSL_is_server(ssl_.get()) == 0 && ::SSL_get_verify_mode(ssl_.get()) != SSL_VERIFY_NONE;
  info_.tls = std::make_shared<TlsInfo>(TlsInfo{.version = ::SSL_get_version(ssl_.get()),
                                                .cipher = ::SSL_get_cipher_name(ssl_.get()),
                                                .alpn = {reinterpret_cast<const char*>(alpn), alpn_size},
                                                .server_name = server_name == nullptr ? "" : server_name,
                                                .verified_name = is_verified ? name_ : "",
                                                .is_resumed = ::SSL_session_reused(ssl_.get()) == 1});
}

Result<std::optional<std::size_t>> TlsStream::receive_now(std::span<char> room) {
  if (is_broken_) return broken_before();
  forget_openssl_errors();
  std::size_t count = 0;
  if (const int done = ::SSL_read_ex(ssl_.get(), room.data(), room.size(), &count); done != 1) {
    switch (const int error = ::SSL_get_error(ssl_.get(), done)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        is_starved_ = true;
        read_wants_room_ = error == SSL_ERROR_WANT_WRITE;
        return std::nullopt;
      case SSL_ERROR_ZERO_RETURN: return 0;
      default: return std::unexpected(broken(error));
    }
  }
  is_starved_ = false;
  // Further records that are here already: in OpenSSL's buffer or, behind a full one of a server's, most likely in the
  // kernel's. A client may have ended its direction without a goodbye, after which OpenSSL would not send the answer.
  const bool may_be_many = ::SSL_is_server(ssl_.get()) == 0;
  std::size_t last = count;
  while (count < room.size() && ((may_be_many && last == kRecordBytes) || ::SSL_has_pending(ssl_.get()) == 1)) {
    if (const int done = ::SSL_read_ex(ssl_.get(), room.data() + count, room.size() - count, &last); done != 1) {
      // What comes after these bytes is told by the next call.
      const int error = ::SSL_get_error(ssl_.get(), done);
      if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL) below_error_ = broken(error);
      break;
    }
    count += last;
  }
  return count;
}

Result<std::size_t> TlsStream::send_now(std::span<const std::string_view> parts) {
  if (is_broken_) return broken_before();
  thread_local std::array<char, kRecordBytes> scratch;
  std::size_t total = 0;
  Cursor cursor{.parts = parts};
  for (;;) {
    const auto record = gather(cursor.parts, scratch);
    if (record.empty()) return total;
    forget_openssl_errors();
    std::size_t count = 0;
    if (const int done = ::SSL_write_ex(ssl_.get(), record.data(), record.size(), &count); done != 1) {
      const int error = ::SSL_get_error(ssl_.get(), done);
      if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) return std::unexpected(broken(error));
      // The record is enciphered and has to be finished first; gathering gives the same bytes again.
      is_record_pending_ = true;
      return total;
    }
    is_record_pending_ = false;
    total += count;
    cursor.skip(count);
  }
}

awaitable<Result<void>> TlsStream::wait_readable() {
  if (is_broken_) return no_wait();
  // Without a read that found nothing, a whole record may lie in OpenSSL's buffer, and no more come.
  if (!std::exchange(is_starved_, false) && ::SSL_has_pending(ssl_.get()) == 1) return no_wait();
  if (std::exchange(read_wants_room_, false)) return below_->wait_output();
  return below_->wait_input();
}

awaitable<Result<void>> TlsStream::wait_writable() { return below_->wait_output(); }

bool TlsStream::has_arrived() {
  if (is_broken_) return true;
  if (::SSL_has_pending(ssl_.get()) == 0 && !below_->has_input()) return false;
  // What came may be a session ticket only.
  forget_openssl_errors();
  char first = 0;
  std::size_t count = 0;
  const int done = ::SSL_peek_ex(ssl_.get(), &first, 1, &count);
  if (done == 1) return true;
  const int error = ::SSL_get_error(ssl_.get(), done);
  is_starved_ = error == SSL_ERROR_WANT_READ;
  return !is_starved_;
}

awaitable<Result<void>> TlsStream::shutdown_write() {
  while (!is_broken_ && (::SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0) {
    forget_openssl_errors();
    const int done = ::SSL_shutdown(ssl_.get());
    if (done >= 0) break;
    const int error = ::SSL_get_error(ssl_.get(), done);
    if (error != SSL_ERROR_WANT_WRITE) co_return std::unexpected(broken(error));
    if (auto ready = co_await below_->wait_output(); !ready) co_return ready;
  }
  co_return co_await below_->shutdown_write();
}

void TlsStream::end(void (Stream::*how)()) {
  is_broken_ = true;
  below_error_ = Error{Code::cancelled, Origin::internal, "the connection was closed here"};
  ((*below_).*how)();
}

void TlsStream::close() {
  if (!is_broken_ && !is_record_pending_ && ::SSL_is_init_finished(ssl_.get()) == 1) {
    forget_openssl_errors();
    static_cast<void>(::SSL_shutdown(ssl_.get()));
  }
  end(&Stream::close);
}

void TlsStream::reset() { end(&Stream::reset); }

}  // namespace propeller::net
