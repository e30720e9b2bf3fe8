#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <thread>

namespace propeller::mqtt {

/// Says to every client what a real broker says only when it has to be made to.
class ScriptedBroker {
 public:
  struct Script {
    std::string connack;            ///< whole packet
    std::string suback = {};        ///< behind the packet id: properties (MQTT 5) and codes
    std::string after_suback = {};  ///< whole packets
  };

  explicit ScriptedBroker(Script script)
      : script_(std::move(script)), thread_([this](const std::stop_token& stop) { serve(stop); }) {}
  ~ScriptedBroker() {
    thread_.request_stop();
    boost::system::error_code ignored;
    tcp::socket waker(context_);
    waker.connect(acceptor_.local_endpoint(), ignored);
  }
  ScriptedBroker(const ScriptedBroker&) = delete;
  ScriptedBroker& operator=(const ScriptedBroker&) = delete;

  std::string address() const { return "tcp://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

 private:
  using tcp = boost::asio::ip::tcp;

  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      tcp::socket socket = acceptor_.accept();
      while (answer(socket)) {
      }
    }
  }
  bool answer(tcp::socket& socket) {
    const auto packet = read_packet(socket);
    if (!packet) return false;
    switch (static_cast<unsigned char>((*packet)[0]) >> 4) {
      case 1: return write(socket, script_.connack);
      case 8: {
        std::string body = packet->substr(1, 2) + script_.suback;
        return write(socket, std::string("\x90") + static_cast<char>(body.size()) + body + script_.after_suback);
      }
      default: return true;
    }
  }
  /// Type byte and body, without the length.
  static std::optional<std::string> read_packet(tcp::socket& socket) {
    boost::system::error_code error;
    const auto take = [&] {
      unsigned char byte = 0;
      boost::asio::read(socket, boost::asio::buffer(&byte, 1), error);
      return byte;
    };
    std::string packet(1, static_cast<char>(take()));
    std::size_t length = 0;
    for (int shift = 0; !error; shift += 7) {
      const auto byte = take();
      length |= static_cast<std::size_t>(byte & 127) << shift;
      if (byte < 128) break;
    }
    packet.resize(1 + length);
    if (!error) boost::asio::read(socket, boost::asio::buffer(packet.data() + 1, length), error);
    return error ? std::nullopt : std::optional(packet);
  }
  static bool write(tcp::socket& socket, const std::string& packet) {
    boost::system::error_code error;
    boost::asio::write(socket, boost::asio::buffer(packet), error);
    return !error;
  }

  boost::asio::io_context context_;
  tcp::acceptor acceptor_{context_, {boost::asio::ip::address_v4::loopback(), 0}};
  const Script script_;
  std::jthread thread_;
};

}  // namespace propeller::mqtt
