#include "store/spool.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/assert.hpp"
#include "base/units.hpp"
#include "store/spool_directory.hpp"
#include "store/spool_notes.hpp"
#include "store/youngest_files.hpp"

namespace propeller::store {

namespace {

constexpr std::size_t kHashBytes = 256 * base::kKiB;
static_assert(Spool::kModulePathBytesMax + 256 <= SpoolNotes::kBytesMax);

std::string module_name(const Digest& source, std::string_view path) {
  return base::sha256(fmt::format("{}\n{}", source.hex(), path)).hex();
}

// No newline at the end: the path is the rest, whatever it holds.
std::string module_head(const Digest& source) { return fmt::format("propeller module 1\n{}\n", source.to_string()); }

// The name of an audience may be long, and tell more than this file has to.
std::string audience_note(const Digest& digest, std::string_view audience) {
  return fmt::format("propeller audience 1\n{}\n{}\n", digest.to_string(), base::sha256(audience).to_string());
}

}  // namespace

struct Spool::State {
  struct Entry {
    std::uint64_t size = 0;
    bool is_verified = false;
    std::weak_ptr<SpoolFile> file;
    std::list<Digest>::iterator place;
  };
  using Entries = std::unordered_map<Digest, Entry>;

  State(std::filesystem::path path, std::uint64_t max) : directory(std::move(path)), bytes_max(max) {}

  void add(const Digest& digest, Entry entry) {
    entry.place = order.insert(order.end(), digest);
    entries.emplace(digest, std::move(entry));
  }

  // A file that is still held loses its name only: its bytes count until the last holder lets go.
  void drop(Entries::iterator found);
  bool evict_one();
  [[nodiscard]] Result<void> make_room(std::uint64_t size);
  [[nodiscard]] std::shared_ptr<SpoolFile> open_entry(const std::shared_ptr<State>& self, Entries::iterator found);
  void load_blobs();

  SpoolDirectory directory;
  const std::uint64_t bytes_max;
  std::atomic<std::uint64_t> used{0};  // given back in ~SpoolFile, which may run while the mutex is held

  std::mutex mutex;
  Entries entries;
  std::list<Digest> order;  // least recently used first
  SpoolNotes notes{directory, kNotesMax};
};

struct SpoolFile::State {
  std::shared_ptr<Spool::State> spool;
  DraftFile draft;
  std::uint64_t reservation = 0;
  std::uint64_t charge = 0;  // of `used`, to be given back with the file; an indexed file's is its entry's
  std::optional<Digest> digest;
  bool is_draft = true;
  std::atomic<std::uint64_t> written{0};
  std::atomic<bool> is_complete{false};
};

SpoolFile::SpoolFile(std::unique_ptr<State> state) : state_(std::move(state)) {}

SpoolFile::~SpoolFile() {
  if (state_->is_draft) state_->spool->directory.discard(state_->draft);
  state_->spool->used -= state_->charge;
}

Result<void> SpoolFile::append(std::span<const std::byte> bytes) {
  ASSERT(state_->is_draft);
  std::uint64_t offset = state_->written.load(std::memory_order_relaxed);
  if (bytes.size() > state_->reservation - offset) {
    return fail(
        Code::too_large, Origin::upstream,
        fmt::format("more bytes came than the {} that were announced", base::format_bytes(state_->reservation)));
  }
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count > 0) {
      offset += static_cast<std::uint64_t>(count);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      continue;
    }
    const int error_number = count == 0 ? ENOSPC : errno;
    if (error_number == EINTR) continue;
    if (error_number == ENOSPC || error_number == EDQUOT) {
      const std::scoped_lock lock(state_->spool->mutex);
      if (state_->spool->evict_one()) continue;
    }
    return std::unexpected(state_->spool->directory.error_of(error_number, "write to"));
  }
  state_->written.store(offset, std::memory_order_release);
  return {};
}

