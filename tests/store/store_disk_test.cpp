// The store and what disks, crashes of the machine and other processes do to it.
#include <sys/mount.h>
#include <sys/wait.h>

#include <functional>
#include <thread>

#include "store/store_fixture.hpp"
#include "support/mounts.hpp"

namespace propeller::store {
namespace {

using namespace std::chrono_literals;

constexpr int kSkipped = 77;

class StoreDiskTest : public StoreTest {
 protected:
  // In a child, before any thread: a tmpfs of 256 KiB in place of the directory, in a mount namespace of its own.
  int on_a_small_disk(const std::function<int()>& body) {
    fs::create_directories(directory_);
    pool_.join();  // no threads of ours in the child
    const pid_t child = ::fork();
    if (child == 0) {
      const bool is_mounted = support::enter_mount_namespace() && support::mount_small_disk(directory_, "256k");
      ::_exit(is_mounted ? body() : kSkipped);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Its own pool: that of the fixture did not come along into the child.
  struct Site {
    explicit Site(const StoreOptions& options) : store(options, pool, probe) {}
    ~Site() {
      store.close();
      pool.join();
    }
    observe::Metrics metrics;
    Probe probe{metrics};
    asio::thread_pool pool{2};
    ContentStore store;
  };
  // The bytes that a reader got, and whether they were kept.
  struct Pulled {
    std::string text;
    bool is_kept = false;
  };
  Pulled pull(Site& site, const std::string& text, bool is_length_known = true) {
    Joined joined = std::move(*run(site.store.join({.key = {}, .digest = digest_of(text)})));
    if (joined.blob) return {text_of(*joined.blob), true};
    if (!is_length_known) {
      static_cast<void>(run(joined.writer->begin({.header_text = {}, .length = {}, .validator = {}})));
    }
    Pulled pulled;
    const auto all = [](Joined& both, const std::string& body, Pulled& out) -> awaitable<bool> {
      auto stored = co_await download(std::move(both.writer), body);
      out.is_kept = stored && *stored;
      out.text = (co_await receive(*both.reader)).text;
      co_return stored.has_value();
    };
    run(all(joined, text, pulled));
    return pulled;
  }

  void overwrite(const BlobDigest& digest, std::streamoff offset, char byte) {
    std::fstream file(blob_path(digest), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.put(byte);
  }
};

TEST_F(StoreDiskTest, AFlippedByteAtRestIsNoticedWhileWeRun) {
  open();
  put("module");
  overwrite(digest_of("module"), 3, 'X');
  EXPECT_EQ(find(digest_of("module")), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(digest_of("module"))));
  EXPECT_EQ(probe_.damaged.value(), 1U);
  EXPECT_NE(join(digest_of("module")).writer, nullptr);
}

TEST_F(StoreDiskTest, AFlippedByteIsNoticedAlsoWhenTheBytesAreInMemory) {
  open();
  put("module");
  ASSERT_NE(find(digest_of("module")), nullptr);
  overwrite(digest_of("module"), 3, 'X');
  EXPECT_EQ(find(digest_of("module")), nullptr);
  EXPECT_EQ(probe_.damaged.value(), 1U);
}

TEST_F(StoreDiskTest, AFileThatSomebodyReplacedIsNoticedAlsoWhenTheBytesAreInMemory) {
  open();
  put("module");
  ASSERT_NE(find(digest_of("module")), nullptr);
  std::this_thread::sleep_for(20ms);  // another tick of the file system's clock
  std::ofstream(directory_ / "new") << "nodule";
  fs::rename(directory_ / "new", blob_path(digest_of("module")));
  EXPECT_EQ(find(digest_of("module")), nullptr);
  EXPECT_EQ(probe_.damaged.value(), 1U);
}

TEST_F(StoreDiskTest, AFlippedByteIsNoticedAfterARestartAlsoWhenTheFilesTimeWasSetBack) {
  open();
  put("module");
  const auto time = fs::last_write_time(blob_path(digest_of("module")));
  store_.reset();
  overwrite(digest_of("module"), 3, 'X');
  fs::last_write_time(blob_path(digest_of("module")), time);
  open();
  EXPECT_EQ(find(digest_of("module")), nullptr);
  EXPECT_EQ(probe_.damaged.value(), 1U);
}

TEST_F(StoreDiskTest, AFileThatWasOnlyTouchedIsHashedAndServedOn) {
  open();
  put("module");
  fs::last_write_time(blob_path(digest_of("module")), fs::file_time_type::clock::now());
  ASSERT_NE(find(digest_of("module")), nullptr);
  EXPECT_EQ(probe_.damaged.value(), 0U);
}

TEST_F(StoreDiskTest, AFileThatWasCutShortIsDropped) {
  open();
  put("module");
  put("other");
  fs::resize_file(blob_path(digest_of("module")), 3);
  EXPECT_EQ(find(digest_of("module")), nullptr);
  store_.reset();
  fs::resize_file(blob_path(digest_of("other")), 3);
  open();
  EXPECT_EQ(find(digest_of("other")), nullptr);
  EXPECT_EQ(probe_.damaged.value(), 2U);
  EXPECT_EQ(store_->status().bytes, 0U);
}

TEST_F(StoreDiskTest, AFileThatSomebodyRemovedIsAMiss) {
  open();
  put("module");
  put("other");
  fs::remove(blob_path(digest_of("module")));
  EXPECT_EQ(find(digest_of("module")), nullptr);
  store_.reset();
  fs::remove(blob_path(digest_of("other")));
  open();
  EXPECT_EQ(find(digest_of("other")), nullptr);
  EXPECT_EQ(store_->status().blobs, 0U);
}

TEST_F(StoreDiskTest, RotThatLeavesNoTraceIsFoundByVerifying) {
  open();
  put("module");
  EXPECT_TRUE(run(store_->verify_blob(digest_of("module"))));
  overwrite(digest_of("module"), 0, 'M');
  EXPECT_FALSE(run(store_->verify_blob(digest_of("module"))));
  EXPECT_FALSE(run(store_->verify_blob(digest_of("nothing"))));
}

TEST_F(StoreDiskTest, WhatACrashLeftHalfDoneIsSwept) {
  open();
  put("module");
  store_.reset();
  std::ofstream(directory_ / "tmp" / "0123456789abcdef") << "half a module";
  open();
  EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
  EXPECT_EQ(probe_.swept.value(), 1U);
  EXPECT_NE(find(digest_of("module")), nullptr);
}

TEST_F(StoreDiskTest, FilesThatTheIndexDoesNotKnowAreHashedFirst) {
  fs::create_directories(directory_ / "blobs" / "sha256");
  std::ofstream(blob_path(digest_of("right"))) << "right";
  std::ofstream(blob_path(digest_of("wrong"))) << "forged";
  std::ofstream(directory_ / "blobs" / "sha256" / "README") << "mine";
  open();
  while (!store_->has_blob(digest_of("right")) || fs::exists(blob_path(digest_of("wrong")))) std::this_thread::yield();
  EXPECT_EQ(text_of(*find(digest_of("right"))), "right");
  EXPECT_EQ(find(digest_of("wrong")), nullptr);
  EXPECT_TRUE(fs::exists(directory_ / "blobs" / "sha256" / "README"));
}

TEST_F(StoreDiskTest, ASecondStoreIsToldThatTheDirectoryIsInUse) {
  open();
  ContentStore second(options_, pool_, probe_);
  const auto opened = second.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::overloaded);
  EXPECT_NE(opened.error().detail.find("another process"), std::string::npos);
}

TEST_F(StoreDiskTest, OnAFullDiskTheReadersGoOnAndStoringIsTriedAgain) {
  options_.size_bytes_max = 100'000'000;
  options_.retry_interval = 1s;  // longer than what is looked at before takes
  const int code = on_a_small_disk([this] {
    const std::string filler(100'000, 'f');
    Site site(options_);
    if (!site.store.open()) return 2;
    std::ofstream(directory_ / "other", std::ios::binary).write(filler.data(), 100'000);
    const std::string text(700'000, 't');
    const Pulled large = pull(site, text, false);
    if (large.text != text || large.is_kept) return 3;
    if (site.store.status().is_storing || site.probe.disk_failures.value() != 1) return 4;
    const Pulled small = pull(site, "small");
    if (small.text != "small" || small.is_kept) return 5;
    fs::remove(directory_ / "other");
    while (!site.store.status().is_storing) std::this_thread::yield();
    return pull(site, "small").is_kept ? 0 : 6;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

TEST_F(StoreDiskTest, OnAFullDiskOldBlobsMakeRoom) {
  options_.size_bytes_max = 100'000'000;
  const int code = on_a_small_disk([this] {
    Site site(options_);
    if (!site.store.open()) return 2;
    for (char name = 'a'; name < 'n'; ++name) {
      if (!pull(site, std::string(30'000, name)).is_kept) return 3;
    }
    if (!site.store.status().is_storing || site.probe.evicted.value() == 0) return 4;
    return site.probe.disk_failures.value() == 0 ? 0 : 5;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

TEST_F(StoreDiskTest, ADiskThatBecomesReadOnlyStopsStoringAndNotServing) {
  const int code = on_a_small_disk([this] {
    {
      Site before(options_);
      if (!before.store.open() || !pull(before, "kept").is_kept) return 2;
    }
    // The place of the drafts only: the kernel refuses to change a disk on which a database is open.
    const fs::path drafts = directory_ / "tmp";
    if (!support::mount_small_disk(drafts, "64k")) return kSkipped;
    Site site(options_);
    if (!site.store.open()) return 6;
    if (::mount("none", drafts.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return kSkipped;
    if (pull(site, "kept").text != "kept") return 3;
    const Pulled fresh = pull(site, "fresh");
    if (fresh.text != "fresh" || fresh.is_kept) return 4;
    return site.store.status().is_storing ? 5 : 0;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace propeller::store
