#include "app/cache_work.hpp"

namespace propeller::app {

using nlohmann::json;

async::awaitable<ServerEvent> CheckWork::step() {
  const auto progress = co_await store_.go_on(check_);
  json dropped = json::array();
  for (const auto& digest : progress.damaged_last) dropped.push_back(digest.to_string());
  co_return ServerEvent{.name = progress.is_done ? "done" : "progress",
                        .data = {{"blobs_total", progress.blobs_total},
                                 {"blobs", progress.blobs},
                                 {"bytes", progress.bytes},
                                 {"damaged", progress.damaged},
                                 {"dropped", std::move(dropped)}}};
}

async::awaitable<ServerEvent> SweepWork::step() {
  const auto progress = co_await store_.go_on(sweep_);
  if (!progress) co_return ServerEvent{.name = "error", .data = {{"error", progress.error().detail}}};
  co_return ServerEvent{.name = progress->is_done ? "done" : "progress",
                        .data = {{"evicted", progress->evicted},
                                 {"adopted", progress->adopted},
                                 {"removed", progress->removed},
                                 {"entries", progress->entries},
                                 {"unnamed", progress->unnamed},
                                 {"bytes", progress->bytes}}};
}

}  // namespace propeller::app
