#include "http/http2_connection.hpp"

#include <array>
#include <utility>
#include <vector>

#include "base/assert.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kReadBytes = 32 * 1024;
constexpr std::size_t kWriteBatchBytes = 64 * 1024;
constexpr std::chrono::hours kForever{24};  ///< the streams have their own time-outs, and watch() the connection's

std::string_view as_text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

/// What nghttp2 calls; every function gets the connection as `user`.
struct Http2Connection::Callbacks {
  static Http2Connection& self(void* user) { return *static_cast<Http2Connection*>(user); }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& connection = self(user);
    const std::int32_t id = frame->hd.stream_id;
    if (const auto known = connection.find(id)) {
      known->block().clear();
      connection.block_id_ = id;
      return 0;
    }
    auto stream = connection.is_winding_down_ ? nullptr : connection.opened(id);
    if (stream == nullptr) {
      // Its fields are still read, for the compression's sake, and kept nowhere.
      nghttp2_submit_rst_stream(connection.session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
      return 0;
    }
    connection.streams_.emplace(id, std::move(stream));
    connection.block_id_ = id;
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    auto& connection = self(user);
    const auto stream = connection.find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->block().add(as_text(name, name_size), as_text(value, value_size), connection.options_.parse);
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    auto& connection = self(user);
    const auto type = frame->hd.type;
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool is_empty_data = type == NGHTTP2_DATA && frame->hd.length == 0 && !is_end;
    const bool is_control = type == NGHTTP2_PING || type == NGHTTP2_SETTINGS || type == NGHTTP2_PRIORITY ||
                            type == NGHTTP2_RST_STREAM || is_empty_data;
    if (is_control && !connection.count_control_frame()) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (type == NGHTTP2_GOAWAY) connection.is_winding_down_ = true;
    if (type == NGHTTP2_HEADERS) connection.block_id_ = 0;
    const auto stream = connection.find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    if ((type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) && is_end) stream->input_ended();
    if (type == NGHTTP2_HEADERS) {
      stream->block().end();
      stream->block_complete();
    }
    return 0;
  }

  /// Of a block with an error nothing more is told; its stream is reset.
  static int frame_refused(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    self(user).block_id_ = 0;
    return 0;
  }

  static int data_received(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                           void* user) {
    auto& connection = self(user);
    if (const auto stream = connection.find(id)) {
      stream->received(as_text(data, size));
    } else {
      connection.consumed(id, size);
    }
    return 0;
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!is_end || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)) return 0;
    if (const auto stream = self(user).find(frame->hd.stream_id)) stream->sent_last();
    return 0;
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    auto& connection = self(user);
    const auto stream = connection.find(id);
    if (stream == nullptr) return 0;
    connection.streams_.erase(id);
    connection.forget_block(id);
    connection.last_active_ = Clock::now();
    stream->closed(code);
    connection.stream_closed(*stream);
    if (connection.is_winding_down_) connection.wake_writer();
    return 0;
  }

  static ssize_t produce(nghttp2_session*, std::int32_t id, std::uint8_t* room, std::size_t size, std::uint32_t* flags,
                         nghttp2_data_source*, void* user) {
    const auto stream = self(user).find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return stream->produce(room, size, *flags);
  }
};

Http2Connection::Http2Connection(net::Stream& stream, Role role, const Http2Options& options)
    : stream_(stream), options_(options), role_(role), writable_(stream.executor()), written_(stream.executor()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, Callbacks::begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::frame_received);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::frame_refused);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::data_received);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, Callbacks::frame_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::stream_closed);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_settings(option, 32);
  nghttp2_option_set_no_closed_streams(option, 1);
  const int made = role == Role::server ? nghttp2_session_server_new2(&session_, callbacks, this, option)
                                        : nghttp2_session_client_new2(&session_, callbacks, this, option);
  ASSERT(made == 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  submit_settings();
}

Http2Connection::~Http2Connection() {
  is_over_ = true;  // for the streams that end with it
  nghttp2_session_del(session_);
}

void Http2Connection::submit_settings() {
  const std::array<nghttp2_settings_entry, 4> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, role_ == Role::server ? options_.limits.streams_max : 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.limits.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(options_.parse.head_bytes_max)},
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
  }};
  ASSERT(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(options_.limits.connection_window_bytes));
}

std::shared_ptr<Http2Stream> Http2Connection::find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second;
}

