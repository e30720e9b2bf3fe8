#include "config/file_watcher.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace propeller::config {

namespace fs = std::filesystem;

namespace {

constexpr int kBurstFactor = 10;
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ATTRIB | IN_DELETE |
                                  IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF;

std::unexpected<Error> failed(std::string_view what) {
  return fail(Code::io, Origin::internal, std::string(what) + ": " + std::generic_category().message(errno));
}

}  // namespace

std::vector<fs::path> directories_on_the_way(const fs::path& file) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::path path = fs::absolute(file, error).lexically_normal();
  std::size_t links = 0;
  const auto add = [&](const fs::path& directory) {
    if (std::ranges::find(found, directory) == found.end()) found.push_back(directory);
  };
  for (bool is_followed = true; is_followed && links <= kLinksMax;) {
    is_followed = false;
    fs::path done;
    for (auto part = path.begin(); part != path.end(); ++part) {
      const auto here = done / *part;
      if (!fs::is_symlink(here, error)) {
        done = here;
        continue;
      }
      add(done);
      const auto target = fs::read_symlink(here, error);
      fs::path rest = target.is_absolute() ? target : done / target;
      while (++part != path.end()) rest /= *part;
      path = rest.lexically_normal();
      is_followed = true;
      ++links;
      break;
    }
  }
  add(path.parent_path());
  return found;
}

FileWatcher::FileWatcher(fs::path file, std::function<void()> on_change, FileWatcherOptions options)
    : file_(std::move(file)), on_change_(std::move(on_change)), options_(options) {}

FileWatcher::~FileWatcher() {
  thread_.request_stop();
  if (wake_.is_open()) eventfd_write(wake_.get(), 1);
}

Result<void> FileWatcher::start() {
  wake_ = base::FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.is_open()) return failed("no event descriptor");
  notify_ = base::FileDescriptor(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  Result<void> result;
  if (!notify_.is_open()) result = failed("changes of " + file_.string() + " are seen late, inotify");
  seen_ = print();
  watch_directories();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  return result;
}

void FileWatcher::look_now() {
  is_asked_ = true;
  if (wake_.is_open()) eventfd_write(wake_.get(), 1);
}

std::optional<FileWatcher::Print> FileWatcher::print() const {
  struct stat status{};
  if (::stat(file_.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return Print{.device = status.st_dev,
               .inode = status.st_ino,
               .size = static_cast<std::uint64_t>(status.st_size),
               .modified_seconds = status.st_mtim.tv_sec,
               .modified_nanoseconds = status.st_mtim.tv_nsec,
               .changed_seconds = status.st_ctim.tv_sec,
               .changed_nanoseconds = status.st_ctim.tv_nsec};
}

void FileWatcher::watch_directories() {
  if (!notify_.is_open()) return;
  // A directory that is watched already keeps its watch; those that fell off the way are gone, or harmless.
  for (const auto& directory : directories_on_the_way(file_))
    inotify_add_watch(notify_.get(), directory.c_str(), kEvents | IN_ONLYDIR);
}

bool FileWatcher::wait(std::chrono::milliseconds limit) const {
  std::array<pollfd, 2> sources{{{wake_.get(), POLLIN, 0}, {notify_.get(), POLLIN, 0}}};
  const nfds_t count = notify_.is_open() ? 2 : 1;
  return ::poll(sources.data(), count, static_cast<int>(limit.count())) > 0;
}

void FileWatcher::drain() const {
  eventfd_t ignored = 0;
  eventfd_read(wake_.get(), &ignored);
  if (!notify_.is_open()) return;
  // Which file it was does not matter: the file is looked at through all of its links.
  alignas(inotify_event) std::array<char, 4096> events{};
  while (::read(notify_.get(), events.data(), events.size()) > 0) {
  }
}

void FileWatcher::look() {
  watch_directories();
  const bool is_asked = is_asked_.exchange(false);
  const auto now = print();
  if (!is_asked && (!now || now == seen_)) return;
  if (now) seen_ = now;
  on_change_();
}

void FileWatcher::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (wait(options_.look_again)) {
      drain();
      const auto latest = std::chrono::steady_clock::now() + kBurstFactor * options_.debounce;
      while (!stop.stop_requested() && !is_asked_ && std::chrono::steady_clock::now() < latest &&
             wait(options_.debounce))
        drain();
    }
    if (!stop.stop_requested()) look();
  }
}

}  // namespace propeller::config
