#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include "async/core.hpp"
#include "config/settings.hpp"
#include "registry/client.hpp"
#include "registry/reference.hpp"
#include "support/environment.hpp"
#include "support/fake_registry.hpp"

namespace propeller::registry {

inline const std::string kSmallModule = std::string("\0asm\1\0\0\0", 8) + std::string(592, 'm');

/// Bytes that do not repeat within a buffer's size, so that a piece in the wrong place is noticed.
inline std::string large_module(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 1;
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  return bytes;
}

/// Runs the loop until `task` has ended; fails the test when it does not.
template <class T>
T run(async::asio::io_context& context, async::awaitable<T> task) {
  std::optional<T> result;
  std::exception_ptr thrown;
  async::asio::co_spawn(context, std::move(task), [&](std::exception_ptr error, T value) {
    thrown = error;
    result.emplace(std::move(value));
  });
  context.restart();
  const auto deadline = std::chrono::steady_clock::now() + support::kPatience;
  while (!result && std::chrono::steady_clock::now() < deadline) context.run_one_for(std::chrono::seconds(1));
  if (thrown) std::rethrow_exception(thrown);
  if (!result) throw std::runtime_error("the coroutine did not end in time");
  return std::move(*result);
}

/// The image's first candidate, whole.
inline async::awaitable<Result<std::string>> fetch_blob(Client& client, Reference reference, Digest digest,
                                                        std::uint64_t size, std::size_t piece = 512 * 1024) {
  auto blob = co_await client.open_blob(reference, digest, size);
  if (!blob) co_return std::unexpected(blob.error());
  std::string whole;
  for (;;) {
    const auto bytes = co_await (*blob)->read(piece);
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return whole;
    whole.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
}

inline async::awaitable<Result<std::string>> fetch_image(Client& client, Reference reference) {
  auto image = co_await client.resolve(reference);
  if (!image) co_return std::unexpected(image.error());
  const Layer layer = image->candidates.front();
  co_return co_await fetch_blob(client, reference, layer.digest, layer.size);
}

/// A client whose configured registry is a fake one, with time-outs short enough for tests.
struct Site {
  explicit Site(support::FakeRegistry& registry) : Site(registry.url()) {}
  explicit Site(std::string url) {
    settings.url = std::move(url);
    settings.connect_timeout = std::chrono::seconds(5);
    settings.first_byte_timeout = std::chrono::seconds(10);
    settings.stall_timeout = std::chrono::seconds(10);
  }

  Client& client() {
    if (!client_) client_.emplace(context.get_executor(), settings);
    return *client_;
  }
  Reference reference(const std::string& name) const { return parse_reference(name, settings.url).value(); }
  Result<std::string> fetch(const std::string& name) { return run(context, fetch_image(client(), reference(name))); }
  Result<ResolvedImage> resolve(const std::string& name) { return run(context, client().resolve(reference(name))); }

  async::asio::io_context context{1};
  config::Registry settings;

 private:
  std::optional<Client> client_;
};

}  // namespace propeller::registry
