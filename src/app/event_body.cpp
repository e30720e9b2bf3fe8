#include "app/event_body.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace propeller::app {

std::string to_text(const ServerEvent& event) {
  return fmt::format("event: {}\ndata: {}\n\n", event.name,
                     event.data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

http::awaitable<Result<std::string_view>> EventBody::read(std::size_t max) {
  if (sent_ == text_.size() && work_) {
    const auto event = co_await work_->step();
    if (event.name != "progress") work_.reset();
    text_ = to_text(event);
    sent_ = 0;
  }
  const auto piece = std::string_view(text_).substr(sent_, max);
  sent_ += piece.size();
  co_return piece;
}

}  // namespace propeller::app
