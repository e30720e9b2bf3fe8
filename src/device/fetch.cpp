#include "device/fetch.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>

#include "device/advice.hpp"
#include "device/progress.hpp"
#include "mqtt/session.hpp"

namespace propeller::device {

namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::seconds kLineEvery{1};
constexpr std::chrono::milliseconds kSaveEvery{250};  // what a killed run has to get again
constexpr std::chrono::seconds kFarewell{1};          // for the last acknowledgement
constexpr std::chrono::milliseconds kBackoffMax{5'000};
constexpr std::size_t kColumnsDefault = 80;

/// What the user sees while it runs.
class Display {
 public:
  explicit Display(bool is_quiet) : is_quiet_(is_quiet), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

  void show(const Progress& progress, steady_clock::time_point now) {
    meter_.update(progress, now);
    if (is_quiet_) return;
    if (is_terminal_) {
      fmt::print(stderr, "\r{}\x1b[K", meter_.bar(columns() - 1));
      is_line_open_ = true;
    } else if (now - shown_at_ >= kLineEvery) {
      fmt::print(stderr, "{}\n", meter_.line());
      shown_at_ = now;
    }
    std::fflush(stderr);
  }

  void say(std::string_view text) {
    if (is_quiet_) return;
    close();
    fmt::print(stderr, "{}\n", text);
  }

  void close() {
    if (std::exchange(is_line_open_, false)) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  static std::size_t columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : kColumnsDefault;
  }

  bool is_quiet_, is_terminal_;
  bool is_line_open_ = false;
  ProgressMeter meter_;
  steady_clock::time_point shown_at_ = steady_clock::now();
};

mqtt::SessionOptions session_options(const FetchOptions& options, const Download& download) {
  mqtt::SessionOptions session{.mqtt = options.mqtt, .subscriptions = {}};
  for (auto& filter : download.topic_filters()) session.subscriptions.push_back({.filter = filter, .qos = options.qos});
  session.backoff_max = kBackoffMax;
  return session;
}

/// Carries messages and time to the Download and its messages to the broker.
class Driver final : public mqtt::SessionHandler {
 public:
  Driver(const FetchOptions& options, Download& download, Display& display)
      : options_(options),
        download_(download),
        display_(display),
        timer_(context_),
        signals_(context_, SIGINT, SIGTERM),
        session_(context_.get_executor(), session_options(options, download), *this) {}

  Result<Delivered> run() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) stop(fail(Code::cancelled, Origin::internal, "interrupted"));
    });
    session_.start();
    tick();
    context_.run();
    return std::move(*outcome_);
  }

  void on_ready(const mqtt::BrokerLimits&) override {
    download_.on_connected(steady_clock::now());
    after();
  }
  void on_down(const Error& why) override {
    download_.on_disconnected(why);
    display_.say(fmt::format("the broker: {}", why.detail));
  }
  void on_message(mqtt::Incoming message) override {
    download_.on_message(message.topic, std::move(message.payload), steady_clock::now());
    after();
  }
  void on_delivered(std::uint64_t) override {}
  // Nothing to do: what is not answered is asked again.
  void on_undelivered(std::uint64_t, const Error&) override {}

 private:
  void tick() {
    const auto now = steady_clock::now();
    download_.on_tick(now);
    after();
    if (outcome_) return;
    display_.show(download_.progress(), now);
    if (now - saved_at_ >= kSaveEvery) {
      saved_at_ = now;
      if (const auto state = download_.resume_state(); state && !options_.output.empty()) {
        (void)save_resume_state(options_.output, *state);  // a shortcut for later: not worth ending this for
      }
    }
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error && !outcome_) tick();
    });
  }

  void after() {
    for (auto& message : download_.take_messages()) {
      const auto sent = session_.publish(
          {.topic = std::move(message.topic), .payload = std::move(message.payload), .qos = options_.qos});
      if (!sent && sent.error().code != Code::disconnected) return stop(std::unexpected(sent.error()));
    }
    if (download_.outcome()) stop(*download_.outcome());
  }

  void stop(Result<Delivered> outcome) {
    if (outcome_) return;
    outcome_ = std::move(outcome);
    timer_.cancel();
    signals_.cancel();
    session_.stop(kFarewell);
    context_.stop();
  }

  const FetchOptions& options_;
  Download& download_;
  Display& display_;
  asio::io_context context_{1};
  asio::steady_timer timer_;
  asio::signal_set signals_;
  std::optional<Result<Delivered>> outcome_;
  steady_clock::time_point saved_at_ = steady_clock::now();
  mqtt::Session session_;  // the last: it goes first, while what it calls is still there
};

/// The state of an earlier run, if it is of this image and the part file is still there.
std::optional<ResumeState> earlier_run(const FetchOptions& options, const PartFile& file) {
  if (!options.is_resumed || options.output.empty() || !file.exists()) return std::nullopt;
  auto state = load_resume_state(options.output);
  if (!state || state->app_name != options.download.request.app_name || !mqtt::is_topic_level(state->proplet_id)) {
    return std::nullopt;
  }
  return state;
}

Result<void> put_in_place(PartFile& file, const FetchOptions& options, const Delivered& delivered) {
  if (options.output.empty()) return file.copy_to(STDOUT_FILENO, delivered.size);
  auto published = file.publish(delivered.size);
  if (published) remove_resume_state(options.output);
  return published;
}

void keep_for_later(PartFile& file, const FetchOptions& options, const Download& download, Display& display) {
  const auto state = download.resume_state();
  if (state && !options.output.empty() && save_resume_state(options.output, *state)) {
    display.say(fmt::format("{} of {} chunks are kept in {}: go on with --resume",
                            state->plan.total_chunks - state->missing.count(), state->plan.total_chunks,
                            file.path().native()));
    return;
  }
  file.discard();
  remove_resume_state(options.output);
}

}  // namespace

Result<Delivered> fetch(FetchOptions options) {
  Display display(options.is_quiet);
  PartFile file(options.output);
  const auto earlier = earlier_run(options, file);
  if (options.is_resumed && !earlier) display.say("there is nothing to resume; beginning anew");
  if (earlier) options.download.request.proplet_id = earlier->proplet_id;
  if (auto opened = file.open(earlier ? PartFile::Content::keep : PartFile::Content::discard); !opened) {
    return std::unexpected(opened.error());
  }
  Download download(options.download, file, steady_clock::now());
  if (earlier) {
    if (auto resumed = download.resume(*earlier); !resumed)
      display.say("what there is cannot be resumed; beginning anew");
  }
  auto outcome = Driver(options, download, display).run();
  display.close();
  if (!outcome) {
    keep_for_later(file, options, download, display);
    return outcome;
  }
  if (auto placed = put_in_place(file, options, *outcome); !placed) return std::unexpected(placed.error());
  return outcome;
}

}  // namespace propeller::device
