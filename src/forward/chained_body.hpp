#pragma once

#include <memory>
#include <vector>

#include "http/body.hpp"

namespace propeller::forward {

/// Bodies one after the other, as one.
///
/// Errors: of whichever is being read.
class ChainedBody final : public http::BodySource {
 public:
  using Links = std::vector<std::unique_ptr<http::BodySource>>;

  explicit ChainedBody(Links links) : links_(std::move(links)) {}

  async::awaitable<Result<std::string_view>> read(std::size_t max) override;
  /// Of all together, when each of them knows its own.
  [[nodiscard]] std::optional<std::uint64_t> length() const override;

 private:
  Links links_;
  std::size_t at_ = 0;
};

}  // namespace propeller::forward
