#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace propeller::db {

class Connection;

/// A prepared statement while it is in use; reset and unbound when it goes, and kept by its connection.
///
/// Order:    bind() by position from 1, then step() until false.
/// Lifetime: not beyond its connection. Text and blobs that are bound or read are valid until the next step().
class Statement {
 public:
  Statement(sqlite3_stmt* statement, Connection& connection) : statement_(statement), connection_(&connection) {}
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;

  Statement& bind(int position, std::int64_t value);
  Statement& bind(int position, std::string_view text);
  Statement& bind_bytes(int position, std::span<const std::uint8_t> bytes);
  Statement& bind_null(int position);

  /// True: there is a row. Errors: io.
  [[nodiscard]] Result<bool> step();
  /// For statements that answer no rows.
  [[nodiscard]] Result<void> run();

  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::span<const std::uint8_t> bytes(int column) const;

 private:
  sqlite3_stmt* statement_;
  Connection* connection_;
};

/// One SQLite connection. Threads: one at a time.
class Connection {
 public:
  enum class Mode { write, read };

  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Write: WAL, synchronous=NORMAL, made when it is not there. Read: never changes anything, not even by a checkpoint.
  /// Errors: io, with a sentence.
  [[nodiscard]] Result<void> open(const std::filesystem::path& path, Mode mode);

  /// One or more statements without rows.
  [[nodiscard]] Result<void> execute(const std::string& sql);
  /// Prepared once per text: `sql` is a literal of the code, so their number is bounded. One use of a text at a time.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);

  [[nodiscard]] Result<std::int64_t> user_version();
  /// Rows changed by the last statement.
  [[nodiscard]] std::int64_t changes() const;

  /// What SQLite says of its last failure.
  [[nodiscard]] Error error(std::string_view what) const;
  /// True after SQLite found the file to be no database, or a broken one.
  [[nodiscard]] bool is_corrupt() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

}  // namespace propeller::db
