// The spool and what disks and other processes do to it.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "store/spool_fixture.hpp"
#include "support/mounts.hpp"

namespace propeller::store {
namespace {

// What of a body ran as asserted in a child, so that limits and mounts do not touch the other tests.
constexpr int kSkipped = 77;
int exit_code_of_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(SpoolTest, AFileThatSomebodyRemovedIsAbsent) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest digest = store_image(spool, "module");
  fs::remove(blob_path(digest));
  EXPECT_EQ(spool.find(digest), nullptr);
  EXPECT_EQ(spool.bytes_used(), 0U);
}

TEST_F(SpoolTest, AFileThatSomebodyCutShortIsAbsent) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest digest = store_image(spool, "module");
  fs::resize_file(blob_path(digest), 3);
  EXPECT_EQ(spool.find(digest), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(digest)));
}

TEST_F(SpoolTest, ASymbolicLinkInPlaceOfAnImageIsNotFollowed) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest digest = store_image(spool, "module");
  std::ofstream(directory_ / "elsewhere") << "module";
  fs::remove(blob_path(digest));
  fs::create_symlink(directory_ / "elsewhere", blob_path(digest));
  EXPECT_EQ(spool.find(digest), nullptr);
}

TEST_F(SpoolTest, ASymbolicLinkInPlaceOfItsDirectoriesIsRefused) {
  fs::create_directories(directory_ / "elsewhere");
  fs::create_directory_symlink(directory_ / "elsewhere", directory_ / "tmp");
  Spool spool(directory_, 1000);
  const auto opened = spool.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::io);
}

TEST_F(SpoolTest, ASecondProcessIsToldThatTheSpoolIsInUse) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const int code = exit_code_of_child([this] {
    Spool second(directory_, 1000);
    const auto opened = second.open();
    return !opened && opened.error().code == Code::overloaded ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
}

TEST_F(SpoolTest, TheLockGoesWithTheSpool) {
  {
    Spool spool(directory_, 1000);
    ASSERT_TRUE(spool.open());
  }
  Spool second(directory_, 1000);
  EXPECT_TRUE(second.open());
}

TEST_F(SpoolTest, APlaceThatCannotBeMadeIsAnErrorWithItsName) {
  std::ofstream(directory_) << "a file, not a directory";
  Spool spool(directory_ / "spool", 1000);
  const auto opened = spool.open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::io);
  EXPECT_NE(opened.error().detail.find(directory_.native()), std::string::npos);
}

TEST_F(SpoolTest, AFileSizeLimitOfTheProcessIsAnIoErrorWithASentence) {
  const int code = exit_code_of_child([this] {
    ::signal(SIGXFSZ, SIG_IGN);
    Spool spool(directory_, 1'000'000);
    if (!spool.open()) return 2;
    const rlimit limit{4096, 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
    const auto file = spool.create(100'000);
    if (!file) return 4;
    const auto appended = (*file)->append(bytes_of(std::string(10'000, 'x')));
    if (appended || appended.error().code != Code::io) return 5;
    if (appended.error().detail.find("ulimit -f") == std::string::npos) return 6;
    return (*file)->written() == 0 ? 0 : 7;  // a piece counts whole or not at all
  });
  EXPECT_EQ(code, 0);
}

// Runs `body` with a tmpfs of 64 KiB in place of the directory, in a mount namespace of the child's own.
int on_a_small_disk(const fs::path& directory, unsigned long flags, const std::function<int()>& body) {
  return exit_code_of_child([&] {
    fs::create_directories(directory);
    const bool is_mounted = support::enter_mount_namespace() && support::mount_small_disk(directory, "64k", flags);
    return is_mounted ? body() : kSkipped;
  });
}

TEST_F(SpoolTest, AFullDiskIsAnIoErrorWithASentence) {
  const int code = on_a_small_disk(directory_, 0, [this] {
    Spool spool(directory_, 1'000'000);
    if (!spool.open()) return 2;
    const auto file = spool.create(500'000);
    if (!file) return 3;
    const auto appended = (*file)->append(bytes_of(std::string(500'000, 'x')));
    if (appended || appended.error().code != Code::io) return 4;
    return appended.error().detail.find("free some space") != std::string::npos ? 0 : 5;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

TEST_F(SpoolTest, OnAFullDiskUnusedFilesMakeRoom) {
  const int code = on_a_small_disk(directory_, 0, [this] {
    Spool spool(directory_, 1'000'000);
    if (!spool.open()) return 2;
    const Digest old = store_image(spool, std::string(40'000, 'o'));
    const Digest fresh = store_image(spool, std::string(40'000, 'n'));
    if (spool.find(old) != nullptr) return 3;
    return spool.find(fresh) != nullptr ? 0 : 4;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

// Without /proc a file without a name cannot be given one, so drafts have names.
TEST_F(SpoolTest, WhereNamelessFilesCannotBePublishedDraftsHaveNames) {
  const int code = on_a_small_disk(directory_, 0, [this] {
    if (::umount2("/proc", MNT_DETACH) != 0) return kSkipped;
    Spool spool(directory_, 1'000'000);
    if (!spool.open()) return 2;
    auto draft = spool.create(100);
    if (!draft || fs::is_empty(directory_ / "tmp")) return 3;
    draft->reset();
    if (!fs::is_empty(directory_ / "tmp")) return 4;
    const auto found = spool.find(store_image(spool, "module"));
    return found != nullptr && text_of(*found) == "module" ? 0 : 5;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

TEST_F(SpoolTest, AReadOnlyDiskIsAnIoErrorWithASentence) {
  const int code = on_a_small_disk(directory_, MS_RDONLY, [this] {
    Spool spool(directory_, 1'000'000);
    const auto opened = spool.open();
    if (opened || opened.error().code != Code::io) return 2;
    return opened.error().detail.find("PROXY_SPOOL_DIR") != std::string::npos ? 0 : 3;
  });
  if (code == kSkipped) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace propeller::store
