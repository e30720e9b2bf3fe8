#include "tier/second_tier.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include "registry/kept_content.hpp"
#include "store/bell.hpp"
#include "tier/pace.hpp"

namespace propeller::tier {

namespace asio = async::asio;

namespace {

/// For what comes before the bytes and after them.
constexpr std::chrono::seconds kHoldMargin{2};

bool may_be_shared(std::string_view key, const store::BlobDigest& digest) {
  return digest.algorithm() == store::DigestAlgorithm::sha256 && !key.contains('?');
}

bool take_place(std::atomic<std::size_t>& taken, std::size_t places) {
  if (taken.fetch_add(1) < places) return true;
  taken.fetch_sub(1);
  return false;
}

}  // namespace

/// What somebody on another core waits for. Threads: `is_there` any.
struct SecondTier::Wish {
  Wish(const asio::any_io_executor& executor, std::string wanted_key, const store::BlobDigest& wanted_digest)
      : bell(std::make_shared<store::Bell>(executor)), key(std::move(wanted_key)), digest(wanted_digest) {}

  const std::shared_ptr<store::Bell> bell;
  const std::string key;
  const store::BlobDigest digest;
  std::atomic<bool> is_there = false;
};

SecondTier::Parts::Parts(async::Core& core, std::unique_ptr<S3Client> s3, const SecondTierOptions& options,
                         store::ContentStore& store, Probe& probe)
    : client(std::move(s3)),
      names(options.settings.prefix),
      tasks(core.executor()),
      reach(core.executor(), *client, names.probe(), probe, options.rest, options.sleep),
      uploader(*client, names, probe, tasks, options.rest),
      taker(core.executor(), *client, names, store, uploader, probe) {}

SecondTier::SecondTier(SecondTierOptions options, store::ContentStore& store, Probe& probe)
    : options_(std::move(options)), store_(store), probe_(probe) {}

SecondTier::~SecondTier() { stop(); }

Result<void> SecondTier::start() {
  auto client = S3Client::make(core_.executor(), options_.settings, options_.upload_time_max);
  if (!client) return std::unexpected(client.error());
  parts_ = std::make_unique<Parts>(core_, std::move(*client), options_, store_, probe_);
  is_running_ = true;
  asio::post(core_.executor(), [this] { parts_->tasks.spawn(parts_->reach.watch()); });
  core_.start();
  return {};
}

void SecondTier::stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (!std::exchange(is_running_, false)) return;
  }
  // After whatever was posted before.
  const auto unwind = [](Parts& parts) -> async::awaitable<void> {
    parts.tasks.cancel();
    co_await parts.tasks.join();
  };
  asio::co_spawn(core_.executor(), unwind(*parts_), asio::use_future).wait();
  core_.stop();
}

bool SecondTier::post(std::function<void()> work) {
  const std::scoped_lock lock(mutex_);
  if (is_running_) asio::post(core_.executor(), std::move(work));
  return is_running_;
}

async::awaitable<bool> SecondTier::bring(std::string key, store::BlobDigest digest) {
  if (!may_be_shared(key, digest)) co_return false;
  if (!is_up() || !take_place(asked_, kAskedMax)) {
    probe_.skipped.add();
    co_return false;
  }
  const auto wish = std::make_shared<Wish>(co_await asio::this_coro::executor, std::move(key), digest);
  if (!post([this, wish] { parts_->tasks.spawn(fulfil(wish)); })) {
    asked_.fetch_sub(1);
    co_return false;
  }
  co_await wish->bell->wait(std::chrono::steady_clock::now() + kHoldMax + kHoldMargin);
  co_return wish->is_there.load();
}

async::awaitable<void> SecondTier::fulfil(std::shared_ptr<Wish> wish) {
  // Also when it is cancelled.
  struct Answered {
    std::atomic<std::size_t>& asked;
    Wish& wish;
    ~Answered() {
      asked.fetch_sub(1);
      wish.bell->ring();
    }
  };
  const Answered answered{asked_, *wish};
  if (!is_up()) co_return;  // by now
  const auto taken = co_await parts_->taker.take(wish->key, wish->digest);
  if (!taken) {
    parts_->reach.fail(taken.error());
  } else {
    (*taken ? probe_.hits : probe_.misses).add();
    if (*taken) parts_->reach.succeed();
    wish->is_there = *taken;
  }
}

void SecondTier::offer(std::string key, std::shared_ptr<const store::OpenBlob> blob, std::string_view header_text) {
  if (!may_be_shared(key, blob->digest())) return;
  Record record{.key = std::move(key),
                .digest = blob->digest(),
                .size = blob->size(),
                .content_type = registry::kept_content_type(header_text)};
  if (!is_up() || !take_place(offered_, Uploader::kWaitingMax)) return probe_.dropped.add();
  (void)post([this, record = std::move(record), blob = std::move(blob)]() mutable {
    offered_.fetch_sub(1);
    parts_->uploader.add(std::move(record), std::move(blob));
  });
}

void SecondTier::forget(std::string key) {
  (void)post([this, key = std::move(key)]() mutable { parts_->uploader.forget(std::move(key)); });
}

}  // namespace propeller::tier
