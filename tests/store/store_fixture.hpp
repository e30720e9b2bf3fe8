#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "observe/metrics.hpp"
#include "store/content_store.hpp"

namespace propeller::store {

namespace fs = std::filesystem;
namespace asio = boost::asio;
using async::awaitable;

inline BlobDigest digest_of(std::string_view text) { return base::sha256(text); }

/// A store in a directory of its own, and a core to run what awaits.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : directory_(fs::temp_directory_path() / ("propeller-store-" + base::random_hex(8))) {
    options_.directory = directory_;
    options_.free_bytes_min = 0;
    options_.size_bytes_max = 1'000'000;
    options_.policy = PolicyKind::lru;
  }
  ~StoreTest() override {
    store_.reset();
    pool_.join();
    fs::remove_all(directory_);
  }

  void open() {
    store_ = std::make_unique<ContentStore>(options_, pool_, probe_);
    const auto opened = store_->open();
    ASSERT_TRUE(opened) << opened.error().detail;
  }
  void reopen() {
    store_.reset();
    open();
  }

  template <class T>
  T run(awaitable<T> task) {
    std::optional<T> result;
    const auto keep = [](awaitable<T> inner, std::optional<T>& out) -> awaitable<void> {
      out = co_await std::move(inner);
    };
    asio::co_spawn(core_, keep(std::move(task), result), asio::detached);
    core_.restart();
    core_.run();
    return std::move(*result);
  }

  Joined join(const BlobDigest& digest) { return std::move(*run(store_->join({.key = {}, .digest = digest}))); }

  static awaitable<Result<std::shared_ptr<const OpenBlob>>> download(std::unique_ptr<BlobWriter> writer,
                                                                     std::string text) {
    if (writer->head() == nullptr) {
      if (auto begun = co_await writer->begin({.header_text = {}, .length = text.size(), .validator = {}}); !begun)
        co_return std::unexpected(begun.error());
    }
    constexpr std::size_t kPieceBytes = 70'000;
    while (writer->offset() < text.size()) {
      auto written = co_await writer->write(std::string_view(text).substr(writer->offset(), kPieceBytes));
      if (!written) co_return std::unexpected(written.error());
    }
    co_return co_await writer->finish();
  }

  /// Stores `text` under its digest; null when it was not kept.
  std::shared_ptr<const OpenBlob> put(const std::string& text, std::optional<BlobDigest> as = std::nullopt) {
    Joined joined = join(as.value_or(digest_of(text)));
    if (!joined.writer) return joined.blob;
    auto stored = run(download(std::move(joined.writer), text));
    return stored ? *stored : nullptr;
  }

  std::shared_ptr<const OpenBlob> find(const BlobDigest& digest) { return run(store_->find_blob(digest)); }

  static std::string text_of(int file, std::uint64_t offset, std::uint64_t count) {
    std::string text(count, '\0');
    const ssize_t bytes = ::pread(file, text.data(), count, static_cast<off_t>(offset));
    text.resize(bytes < 0 ? 0 : static_cast<std::size_t>(bytes));
    return text;
  }
  static std::string text_of(const OpenBlob& blob) { return text_of(blob.fd(), 0, blob.size()); }

  struct Received {
    std::string text;
    std::optional<Error> error;
    std::optional<std::uint64_t> alone_from;
    std::unique_ptr<BlobWriter> writer;
  };
  /// Reads until something else than bytes comes.
  static awaitable<Received> receive(BlobReader& reader, std::uint64_t piece_bytes = 100'000) {
    Received received;
    for (;;) {
      auto outcome = co_await reader.read(piece_bytes);
      if (!outcome) {
        received.error = outcome.error();
        co_return received;
      }
      if (auto* piece = std::get_if<FilePiece>(&*outcome))
        received.text += text_of(piece->file, piece->offset, piece->count);
      else if (auto* memory = std::get_if<MemoryPiece>(&*outcome))
        received.text += memory->bytes;
      else {
        if (auto* alone = std::get_if<Alone>(&*outcome)) received.alone_from = alone->offset;
        if (auto* over = std::get_if<TakeOver>(&*outcome)) received.writer = std::move(over->writer);
        co_return received;
      }
    }
  }

  fs::path blob_path(const BlobDigest& digest) const {
    return directory_ / "blobs" / (digest.algorithm() == DigestAlgorithm::sha256 ? "sha256" : "sha512") / digest.hex();
  }

  fs::path directory_;
  StoreOptions options_;
  observe::Metrics metrics_;
  Probe probe_{metrics_};
  asio::thread_pool pool_{2};
  asio::io_context core_{1};
  std::unique_ptr<ContentStore> store_;
};

}  // namespace propeller::store