Result<void> SpoolFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  ASSERT(out.size() <= written() && offset <= written() - out.size());
  while (!out.empty()) {
    const ssize_t count = ::pread(fd(), out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected(state_->spool->directory.error_of(errno, "read from"));
    if (count == 0) return fail(Code::io, Origin::internal, "a file of the spool was cut short by somebody else");
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

std::uint64_t SpoolFile::written() const { return state_->written.load(std::memory_order_acquire); }
bool SpoolFile::is_complete() const { return state_->is_complete.load(std::memory_order_acquire); }
int SpoolFile::fd() const { return state_->draft.fd.get(); }

Result<Digest> hash_file(const SpoolFile& file) {
  base::Sha256 hash;
  std::vector<std::byte> buffer(kHashBytes);
  const std::uint64_t size = file.written();
  for (std::uint64_t offset = 0; offset < size;) {
    const auto piece =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(kHashBytes, size - offset)));
    if (auto read = file.read(offset, piece); !read) return std::unexpected(read.error());
    hash.update(piece);
    offset += piece.size();
  }
  return hash.finish();
}

void Spool::State::drop(Entries::iterator found) {
  directory.remove_blob(found->first);
  if (const auto held = found->second.file.lock()) {
    held->state_->charge = found->second.size;
  } else {
    used -= found->second.size;
  }
  order.erase(found->second.place);
  entries.erase(found);
}

bool Spool::State::evict_one() {
  for (const Digest& digest : order) {
    const auto found = entries.find(digest);
    if (!found->second.file.expired()) continue;
    drop(found);
    return true;
  }
  return false;
}

Result<void> Spool::State::make_room(std::uint64_t size) {
  if (size > bytes_max) {
    return fail(Code::too_large, Origin::upstream,
                fmt::format("the image of {} does not fit into the spool of {} (PROXY_SPOOL_SIZE)",
                            base::format_bytes(size), base::format_bytes(bytes_max)));
  }
  while (used > bytes_max - size || entries.size() >= kFilesMax) {
    if (evict_one()) continue;
    return fail(
        Code::overloaded, Origin::internal,
        fmt::format("the spool of {} is full of images that are being sent; ask again later, or raise PROXY_SPOOL_SIZE",
                    base::format_bytes(bytes_max)));
  }
  return {};
}

std::shared_ptr<SpoolFile> Spool::State::open_entry(const std::shared_ptr<State>& self, Entries::iterator found) {
  Entry& entry = found->second;
  order.splice(order.end(), order, entry.place);
  if (auto held = entry.file.lock()) return held;

  base::FileDescriptor fd = directory.open_blob(found->first);
  struct stat status{};
  if (!fd.is_open() || ::fstat(fd.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != entry.size) {
    drop(found);
    return nullptr;
  }
  ::futimens(fd.get(), nullptr);
  auto state = std::make_unique<SpoolFile::State>();
  state->spool = self;
  state->draft.fd = std::move(fd);
  state->is_draft = false;
  state->digest = found->first;
  state->written = entry.size;
  state->is_complete = entry.is_verified;
  std::shared_ptr<SpoolFile> file(new SpoolFile(std::move(state)));
  entry.file = file;
  return file;
}

void Spool::State::load_blobs() {
  YoungestFiles youngest(kFilesMax, [this](const ListedFile& file) {
    if (const auto digest = Digest::parse("sha256:" + file.name)) directory.remove_blob(*digest);
  });
  directory.for_each_blob([&](ListedFile file) {
    if (Digest::parse("sha256:" + file.name)) youngest.add(std::move(file));
  });
  for (const ListedFile& file : youngest.take()) {
    add(*Digest::parse("sha256:" + file.name), {.size = file.size, .is_verified = false, .file = {}, .place = {}});
    used += file.size;
  }
  while (used > bytes_max && evict_one()) continue;
}

Spool::Spool(std::filesystem::path directory, std::uint64_t bytes_max)
    : state_(std::make_shared<State>(std::move(directory), bytes_max)) {}
Spool::~Spool() = default;

Result<void> Spool::open() {
  const std::scoped_lock lock(state_->mutex);
  if (auto opened = state_->directory.open(); !opened) return opened;
  state_->load_blobs();
  state_->notes.load();
  return {};
}

std::shared_ptr<SpoolFile> Spool::find(const Digest& digest) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->entries.find(digest);
  if (found == state_->entries.end() || !found->second.is_verified) return nullptr;
  return state_->open_entry(state_, found);
}

