#include "db/database.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <future>
#include <latch>

#include "base/random.hpp"

namespace propeller::db {
namespace {

namespace fs = std::filesystem;

constexpr std::array kMigrations = {"CREATE TABLE numbers(value INTEGER UNIQUE)", "ALTER TABLE numbers ADD name TEXT"};

class DatabaseTest : public ::testing::Test {
 protected:
  DatabaseTest() : directory_(fs::temp_directory_path() / ("propeller-db-" + base::random_hex(8))) {
    fs::create_directories(directory_);
  }
  ~DatabaseTest() override { fs::remove_all(directory_); }

  fs::path path() const { return directory_ / "test.db"; }

  static Result<void> insert(Connection& connection, std::int64_t value) {
    auto statement = connection.prepare("INSERT INTO numbers(value) VALUES(?)");
    if (!statement) return std::unexpected(statement.error());
    return statement->bind(1, value).run();
  }

  static std::int64_t ask(Database& database, const char* sql) {
    std::int64_t answer = -1;
    const auto done = database.read([&](Connection& connection) -> Result<void> {
      auto statement = connection.prepare(sql);
      if (!statement) return std::unexpected(statement.error());
      if (auto row = statement->step(); !row) return std::unexpected(row.error());
      answer = statement->number(0);
      return {};
    });
    EXPECT_TRUE(done) << done.error().detail;
    return answer;
  }

