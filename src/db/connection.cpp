#include "db/connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "base/assert.hpp"

namespace propeller::db {

namespace {

constexpr int kBusyMs = 5000;

// Numbers of rows and columns are ours: a bind that fails is a mistake in the code.
void check_bind(int code) { ASSERT(code == SQLITE_OK); }

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)), connection_(other.connection_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::bind(int position, std::int64_t value) {
  check_bind(sqlite3_bind_int64(statement_, position, value));
  return *this;
}

Statement& Statement::bind(int position, std::string_view text) {
  check_bind(sqlite3_bind_text64(statement_, position, text.data() != nullptr ? text.data() : "", text.size(),
                                 SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_bytes(int position, std::span<const std::uint8_t> bytes) {
  check_bind(sqlite3_bind_blob64(statement_, position, bytes.data(), bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null(int position) {
  check_bind(sqlite3_bind_null(statement_, position));
  return *this;
}

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: return std::unexpected(connection_->error("use"));
  }
}

Result<void> Statement::run() {
  auto stepped = step();
  if (!stepped) return std::unexpected(stepped.error());
  ASSERT(!*stepped);
  return {};
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::span<const std::uint8_t> Statement::bytes(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void Connection::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
void Connection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<void> Connection::open(const std::filesystem::path& path, Mode mode) {
  ASSERT(!handle_);
  const int flags = (mode == Mode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) return std::unexpected(error("open"));
  sqlite3_busy_timeout(handle, kBusyMs);
  // SQLite before 3.51.3 can lose a WAL that one connection resets while another checkpoints: only writers do either.
  return execute(mode == Mode::write ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1024;"
                                     : "PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-1024;");
}

Result<void> Connection::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(error("use"));
}

Result<Statement> Connection::prepare(std::string_view sql) {
  const auto found = statements_.find(std::string(sql));
  if (found != statements_.end()) return Statement(found->second.get(), *this);
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &prepared,
                         nullptr) != SQLITE_OK)
    return std::unexpected(error("use"));
  statements_.emplace(sql, prepared);
  return Statement(prepared, *this);
}

Result<std::int64_t> Connection::user_version() {
  auto statement = prepare("PRAGMA user_version");
  if (!statement) return std::unexpected(statement.error());
  if (auto row = statement->step(); !row) return std::unexpected(row.error());
  return statement->number(0);
}

std::int64_t Connection::changes() const { return sqlite3_changes64(handle_.get()); }

Error Connection::error(std::string_view what) const {
  const char* name = handle_ ? sqlite3_db_filename(handle_.get(), "main") : nullptr;
  return Error{Code::io, Origin::internal,
               fmt::format("cannot {} the database {}: {}", what, name != nullptr ? name : "",
                           handle_ ? sqlite3_errmsg(handle_.get()) : "out of memory")};
}

bool Connection::is_corrupt() const {
  const int code = sqlite3_errcode(handle_.get()) & 0xff;
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

}  // namespace propeller::db