std::shared_ptr<SpoolFile> Spool::find_unverified(const Digest& digest) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->entries.find(digest);
  if (found == state_->entries.end() || found->second.is_verified) return nullptr;
  return state_->open_entry(state_, found);
}

void Spool::settle(const std::shared_ptr<SpoolFile>& file, const Digest& digest_found) {
  ASSERT(file && file->state_->digest);
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->entries.find(*file->state_->digest);
  // Somebody else may have settled it, or a new download may have taken its place.
  if (found == state_->entries.end() || found->second.file.lock() != file) return;
  if (digest_found != *file->state_->digest) return state_->drop(found);
  found->second.is_verified = true;
  file->state_->is_complete = true;
}

Result<std::shared_ptr<SpoolFile>> Spool::create(std::uint64_t size) {
  const std::scoped_lock lock(state_->mutex);
  if (auto room = state_->make_room(size); !room) return std::unexpected(room.error());
  auto draft = state_->directory.create_draft();
  if (!draft) return std::unexpected(draft.error());
  auto state = std::make_unique<SpoolFile::State>();
  state->spool = state_;
  state->draft = std::move(*draft);
  state->reservation = size;
  state->charge = size;
  state_->used += size;
  return std::shared_ptr<SpoolFile>(new SpoolFile(std::move(state)));
}

Result<void> Spool::commit(const std::shared_ptr<SpoolFile>& file, const Digest& digest) {
  ASSERT(file && file->state_->is_draft && !file->is_complete());
  const std::scoped_lock lock(state_->mutex);
  SpoolFile::State& committed = *file->state_;
  const std::uint64_t size = file->written();
  const auto shrink = [&] {
    state_->used -= committed.charge - size;
    committed.charge = size;
    committed.reservation = size;
  };
  // Two downloads of one image: the first stays, the second serves those who hold it and goes with them.
  const auto existing = state_->entries.find(digest);
  if (existing != state_->entries.end() && existing->second.is_verified) {
    shrink();
    committed.is_complete = true;
    return {};
  }
  if (existing != state_->entries.end()) state_->drop(existing);
  if (auto published = state_->directory.publish(committed.draft, digest); !published) return published;
  shrink();
  while (state_->entries.size() >= kFilesMax && state_->evict_one()) continue;
  state_->add(digest, {.size = size, .is_verified = true, .file = file, .place = {}});
  committed.charge = 0;
  committed.digest = digest;
  committed.is_draft = false;
  committed.is_complete = true;
  return {};
}

void Spool::remember_module(const Digest& source, std::string_view path, const Digest& module) {
  if (path.size() > kModulePathBytesMax) return;
  const std::string text = fmt::format("{}{}\n{}", module_head(source), module.to_string(), path);
  const std::scoped_lock lock(state_->mutex);
  state_->notes.write(module_name(source, path), text);
}

std::optional<Digest> Spool::module_of(const Digest& source, std::string_view path) {
  const std::string name = module_name(source, path);
  const std::scoped_lock lock(state_->mutex);
  const auto text = state_->notes.read(name);
  const std::string head = module_head(source);
  if (!text || !text->starts_with(head)) return std::nullopt;
  const std::string_view rest = std::string_view(*text).substr(head.size());
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos || rest.substr(end + 1) != path) return std::nullopt;
  const auto module = Digest::parse(rest.substr(0, end));
  return module ? std::optional(*module) : std::nullopt;
}

void Spool::remember_audience(const Digest& digest, std::string_view audience) {
  const std::string text = audience_note(digest, audience);
  const std::scoped_lock lock(state_->mutex);
  state_->notes.write(base::sha256(text).hex(), text);
}

bool Spool::is_for(const Digest& digest, std::string_view audience) {
  const std::string text = audience_note(digest, audience);
  const std::string name = base::sha256(text).hex();
  const std::scoped_lock lock(state_->mutex);
  return state_->notes.read(name) == text;
}

std::uint64_t Spool::bytes_used() const { return state_->used; }

}  // namespace propeller::store
