#include "forward/chained_body.hpp"

namespace propeller::forward {

async::awaitable<Result<std::string_view>> ChainedBody::read(std::size_t max) {
  for (; at_ < links_.size(); ++at_) {
    auto piece = co_await links_[at_]->read(max);
    if (!piece || !piece->empty()) co_return piece;
  }
  co_return std::string_view();
}

std::optional<std::uint64_t> ChainedBody::length() const {
  std::uint64_t sum = 0;
  for (const auto& link : links_) {
    const auto length = link->length();
    if (!length) return std::nullopt;
    sum += *length;
  }
  return sum;
}

}  // namespace propeller::forward