nghttp2_data_provider Http2Connection::data_provider() { return {.source = {}, .read_callback = Callbacks::produce}; }

bool Http2Connection::count_control_frame() {
  const auto now = Clock::now();
  if (now - control_window_begin_ > kControlWindow) {
    control_window_begin_ = now;
    control_frames_ = 0;
  }
  if (++control_frames_ <= options_.limits.control_frames_max) return true;
  nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
  return false;
}

void Http2Connection::consumed(std::int32_t id, std::size_t bytes) {
  if (is_over_ || bytes == 0) return;
  nghttp2_session_consume(session_, id, bytes);
  wake_writer();
}

void Http2Connection::resume(std::int32_t id) {
  if (is_over_) return;
  nghttp2_session_resume_data(session_, id);
  wake_writer();
}

void Http2Connection::reset_stream(std::int32_t id, std::uint32_t code) {
  if (is_over_) return;
  // Of what still comes for it nghttp2 tells nothing more.
  forget_block(id);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
  wake_writer();
}

bool Http2Connection::submit_trailers(std::int32_t id, FieldView trailers) {
  Http2Fields fields;
  fields.add_trailers(trailers);
  const auto entries = fields.entries();
  return !entries.empty() && nghttp2_submit_trailer(session_, id, entries.data(), entries.size()) == 0;
}

void Http2Connection::wind_down() {
  if (is_over_ || std::exchange(is_winding_down_, true)) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  wake_writer();
}

void Http2Connection::close_streams(std::uint32_t code) {
  is_over_ = is_winding_down_ = true;
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, stream] : streams) {
    stream->closed(code);
    stream_closed(*stream);
  }
  wake_writer();
}

awaitable<void> Http2Connection::run(async::TaskGroup& tasks) {
  stream_.set_timeouts({.read = kForever, .write = options_.write_timeout});
  tasks.spawn(write_all());
  tasks.spawn(watch());
  co_await read_all();
}

awaitable<void> Http2Connection::read_all() {
  /// However it ends, nobody waits for a stream any more.
  struct Close {
    Http2Connection& connection;
    ~Close() { connection.close_streams(NGHTTP2_CANCEL); }
  };
  const Close close{*this};
  const auto room = std::make_unique_for_overwrite<char[]>(kReadBytes);
  while (!is_over_) {
    const auto got = co_await stream_.read_some({room.get(), kReadBytes});
    if (!got || *got == 0) break;
    const auto used = nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(room.get()), *got);
    wake_writer();
    if (used < 0) break;
    bound_block();
  }
  // The last frames go out, as the GOAWAY that says why.
  is_reading_over_ = true;
  wake_writer();
  while (!is_writing_over_) (void)co_await written_.wait(kForever);
}

/// As a head of HTTP/1 has to: nobody would ask its stream for anything until it is whole.
void Http2Connection::bound_block() {
  if (block_id_ == bounded_id_) return;
  bounded_id_ = block_id_;
  stream_.set_read_deadline(block_id_ != 0 ? std::optional(Clock::now() + options_.head_timeout) : std::nullopt);
}

void Http2Connection::forget_block(std::int32_t id) {
  if (block_id_ == id) block_id_ = 0;
}

/// The only one that writes.
awaitable<void> Http2Connection::write_all() {
  std::string batch;
  while (!is_over_) {
    batch.clear();
    while (batch.size() < kWriteBatchBytes) {
      const std::uint8_t* bytes = nullptr;
      const auto size = nghttp2_session_mem_send(session_, &bytes);
      if (size <= 0) break;
      batch.append(as_text(bytes, static_cast<std::size_t>(size)));
    }
    if (batch.empty()) {
      const bool is_done = is_winding_down_ && streams_.empty();
      if (is_done || is_reading_over_ || nghttp2_session_want_read(session_) == 0) break;
      batch = std::string();
      (void)co_await writable_.wait(kForever);
      continue;
    }
    if (auto sent = co_await stream_.write(batch); !sent) break;
  }
  // Whoever reads finds out.
  (void)co_await stream_.shutdown_write();
  stream_.close();
  is_writing_over_ = true;
  written_.notify();
}

/// Ends a connection on which nothing has been asked for long.
awaitable<void> Http2Connection::watch() {
  while (!is_over_) {
    co_await async::sleep_for(options_.idle_timeout / 4);
    if (streams_.empty() && Clock::now() - last_active_ >= options_.idle_timeout) wind_down();
  }
}

}  // namespace propeller::http
