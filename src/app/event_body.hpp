#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "http/body.hpp"

namespace propeller::app {

/// One server-sent event.
struct ServerEvent {
  std::string_view name;  ///< "progress", "done" or "error"; a constant
  nlohmann::json data;
};
/// "event: done\ndata: {…}\n\n"
[[nodiscard]] std::string to_text(const ServerEvent& event);

/// Something long that is done a step at a time, as far as somebody listens.
///
/// Threads: one core; a step may take its time elsewhere.
class StepwiseWork {
 public:
  StepwiseWork() = default;
  virtual ~StepwiseWork() = default;
  StepwiseWork(const StepwiseWork&) = delete;
  StepwiseWork& operator=(const StepwiseWork&) = delete;

  /// The next step's event. "done" and "error" are the last.
  virtual async::awaitable<ServerEvent> step() = 0;
};

/// Its events as the body of a response. A client that leaves ends the work: the next step is not asked for.
class EventBody final : public http::BodySource {
 public:
  /// `seat` is held while the body lives.
  EventBody(std::unique_ptr<StepwiseWork> work, std::shared_ptr<void> seat)
      : seat_(std::move(seat)), work_(std::move(work)) {}
  http::awaitable<Result<std::string_view>> read(std::size_t max) override;

 private:
  const std::shared_ptr<void> seat_;
  std::unique_ptr<StepwiseWork> work_;  ///< none: it is over
  std::string text_;
  std::size_t sent_ = 0;
};

}  // namespace propeller::app
