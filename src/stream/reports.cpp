// Dispatcher, fourth part: what devices are told (status messages) and what the operator reads (log lines).
#include <fmt/format.h>

#include <algorithm>

#include "base/units.hpp"
#include "observe/log.hpp"
#include "stream/dispatcher.hpp"

namespace propeller::stream {

namespace {
constexpr std::size_t kEmbeddedStatusBytes = 1023;  // a larger message wedges such a device
}

void Dispatcher::refuse(std::size_t channel, const std::string& app_name, const std::string& proplet_id,
                        const Error& why) {
  const auto code = base::to_string(base::wire_code(why));
  probe_.requests_refused.add();
  probe_.failed(code).add();
  observe::log_warn("request refused", {observe::kv("channel", options_.channels[channel].id),
                                        observe::kv("app_name", app_name.substr(0, 200)), observe::kv("code", code),
                                        observe::kv("reason", why.detail)});
  publish_status(channel, {.app_name = app_name,
                           .transfer = {},
                           .proplet_id = proplet_id,
                           .state = mqtt::State::failed,
                           .code = std::string(code),
                           .message = why.detail});
}

void Dispatcher::report(Transfer& transfer, mqtt::State state, const Error* why) {
  mqtt::Status status{
      .app_name = transfer.app_name, .transfer = transfer.id, .proplet_id = transfer.proplet_id, .state = state};
  if (transfer.image.size > 0) {
    status.digest = transfer.image.digest;
    status.source = transfer.image.source;
    status.size = transfer.image.size;
  }
  if (transfer.total_chunks > 0) {
    status.total_chunks = transfer.total_chunks;
    status.sent = std::min(transfer.chunks_delivered, transfer.total_chunks);
  }
  transfer.reported = now();
  if (why) {
    status.code = base::to_string(base::wire_code(*why));
    status.message = why->detail;
  }
  publish_status(transfer.channel, std::move(status));
}

void Dispatcher::publish_status(std::size_t channel, mqtt::Status status) {
  const auto& topic = topics_[channel].status;
  const auto bytes_max = is_embedded(channel) ? kEmbeddedStatusBytes : packet_bytes_max(topic.size());
  auto payload = mqtt::encode_status(status);
  if (payload.size() > bytes_max) {
    status.message.clear();
    payload = mqtt::encode_status(status);
  }
  if (payload.size() > bytes_max) return;
  (void)publisher_.queue_control({.topic = topic, .payload = std::move(payload), .qos = 1});
}

void Dispatcher::report_progress() {
  std::size_t told = 0;
  for (auto& each : transfers_) {
    if (now() - each.reported < kProgressInterval || each.stage == Stage::paused) continue;
    if (each.stage == Stage::sending) {
      report_sending(each);
    } else if (told++ < kSendingMax) {
      const bool is_fetching = each.stage == Stage::fetching;
      observe::log_info("progress", {observe::kv("transfer", each.id),
                                     observe::kv("state", is_fetching ? "fetching" : "waiting for its turn")});
      report(each, is_fetching ? mqtt::State::fetching : mqtt::State::accepted);
    }
  }
}

void Dispatcher::report_sending(Transfer& transfer) {
  const auto seconds = std::chrono::duration<double>(now() - transfer.began).count();
  observe::log_info("progress",
                    {observe::kv("transfer", transfer.id), observe::kv("sent_chunks", transfer.chunks_delivered),
                     observe::kv("total_chunks", transfer.total_chunks),
                     observe::kv("rate", base::format_bytes(static_cast<std::uint64_t>(
                                             static_cast<double>(transfer.bytes_delivered) / std::max(seconds, 1e-3))) +
                                             "/s")});
  report(transfer, mqtt::State::sending);
}

void Dispatcher::log_summary(const Transfer& transfer) const {
  const auto seconds = std::chrono::duration<double>(now() - transfer.asked).count();
  observe::log_info(
      "done",
      {observe::kv("transfer", transfer.id), observe::kv("app_name", transfer.app_name),
       observe::kv("digest", transfer.image.digest.short_hex()), observe::kv("bytes", transfer.image.size),
       observe::kv("seconds", fmt::format("{:.3f}", seconds)),
       observe::kv("rate", base::format_bytes(static_cast<std::uint64_t>(static_cast<double>(transfer.bytes_delivered) /
                                                                         std::max(seconds, 1e-3))) +
                               "/s"),
       observe::kv("chunks_sent", transfer.chunks_delivered), observe::kv("chunks_resent", transfer.chunks_resent),
       observe::kv("retries", transfer.refetches + channel_.retries(transfer.lane)),
       observe::kv("requests", transfer.requests)});
}

}  // namespace propeller::stream
