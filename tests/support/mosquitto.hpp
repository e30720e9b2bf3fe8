#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "support/environment.hpp"
#include "support/subprocess.hpp"

namespace propeller::support {

struct MosquittoTls {
  std::filesystem::path ca;  ///< of clients' certificates
  std::filesystem::path certificate;
  std::filesystem::path key;
  bool is_client_certificate_required = false;
};

struct MosquittoOptions {
  std::string address = "127.0.0.1";              ///< listened on
  std::map<std::string, std::string> users = {};  ///< name and password; empty: everybody may
  std::string access_list = {};                   ///< acl_file; empty: everything is allowed
  std::optional<MosquittoTls> tls = {};           ///< adds tls_port() and, with websockets, wss_port()
  bool has_websockets = false;                    ///< adds websocket_port()
  std::uint32_t packet_size_max = 0;              ///< max_packet_size; 0: none
  std::uint32_t queued_max = 0;                   ///< max_queued_messages; 0: Mosquitto's default of 1000
  std::uint32_t inflight_max = 0;                 ///< max_inflight_messages; 0: Mosquitto's default of 20
  bool is_log_verbose = true;                     ///< a line per packet
  std::string extra = {};                         ///< further lines of mosquitto.conf
};

/// Debian's mosquitto on loopback ports of its own, in a directory of its own.
///
/// Order:    running and accepting when the constructor or start() returns.
/// Lifetime: ends with the object, and with the thread that started it.
class Mosquitto {
 public:
  explicit Mosquitto(MosquittoOptions options = {});

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::uint16_t tls_port() const { return tls_port_; }
  [[nodiscard]] std::uint16_t websocket_port() const { return websocket_port_; }
  [[nodiscard]] std::uint16_t wss_port() const { return wss_port_; }
  [[nodiscard]] std::string address() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

  void start();
  void stop();                                               ///< SIGTERM, and waits
  void kill();                                               ///< SIGKILL: as a crash
  void restart();                                            ///< on the same ports
  void set_users(std::map<std::string, std::string> users);  ///< takes effect at once (SIGHUP)
  [[nodiscard]] Subprocess& process() { return *process_; }
  [[nodiscard]] std::string log() const;  ///< since the last start

 private:
  void write_configuration();
  void write_users();

  MosquittoOptions options_;
  TempDir directory_;
  std::uint16_t port_ = 0, tls_port_ = 0, websocket_port_ = 0, wss_port_ = 0;
  std::unique_ptr<Subprocess> process_;
};

}  // namespace propeller::support
