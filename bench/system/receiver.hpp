#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

struct mosquitto;
struct mosquitto_message;

namespace propeller::bench {

enum class Delivery { broadcast, direct };

/// One measurement from the device's side.
struct Received {
  bool is_complete = false;
  double seconds = 0;               ///< from before the first request to the last chunk
  std::uint64_t payload_bytes = 0;  ///< as they were on the wire (encoded, for a broadcast)
};

/// A device that asks and counts: it looks at the head of a chunk only, since it shares the machine with what is
/// measured.
///
/// Threads: libmosquitto's one, besides the caller's.
class Receiver {
 public:
  /// `prefix`: of the channel's topics, with the trailing slash.
  Receiver(std::uint16_t port, std::string prefix);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /// Asks for all of these at once and waits until every chunk of every one is here.
  Received fetch(const std::vector<std::string>& names, Delivery delivery,
                 std::chrono::seconds limit = std::chrono::seconds(60));
  /// The same in two steps, for measurements that overlap.
  void ask(const std::string& name, Delivery delivery);
  [[nodiscard]] bool wait_chunks(const std::string& name, std::uint64_t count,
                                 std::chrono::seconds limit = std::chrono::seconds(60));
  [[nodiscard]] bool wait_complete(const std::string& name, std::chrono::seconds limit = std::chrono::seconds(120));
  [[nodiscard]] bool is_complete(const std::string& name);
  void forget_all();

  /// Keeps the bytes too: for runs that are checked and not timed.
  void keep_bytes(bool is_kept) { is_kept_ = is_kept; }
  [[nodiscard]] std::string bytes_of(const std::string& name);

 private:
  struct Image {
    std::uint64_t total = 0;
    std::uint64_t count = 0;
    std::vector<bool> has;
    std::vector<std::string> chunks;
    std::uint64_t acknowledged = 0;
  };
  static void on_message(mosquitto* client, void* object, const mosquitto_message* message);
  void take_chunk(std::string_view payload);
  void take_direct(std::string_view rest, std::string_view payload);
  void count(Image& image, std::uint64_t index, std::string_view payload);
  void finish_if_complete(Image& image);

  std::string prefix_, chunk_topic_;
  mosquitto* client_ = nullptr;
  bool is_kept_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_subscribed_ = false;
  std::map<std::string, Image, std::less<>> images_;
  std::map<std::string, std::string, std::less<>> names_of_devices_;  ///< direct: proplet id to app_name
  std::uint64_t payload_bytes_ = 0;
  std::size_t complete_ = 0;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace propeller::bench
