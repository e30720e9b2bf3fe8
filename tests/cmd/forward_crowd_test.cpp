// The real program among thousands of clients, and killed among a few busy ones.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <deque>
#include <random>
#include <sstream>
#include <thread>

#include "base/digest.hpp"
#include "forward_site.hpp"
#include "http/peer.hpp"
#include "support/kills.hpp"

namespace propeller::cmd {
namespace {

using http::Peer;
using support::wait_until;
using namespace std::string_literals;

class ForwardCrowd : public ForwardSite {
 protected:
  /// Raises our own limit of open files as far as it goes, and says how many of `wanted` connections fit.
  static std::size_t connections_of(std::size_t wanted) {
    rlimit files{};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
    constexpr std::size_t kOurOwn = 200;
    return std::min<std::size_t>(wanted, files.rlim_max - kOurOwn);
  }
  [[nodiscard]] int connections() const {
    const auto text = metrics();
    const std::string_view name = "\npropeller_forward_connections ";
    const auto at = text.find(name);
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size()));
  }
};

TEST_F(ForwardCrowd, AGoodClientIsServedAmongFourThousandSlowOnes) {
  write_config(usual_with("proxy", "read_timeout: 5s\n  idle_timeout: 5s"));
  start();
  const auto count = connections_of(4000);
  const std::array beginnings{""s,
                              "GET http://127.0.0.1/ HTT"s,
                              "\x05"s,
                              "\x05\x01\x00\x05\x01"s,
                              "\x16\x03\x01\x02\x00\x01"s,
                              "\x04\x01\x00\x50"s};
  std::deque<Peer> slow;
  for (std::size_t i = 0; i < count; ++i) {
    slow.push_back(Peer::connect(port_));
    slow.back().send(beginnings[i % beginnings.size()]);
  }
  ASSERT_TRUE(wait_until([&] { return connections() >= static_cast<int>(count); })) << connections() << "\n" << log();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(curl({blob(plain_)}).has("some bytes of a blob"));
    EXPECT_TRUE(curl({blob(secure_)}).has("some bytes of a blob"));
  }
  EXPECT_TRUE(wait_until([&] { return connections() == 0; })) << connections() << " stayed";
}

// Shells and services begin with 1024; the program takes what it may.
TEST_F(ForwardCrowd, MoreClientsThanTheSoftLimitOfOpenFilesAllows) {
  launcher_ = {"prlimit", "--nofile=64:1024"};
  start();
  std::deque<Peer> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(Peer::connect(port_));
  ASSERT_TRUE(wait_until([&] { return connections() == 200; })) << connections();
  EXPECT_TRUE(curl({blob(plain_)}).has("some bytes of a blob"));
  EXPECT_TRUE(metrics().contains("\nprocess_max_fds 1024\n"));
}

/// Clients that fetch many blobs while the proxy is killed, and what they, and the disk, then have.
class ForwardKilled : public ForwardSite {
 protected:
  ForwardKilled() {
    write_config(usual("cache: {enabled: true, dir: " + (files_ / "cache").string() +
                       ", min_free: 0, max_size: 3000000, patterns: [\"/blobs/\"]}\n"));
    for (std::size_t i = 0; i < kBlobs; ++i) {
      std::string bytes = "blob " + std::to_string(i) + " ";
      while (bytes.size() < 1000 + i % 7 * 40'000) bytes += bytes;
      plain_.push_blob("acme/m", bytes);
      digests_.push_back(base::sha256(bytes).hex());
    }
  }

  /// Fetches all of them, in an order of its own, into a directory; each file's name is its digest.
  [[nodiscard]] std::unique_ptr<support::Subprocess> fetch_all(unsigned seed) const {
    auto order = digests_;
    std::ranges::shuffle(order, std::mt19937(seed));  // NOLINT(cert-msc32-c,cert-msc51-cpp)
    std::vector<std::string> arguments{"curl",
                                       "-s",
                                       "-Z",
                                       "--parallel-max",
                                       "8",
                                       "-x",
                                       "http://127.0.0.1:" + std::to_string(port_),
                                       "-w",
                                       "\nended %{exitcode} %{response_code} %{filename_effective}\n"};
    for (const auto& hex : order) {
      arguments.insert(arguments.end(), {"-o", (files_ / hex).string()});
      arguments.push_back("http://127.0.0.1:" + std::to_string(plain_.port()) + "/v2/acme/m/blobs/sha256:" + hex);
    }
    return std::make_unique<support::Subprocess>(support::SubprocessOptions{.arguments = std::move(arguments)});
  }

  /// What curl took for whole is whole and right; how many those were.
  int check_fetched(support::Subprocess& curl) const {
    EXPECT_TRUE(curl.wait_exit());
    curl.wait_output_end();
    std::istringstream lines(curl.output());
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
      constexpr std::string_view kWhole = "ended 0 200 ";  // between lines of progress
      if (!line.starts_with(kWhole)) continue;
      const std::filesystem::path file = line.substr(kWhole.size());
      EXPECT_EQ(base::sha256(support::read_file(file)).hex(), file.filename().string());
      ++count;
    }
    return count;
  }

  static constexpr std::size_t kBlobs = 60;
  std::vector<std::string> digests_;
};

TEST_F(ForwardKilled, NobodyEverGetsAWrongOrHalfBlobForWhole) {
  int fetched = 0;
  int kept = 0;
  std::mt19937 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same instants in every run
  for (int round = 0; round < support::kill_count(6); ++round) {
    start();
    const auto curl = fetch_all(static_cast<unsigned>(round));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 150));  // the instant is the point
    process_->signal(SIGKILL);
    EXPECT_EQ(process_->wait_exit(), 128 + SIGKILL) << log();
    fetched += check_fetched(*curl);
    const auto seen = support::count_blobs(files_ / "cache/blobs/sha256");
    EXPECT_EQ(seen.wrong, 0) << "whoever reads the directory sees whole blobs only";
    kept += seen.right;
  }
  EXPECT_GT(fetched, 0) << "nothing was ever fetched: the test shows nothing";
  EXPECT_GT(kept, 0) << "nothing was ever stored: the test shows nothing";
  start();
  const auto curl = fetch_all(0);
  EXPECT_EQ(check_fetched(*curl), static_cast<int>(kBlobs)) << log();
  EXPECT_TRUE(metrics().contains("\npropeller_store_damaged_total 0\n")) << metrics();
  stop();
  EXPECT_TRUE(std::filesystem::is_empty(files_ / "cache/tmp"));
}

}  // namespace
}  // namespace propeller::cmd
