#include "support/mosquitto.hpp"

#include <signal.h>

#include <sstream>
#include <stdexcept>

namespace propeller::support {

Mosquitto::Mosquitto(MosquittoOptions options) : options_(std::move(options)) {
  // Between the choice of a port and its use somebody else may take it: then the next choice.
  for (int attempt = 1;; ++attempt) {
    port_ = free_port();
    if (options_.tls) tls_port_ = free_port();
    if (options_.has_websockets) websocket_port_ = free_port();
    if (options_.tls && options_.has_websockets) wss_port_ = free_port();
    write_configuration();
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      if (attempt == 5) throw;
    }
  }
}

void Mosquitto::write_users() {
  const auto path = directory_ / "passwords";
  write_file(path, "");
  for (const auto& [name, password] : options_.users)
    run_command({"mosquitto_passwd", "-b", path.string(), name, password});
}

void Mosquitto::write_configuration() {
  std::ostringstream out;
  out << "per_listener_settings false\nuser root\npersistence false\nset_tcp_nodelay true\n";
  out << "log_dest stderr\nlog_timestamp_format %H:%M:%S\nconnection_messages true\n";
  for (const char* type : {"error", "warning", "notice", "information"}) out << "log_type " << type << '\n';
  if (options_.is_log_verbose) out << "log_type debug\nlog_type subscribe\n";
  if (options_.users.empty()) {
    out << "allow_anonymous true\n";
  } else {
    write_users();
    out << "allow_anonymous false\npassword_file " << (directory_ / "passwords").string() << '\n';
  }
  if (!options_.access_list.empty()) {
    write_file(directory_ / "acl", options_.access_list);
    out << "acl_file " << (directory_ / "acl").string() << '\n';
  }
  if (options_.packet_size_max != 0) out << "max_packet_size " << options_.packet_size_max << '\n';
  if (options_.queued_max != 0) out << "max_queued_messages " << options_.queued_max << '\n';
  if (options_.inflight_max != 0) out << "max_inflight_messages " << options_.inflight_max << '\n';
  out << options_.extra << '\n';
  const auto add_tls = [&] {
    out << "cafile " << options_.tls->ca.string() << "\ncertfile " << options_.tls->certificate.string() << "\nkeyfile "
        << options_.tls->key.string() << '\n';
    if (options_.tls->is_client_certificate_required) out << "require_certificate true\n";
  };
  out << "listener " << port_ << ' ' << options_.address << "\n";
  if (tls_port_ != 0) {
    out << "listener " << tls_port_ << ' ' << options_.address << "\n";
    add_tls();
  }
  if (websocket_port_ != 0)
    out << "listener " << websocket_port_ << ' ' << options_.address << "\nprotocol websockets\n";
  if (wss_port_ != 0) {
    out << "listener " << wss_port_ << ' ' << options_.address << "\nprotocol websockets\n";
    add_tls();
  }
  write_file(directory_ / "mosquitto.conf", out.str());
}

void Mosquitto::start() {
  process_.reset();
  process_ = std::make_unique<Subprocess>(
      SubprocessOptions{.arguments = {"mosquitto", "-c", (directory_ / "mosquitto.conf").string()}});
  const auto is_open = [](std::uint16_t port) { return port == 0 || can_connect(port); };
  const bool is_up = wait_until([&] {
    if (!process_->is_running()) return true;
    return is_open(port_) && is_open(tls_port_) && is_open(websocket_port_) && is_open(wss_port_);
  });
  // Somebody else's server on our port looks open too: the process must be alive and past its start.
  if (!is_up || !process_->is_running() || !process_->wait_line(" running", kPatience))
    throw std::runtime_error("mosquitto does not start: " + process_->output());
}

void Mosquitto::stop() {
  // It forgets a signal that comes between its word that it runs and its loop.
  const bool is_ended = wait_until([this] {
    process_->signal(SIGTERM);
    return process_->wait_exit(milliseconds(1'000)).has_value();
  });
  if (!is_ended) throw std::runtime_error("mosquitto does not stop");
}

void Mosquitto::kill() {
  process_->signal(SIGKILL);
  if (!process_->wait_exit()) throw std::runtime_error("mosquitto does not die");
}

void Mosquitto::restart() {
  stop();
  start();
}

void Mosquitto::set_users(std::map<std::string, std::string> users) {
  options_.users = std::move(users);
  write_users();
  process_->signal(SIGHUP);
  if (!process_->wait_line("Reloading config", kPatience)) throw std::runtime_error("mosquitto does not reload");
}

std::string Mosquitto::log() const { return process_ ? process_->output() : std::string(); }

}  // namespace propeller::support
