// Many clients on four cores, with eviction, writers that die and upstreams that lie; meant for the thread sanitizer.
#include <fcntl.h>
#include <sys/resource.h>

#include <future>
#include <random>
#include <thread>

#include "async/core.hpp"
#include "async/task_group.hpp"
#include "store/store_fixture.hpp"

namespace propeller::store {
namespace {

constexpr int kCores = 4;
constexpr int kClientsPerCore = 8;
constexpr int kRequestsPerClient = 40;
constexpr std::uint64_t kBlobs = 25;

std::string body_of(std::uint64_t number) {
  return std::string(20'000 + number * 3'000, static_cast<char>('a' + number));
}

struct Tally {
  std::atomic<int> right{0}, wrong{0}, refused{0}, broken{0};
};

// A download as a proxy would do it: now and then it breaks in the middle, or brings a wrong last byte.
awaitable<void> bring(std::unique_ptr<BlobWriter> writer, std::string body, unsigned fate) {
  if (fate % 11 == 0 && body.size() > 1) body.back() = '!';
  if (writer->head() == nullptr) {
    if (fate % 13 == 0) {
      writer->decline();
      co_return;
    }
    if (!co_await writer->begin({.header_text = {}, .length = body.size(), .validator = {}})) co_return;
  }
  while (writer->offset() < body.size()) {
    if (fate % 7 == 0 && writer->offset() > body.size() / 2) co_return;
    if (!co_await writer->write(std::string_view(body).substr(writer->offset(), 9'000))) co_return;
  }
  static_cast<void>(co_await writer->finish());
}

awaitable<void> request(ContentStore& store, async::TaskGroup& downloads, std::mt19937& random, Tally& tally) {
  const std::string body = body_of(random() % kBlobs);
  auto joined = co_await store.join({.key = {}, .digest = digest_of(body)});
  if (!joined) {
    ++tally.refused;
    co_return;
  }
  if (joined->blob) {
    std::string text(joined->blob->size(), '\0');
    EXPECT_EQ(::pread(joined->blob->fd(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    ++(text == body ? tally.right : tally.wrong);
    co_return;
  }
  if (joined->writer) downloads.spawn(bring(std::move(joined->writer), body, static_cast<unsigned>(random())));
  const bool leaves_early = random() % 5 == 0;
  std::string text;
  for (;;) {
    auto outcome = co_await joined->reader->read(1 + random() % 20'000);
    if (!outcome) {
      ++tally.broken;
      co_return;
    }
    if (auto* over = std::get_if<TakeOver>(&*outcome)) {
      downloads.spawn(bring(std::move(over->writer), body, static_cast<unsigned>(random())));
    } else if (auto* piece = std::get_if<FilePiece>(&*outcome)) {
      std::string bytes(piece->count, '\0');
      EXPECT_EQ(::pread(piece->file, bytes.data(), bytes.size(), static_cast<off_t>(piece->offset)),
                static_cast<ssize_t>(bytes.size()));
      text += bytes;
    } else if (auto* memory = std::get_if<MemoryPiece>(&*outcome)) {
      text += memory->bytes;
    } else if (std::holds_alternative<Alone>(*outcome)) {
      ++tally.refused;
      co_return;
    } else {
      ++(text == body ? tally.right : tally.wrong);
      co_return;
    }
    if (leaves_early && text.size() > body.size() / 2) co_return;
  }
}

awaitable<void> client(ContentStore& store, async::TaskGroup& downloads, unsigned seed, Tally& tally) {
  std::mt19937 random(seed);
  for (int i = 0; i < kRequestsPerClient; ++i) {
    co_await request(store, downloads, random, tally);
    const std::string key = std::to_string(random() % 20);
    if (random() % 3 == 0) static_cast<void>(co_await store.put_entry({.key = key, .digest = {}}));
    if (random() % 3 == 0) static_cast<void>(co_await store.erase_entry(key));
    static_cast<void>(co_await store.find_entry(key));
  }
}

awaitable<void> core_main(ContentStore& store, unsigned seed, Tally& tally) {
  async::TaskGroup clients(co_await asio::this_coro::executor);
  async::TaskGroup downloads(co_await asio::this_coro::executor);
  for (unsigned i = 0; i < kClientsPerCore; ++i) clients.spawn(client(store, downloads, seed * 100 + i, tally));
  co_await clients.join();
  co_await downloads.join();
}

TEST_F(StoreTest, OnFourCoresWithFaultsNobodyEverGetsAWrongByte) {
  options_.size_bytes_max = 700'000;  // about half of all
  options_.object_bytes_max = 80'000;
  options_.policy = PolicyKind::s3fifo;
  options_.flush_interval = std::chrono::milliseconds(2);
  open();
  Tally tally;
  {
    std::vector<std::jthread> cores;
    for (unsigned core = 0; core < kCores; ++core) {
      cores.emplace_back([this, core, &tally] {
        asio::io_context context(1);
        asio::co_spawn(context, core_main(*store_, core, tally), asio::detached);
        context.run();
      });
    }
  }
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_GT(tally.right, kCores * kClientsPerCore * kRequestsPerClient / 4);
  EXPECT_GT(probe_.collapsed.value(), 0U);
  EXPECT_GT(probe_.take_overs.value(), 0U);
  EXPECT_EQ(store_->status().flights, 0U);
  EXPECT_LE(store_->status().bytes, options_.size_bytes_max);
}

// The name goes from one file to another that has the same bytes: between two looks at it there seemed to be none.
TEST_F(StoreTest, WhatIsDownloadedOnceMoreStaysThereAllTheTime) {
  open();
  const std::string text(3'000, 'x');
  const auto digest = put(text)->digest();
  ASSERT_TRUE(run(store_->put_entry({.key = "kept", .digest = digest, .size = text.size()})));
  std::atomic<bool> is_over = false;
  const auto fetch_again = [&]() -> awaitable<void> {
    for (int i = 0; i < 300; ++i) {
      auto joined = co_await store_->join({.key = std::to_string(i), .digest = std::nullopt});
      EXPECT_TRUE(co_await download(std::move(joined->writer), text));
    }
    is_over = true;
  };
  auto fetching = asio::co_spawn(pool_, fetch_again(), asio::use_future);
  int lost = 0;
  while (!is_over) lost += find(digest) == nullptr ? 1 : 0;
  fetching.get();
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(probe_.damaged.value(), 0U);
  EXPECT_TRUE(run(store_->find_entry("kept")).value());
}

TEST_F(StoreTest, OutOfDescriptorsNothingIsForgotten) {
  open();
  const auto digest = put(std::string(100'000, 'x'))->digest();
  ASSERT_TRUE(run(store_->put_entry({.key = "kept", .digest = digest, .size = 100'000})));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{.rlim_cur = 200, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    std::vector<base::FileDescriptor> all;
    while (all.empty() || all.back().is_open()) all.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(find(digest), nullptr);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(find(digest), nullptr);
  EXPECT_TRUE(run(store_->find_entry("kept")).value());
}

}  // namespace
}  // namespace propeller::store