  fs::path directory_;
};

TEST_F(DatabaseTest, MigrationsRunOnceAndInOrder) {
  {
    Database database;
    ASSERT_TRUE(database.open(path(), std::span(kMigrations).first(1)));
    ASSERT_TRUE(database.run([](Connection& connection) { return insert(connection, 7); }));
    EXPECT_EQ(ask(database, "PRAGMA user_version"), 1);
  }
  Database database;
  ASSERT_TRUE(database.open(path(), kMigrations));
  EXPECT_EQ(ask(database, "PRAGMA user_version"), 2);
  EXPECT_EQ(ask(database, "SELECT count(*) FROM numbers WHERE name IS NULL"), 1);
}

TEST_F(DatabaseTest, AFileOfANewerProgramIsRefusedAndLeftAlone) {
  {
    Database database;
    ASSERT_TRUE(database.open(path(), kMigrations));
  }
  Database database;
  const auto opened = database.open(path(), std::span(kMigrations).first(1));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().detail.find("newer"), std::string::npos);
  EXPECT_FALSE(database.is_corrupt());
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsToldFromADiskThatFails) {
  std::ofstream(path()) << std::string(8192, 'x');
  Database database;
  EXPECT_FALSE(database.open(path(), kMigrations));
  EXPECT_TRUE(database.is_corrupt());
  EXPECT_FALSE(database.open(directory_ / "nowhere" / "test.db", kMigrations));
  EXPECT_FALSE(database.is_corrupt());
}

TEST_F(DatabaseTest, AMigrationThatFailsChangesNothing) {
  constexpr std::array kBad = {"CREATE TABLE numbers(value INTEGER)",
                               "CREATE TABLE other(a); INSERT INTO nowhere VALUES(1)"};
  {
    Database database;
    EXPECT_FALSE(database.open(path(), kBad));
  }
  Database database;
  ASSERT_TRUE(database.open(path(), std::span(kBad).first(1)));
  EXPECT_EQ(ask(database, "SELECT count(*) FROM sqlite_master WHERE name='other'"), 0);
}

TEST_F(DatabaseTest, AWriteThatFailsTakesNobodyWithIt) {
  Database database;
  ASSERT_TRUE(database.open(path(), kMigrations));
  std::latch all(3);
  std::vector<int> outcomes(3, -1);
  const auto note = [&](std::size_t i) {
    return [&, i](Result<void> result) {
      outcomes[i] = result ? 1 : 0;
      all.count_down();
    };
  };
  EXPECT_TRUE(database.submit([](Connection& connection) { return insert(connection, 1); }, note(0)));
  EXPECT_TRUE(database.submit(
      [](Connection& connection) -> Result<void> {
        if (auto inserted = insert(connection, 2); !inserted) return inserted;
        return insert(connection, 1);  // not unique
      },
      note(1)));
  EXPECT_TRUE(database.submit([](Connection& connection) { return insert(connection, 3); }, note(2)));
  all.wait();
  EXPECT_EQ(outcomes, (std::vector{1, 0, 1}));
  EXPECT_EQ(ask(database, "SELECT sum(value) FROM numbers"), 4);
}

TEST_F(DatabaseTest, AFullQueueRefusesAndEmptiesAgain) {
  Database database(2);
  ASSERT_TRUE(database.open(path(), kMigrations));
  std::promise<void> go;
  std::promise<void> is_running;
  EXPECT_TRUE(database.submit([&](Connection&) -> Result<void> {
    is_running.set_value();
    go.get_future().wait();
    return {};
  }));
  is_running.get_future().wait();
  EXPECT_TRUE(database.submit([](Connection& connection) { return insert(connection, 1); }));
  EXPECT_TRUE(database.submit([](Connection& connection) { return insert(connection, 2); }));
  EXPECT_FALSE(database.submit([](Connection& connection) { return insert(connection, 3); }));
  go.set_value();
  EXPECT_TRUE(database.run([](Connection& connection) { return insert(connection, 4); }));
  EXPECT_EQ(ask(database, "SELECT sum(value) FROM numbers"), 7);
}

TEST_F(DatabaseTest, CloseRunsWhatWaitsAndRefusesWhatComesLater) {
  {
    Database database;
    ASSERT_TRUE(database.open(path(), kMigrations));
    for (std::int64_t i = 0; i < 1000; ++i)
      EXPECT_TRUE(database.submit([i](Connection& connection) { return insert(connection, i); }));
    database.close();
    EXPECT_FALSE(database.submit([](Connection&) -> Result<void> { return {}; }));
    EXPECT_EQ(database.run([](Connection&) -> Result<void> { return {}; }).error().code, Code::shutting_down);
  }
  Database database;
  ASSERT_TRUE(database.open(path(), kMigrations));
  EXPECT_EQ(ask(database, "SELECT count(*) FROM numbers"), 1000);
}

TEST_F(DatabaseTest, AReaderCannotWrite) {
  Database database;
  ASSERT_TRUE(database.open(path(), kMigrations));
  EXPECT_FALSE(database.read([](Connection& connection) { return insert(connection, 1); }));
  EXPECT_EQ(ask(database, "SELECT count(*) FROM numbers"), 0);
}

TEST_F(DatabaseTest, TextBytesAndNullComeBackAsTheyWere) {
  Database database;
  constexpr std::array kTable = {"CREATE TABLE things(a TEXT, b BLOB, c TEXT)"};
  ASSERT_TRUE(database.open(path(), kTable));
  const std::array<std::uint8_t, 3> bytes = {0, 255, 7};
  const std::string text("with\0zero", 9);
  ASSERT_TRUE(database.run([&](Connection& connection) -> Result<void> {
    auto statement = connection.prepare("INSERT INTO things VALUES(?, ?, ?)");
    if (!statement) return std::unexpected(statement.error());
    return statement->bind(1, text).bind_bytes(2, bytes).bind_null(3).run();
  }));
  ASSERT_TRUE(database.read([&](Connection& connection) -> Result<void> {
    auto statement = connection.prepare("SELECT a, b, c FROM things");
    EXPECT_TRUE(statement && statement->step().value_or(false));
    EXPECT_EQ(statement->text(0), text);
    EXPECT_TRUE(std::ranges::equal(statement->bytes(1), bytes));
    EXPECT_TRUE(statement->is_null(2));
    EXPECT_FALSE(statement->is_null(0));
    return {};
  }));
}

TEST_F(DatabaseTest, ManyThreadsWriteAndRead) {
  Database database(16);
  ASSERT_TRUE(database.open(path(), kMigrations));
  {
    std::vector<std::jthread> threads;
    for (std::int64_t thread = 0; thread < 6; ++thread) {
      threads.emplace_back([&database, thread] {
        for (std::int64_t i = 0; i < 50; ++i) {
          EXPECT_TRUE(database.run([=](Connection& connection) { return insert(connection, thread * 1000 + i); }));
          EXPECT_GT(ask(database, "SELECT count(*) FROM numbers"), 0);
        }
      });
    }
  }
  EXPECT_EQ(ask(database, "SELECT count(*) FROM numbers"), 300);
}

}  // namespace
}  // namespace propeller::db
