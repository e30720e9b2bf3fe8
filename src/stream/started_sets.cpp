#include "stream/started_sets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace propeller::stream {

namespace {

// The count of delivered chunks changes with every acknowledgement, so it has a place of its own behind the rest.
constexpr off_t kCountOffset = 8192;
constexpr std::size_t kCountDigits = 20;

std::filesystem::path file_of(const std::filesystem::path& directory, const std::string& id) {
  return directory / (id + ".set");
}

std::unexpected<Error> io_error(const std::filesystem::path& path) {
  return fail(Code::io, Origin::internal,
              fmt::format("cannot note a begun set in {}: {}", path.string(), std::strerror(errno)));
}

std::string encode(const StartedSet& set) {
  const auto begun = std::chrono::duration_cast<std::chrono::seconds>(set.begun.time_since_epoch()).count();
  const nlohmann::json json{{"channel", set.channel}, {"app_name", set.app_name},
                            {"pinned", set.pinned},   {"digest", set.digest.to_string()},
                            {"size", set.size},       {"chunk_size", set.chunk_size},
                            {"begun", begun}};
  return json.dump(-1, ' ', true) + "\n";
}

std::optional<StartedSet> decode(const std::string& text) {
  const auto json = nlohmann::json::parse(text.substr(0, text.find('\n')), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  try {
    const auto digest = Digest::parse(json.at("digest").get<std::string>());
    if (!digest) return std::nullopt;
    StartedSet set{
        .id = {},
        .channel = json.at("channel"),
        .app_name = json.at("app_name"),
        .pinned = json.at("pinned"),
        .digest = *digest,
        .size = json.at("size"),
        .chunk_size = json.at("chunk_size"),
        .delivered = 0,
        .begun = std::chrono::system_clock::time_point(std::chrono::seconds(json.at("begun").get<std::int64_t>()))};
    if (text.size() >= static_cast<std::size_t>(kCountOffset) + kCountDigits) {
      const char* digits = text.data() + kCountOffset;
      std::from_chars(digits, digits + kCountDigits, set.delivered);
    }
    if (set.chunk_size == 0 || set.size == 0) return std::nullopt;
    return set;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

StartedSets::StartedSets(std::filesystem::path directory) : directory_(std::move(directory)) {}

StartedSets::~StartedSets() {
  for (const auto& [id, fd] : open_) ::close(fd);
}

Result<std::vector<StartedSet>> StartedSets::take_over(std::chrono::system_clock::time_point now,
                                                       std::chrono::seconds age_max) {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  ::chmod(directory_.c_str(), 0700);
  std::vector<StartedSet> sets;
  auto files = std::filesystem::directory_iterator(directory_, error);
  if (error)
    return fail(Code::io, Origin::internal, fmt::format("cannot read {}: {}", directory_.string(), error.message()));
  for (const auto& file : files) {
    if (file.path().extension() != ".set") continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto set = decode(text);
    if (!set || set->begun + age_max <= now) {
      std::filesystem::remove(file.path(), error);
      continue;
    }
    set->id = file.path().stem();
    sets.push_back(std::move(*set));
  }
  std::ranges::sort(sets, {}, &StartedSet::begun);
  return sets;
}

Result<void> StartedSets::begin(const StartedSet& set) {
  const auto path = file_of(directory_, set.id);
  const std::string text = encode(set);
  if (text.size() > static_cast<std::size_t>(kCountOffset))
    return fail(Code::bad_request, Origin::client, "the name is too long to be noted");
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return io_error(path);
  if (::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    const auto failure = io_error(path);
    ::close(fd);
    ::unlink(path.c_str());
    return failure;
  }
  open_[set.id] = fd;
  if (set.delivered > 0) delivered(set.id, set.delivered);
  return {};
}

void StartedSets::delivered(const std::string& id, std::uint64_t chunks) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  std::array<char, kCountDigits + 1> digits;
  std::snprintf(digits.data(), digits.size(), "%-20llu", static_cast<unsigned long long>(chunks));
  // A count that is not written only makes a restarted bridge send more than it must.
  [[maybe_unused]] const auto written = ::pwrite(found->second, digits.data(), kCountDigits, kCountOffset);
}

void StartedSets::finish(const std::string& id) {
  ::unlink(file_of(directory_, id).c_str());
  if (const auto found = open_.find(id); found != open_.end()) {
    ::close(found->second);
    open_.erase(found);
  }
}

void Quarantine::put(Key key, std::chrono::steady_clock::time_point until, Error why) {
  if (entries_.size() >= kNamesMax && !entries_.contains(key)) {
    entries_.erase(std::ranges::min_element(entries_, {}, [](const auto& entry) { return entry.second.until; }));
  }
  entries_.insert_or_assign(std::move(key), Entry{until, std::move(why)});
}

std::optional<Quarantine::Entry> Quarantine::find(const Key& key, std::chrono::steady_clock::time_point now) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  if (found->second.until <= now) {
    entries_.erase(found);
    return std::nullopt;
  }
  return found->second;
}

}  // namespace propeller::stream
