#include <thread>

#include "store/spool_fixture.hpp"

namespace propeller::store {
namespace {

TEST_F(SpoolTest, AFileCanBeReadWhileItIsStillBeingWritten) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const auto file = spool.create(10);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(bytes_of("hello")));
  EXPECT_EQ(text_of(**file), "hello");
  EXPECT_FALSE((*file)->is_complete());
  ASSERT_TRUE((*file)->append(bytes_of("world")));
  std::string middle(4, ' ');
  ASSERT_TRUE((*file)->read(3, std::as_writable_bytes(std::span(middle))));
  EXPECT_EQ(middle, "lowo");
}

TEST_F(SpoolTest, ACommittedFileIsFoundByItsDigestAndOnlyThen) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  EXPECT_EQ(spool.find(base::sha256("module")), nullptr);
  const Digest digest = store_image(spool, "module");
  const auto found = spool.find(digest);
  ASSERT_NE(found, nullptr);
  EXPECT_TRUE(found->is_complete());
  EXPECT_EQ(text_of(*found), "module");
  EXPECT_EQ(spool.find_unverified(digest), nullptr);
}

TEST_F(SpoolTest, FilesAndDirectoriesAreNobodyElsesBusiness) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest digest = store_image(spool, "module");
  const auto mode = [](const fs::path& path) { return static_cast<unsigned>(fs::status(path).permissions()); };
  EXPECT_EQ(mode(directory_), 0700U);
  EXPECT_EQ(mode(directory_ / "blobs" / "sha256"), 0700U);
  EXPECT_EQ(mode(blob_path(digest)), 0600U);
}

TEST_F(SpoolTest, AppendingPastTheReservationIsTooLarge) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const auto file = spool.create(4);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(bytes_of("1234")));
  const auto more = (*file)->append(bytes_of("5"));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, Code::too_large);
  EXPECT_EQ((*file)->written(), 4U);
}

TEST_F(SpoolTest, AFileLargerThanTheSpoolIsTooLarge) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const auto file = spool.create(1001);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::too_large);
}

TEST_F(SpoolTest, ReservationsCountAndAFullSpoolInUseIsOverloaded) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  auto first = spool.create(600);
  ASSERT_TRUE(first);
  EXPECT_EQ(spool.bytes_used(), 600U);
  const auto second = spool.create(600);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::overloaded);
  first->reset();
  EXPECT_EQ(spool.bytes_used(), 0U);
  EXPECT_TRUE(spool.create(600));
}

TEST_F(SpoolTest, CommitGivesBackWhatWasReservedAndNotUsed) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const auto file = spool.create(900);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(bytes_of("abc")));
  ASSERT_TRUE(spool.commit(*file, base::sha256("abc")));
  EXPECT_EQ(spool.bytes_used(), 3U);
}

TEST_F(SpoolTest, TheLeastRecentlyUsedFileGoesFirst) {
  Spool spool(directory_, 30);
  ASSERT_TRUE(spool.open());
  const Digest a = store_image(spool, "aaaaaaaaaa");
  const Digest b = store_image(spool, "bbbbbbbbbb");
  const Digest c = store_image(spool, "cccccccccc");
  EXPECT_NE(spool.find(a), nullptr);  // now b is the oldest
  const Digest d = store_image(spool, "dddddddddd");
  EXPECT_EQ(spool.find(b), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(b)));
  EXPECT_NE(spool.find(a), nullptr);
  EXPECT_NE(spool.find(c), nullptr);
  EXPECT_NE(spool.find(d), nullptr);
  EXPECT_EQ(spool.bytes_used(), 30U);
}

TEST_F(SpoolTest, AFileThatIsHeldIsNotEvicted) {
  Spool spool(directory_, 20);
  ASSERT_TRUE(spool.open());
  const Digest a = store_image(spool, "aaaaaaaaaa");
  const Digest b = store_image(spool, "bbbbbbbbbb");
  const auto held = spool.find(a);
  store_image(spool, "cccccccccc");
  EXPECT_EQ(spool.find(b), nullptr);
  EXPECT_EQ(text_of(*held), "aaaaaaaaaa");
  EXPECT_NE(spool.find(a), nullptr);
}

TEST_F(SpoolTest, TwoDownloadsOfOneImageAreStoredOnce) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  auto first = *spool.create(6);
  auto second = *spool.create(6);
  ASSERT_TRUE(first->append(bytes_of("module")));
  ASSERT_TRUE(second->append(bytes_of("module")));
  const Digest digest = base::sha256("module");
  ASSERT_TRUE(spool.commit(first, digest));
  ASSERT_TRUE(spool.commit(second, digest));
  EXPECT_TRUE(second->is_complete());
  EXPECT_EQ(text_of(*second), "module");
  EXPECT_EQ(spool.bytes_used(), 12U);
  second.reset();
  EXPECT_EQ(spool.bytes_used(), 6U);
  EXPECT_EQ(spool.find(digest), first);
}

TEST_F(SpoolTest, AnAbandonedFileLeavesNothingOnDisk) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  auto file = *spool.create(100);
  ASSERT_TRUE(file->append(bytes_of("half")));
  file.reset();
  EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
  EXPECT_TRUE(fs::is_empty(directory_ / "blobs" / "sha256"));
}

TEST_F(SpoolTest, AfterARestartAFileCountsOnlyOnceItsBytesWereHashed) {
  Digest digest;
  {
    Spool spool(directory_, 1000);
    ASSERT_TRUE(spool.open());
    digest = store_image(spool, "module");
  }
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  EXPECT_EQ(spool.bytes_used(), 6U);
  EXPECT_EQ(spool.find(digest), nullptr);
  const auto unverified = spool.find_unverified(digest);
  ASSERT_NE(unverified, nullptr);
  EXPECT_FALSE(unverified->is_complete());
  const auto hash = hash_file(*unverified);
  ASSERT_TRUE(hash);
  spool.settle(unverified, *hash);
  EXPECT_TRUE(unverified->is_complete());
  EXPECT_EQ(spool.find(digest), unverified);
}

TEST_F(SpoolTest, CorruptionAtRestIsFoundAndTheFileDeleted) {
  const Digest digest = leave_image("module", std::chrono::seconds(0), "modulE");
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  auto unverified = spool.find_unverified(digest);
  ASSERT_NE(unverified, nullptr);
  const auto hash = hash_file(*unverified);
  ASSERT_TRUE(hash);
  spool.settle(unverified, *hash);
  EXPECT_FALSE(unverified->is_complete());
  EXPECT_EQ(spool.find(digest), nullptr);
  EXPECT_EQ(spool.find_unverified(digest), nullptr);
  EXPECT_FALSE(fs::exists(blob_path(digest)));
  unverified.reset();
  EXPECT_EQ(spool.bytes_used(), 0U);
}

TEST_F(SpoolTest, ADownloadTakesThePlaceOfAFileThatWasNeverVerified) {
  const Digest digest = leave_image("module", std::chrono::seconds(0), "rotten");
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const auto old = spool.find_unverified(digest);
  store_image(spool, "module");
  spool.settle(old, base::sha256("rotten"));  // too late to matter
  const auto found = spool.find(digest);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(text_of(*found), "module");
}

TEST_F(SpoolTest, RecencySurvivesARestart) {
  const Digest old = leave_image("old-------", std::chrono::hours(2), "old-------");
  const Digest young = leave_image("young-----", std::chrono::hours(1), "young-----");
  Spool spool(directory_, 20);
  ASSERT_TRUE(spool.open());
  store_image(spool, "new-------");
  EXPECT_EQ(spool.find_unverified(old), nullptr);
  EXPECT_NE(spool.find_unverified(young), nullptr);
}

TEST_F(SpoolTest, UseIsWrittenToTheFilesTime) {
  const Digest digest = leave_image("module", std::chrono::hours(5), "module");
  const auto before = fs::last_write_time(blob_path(digest));
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  ASSERT_NE(spool.find_unverified(digest), nullptr);
  EXPECT_GT(fs::last_write_time(blob_path(digest)), before + std::chrono::hours(4));
}

TEST_F(SpoolTest, ASmallerLimitAfterARestartEvictsAtOnce) {
  const Digest old = leave_image("old-------", std::chrono::hours(2), "old-------");
  leave_image("young-----", std::chrono::hours(1), "young-----");
  Spool spool(directory_, 15);
  ASSERT_TRUE(spool.open());
  EXPECT_EQ(spool.bytes_used(), 10U);
  EXPECT_FALSE(fs::exists(blob_path(old)));
}

TEST_F(SpoolTest, WhatACrashLeftHalfDoneIsSwept) {
  fs::create_directories(directory_ / "tmp");
  std::ofstream(directory_ / "tmp" / "0123456789abcdef") << "half a module";
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
  EXPECT_EQ(spool.bytes_used(), 0U);
}

TEST_F(SpoolTest, OtherFilesAmongTheImagesAreLeftAlone) {
  leave_image("module", std::chrono::hours(0), "module");
  std::ofstream(directory_ / "blobs" / "sha256" / "README") << "mine";
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  EXPECT_EQ(spool.bytes_used(), 6U);
  EXPECT_TRUE(fs::exists(directory_ / "blobs" / "sha256" / "README"));
}

TEST_F(SpoolTest, ItKeepsNoMoreThanItsNumberOfFiles) {
  fs::create_directories(directory_ / "blobs" / "sha256");
  for (std::size_t i = 0; i < Spool::kFilesMax + 10; ++i) {
    std::ofstream(blob_path(base::sha256(std::to_string(i)))) << 'x';
  }
  Spool spool(directory_, 1'000'000);
  ASSERT_TRUE(spool.open());
  EXPECT_EQ(spool.bytes_used(), Spool::kFilesMax);
  store_image(spool, "one more");
  const auto count = std::distance(fs::directory_iterator(directory_ / "blobs" / "sha256"), fs::directory_iterator());
  EXPECT_EQ(static_cast<std::size_t>(count), Spool::kFilesMax);
}

TEST_F(SpoolTest, AModuleOfALayerIsRememberedAcrossRestarts) {
  const Digest layer = base::sha256("layer");
  const Digest module = base::sha256("module");
  {
    Spool spool(directory_, 1000);
    ASSERT_TRUE(spool.open());
    spool.remember_module(layer, "bin/add.wasm", module);
    EXPECT_EQ(spool.module_of(layer, "bin/add.wasm"), module);
  }
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  EXPECT_EQ(spool.module_of(layer, "bin/add.wasm"), module);
  EXPECT_EQ(spool.module_of(layer, ""), std::nullopt);
  EXPECT_EQ(spool.module_of(base::sha256("other"), "bin/add.wasm"), std::nullopt);
}

TEST_F(SpoolTest, AMalformedNoteOfAModuleIsIgnored) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest layer = base::sha256("layer");
  spool.remember_module(layer, "a.wasm", base::sha256("module"));
  const fs::path note = fs::directory_iterator(directory_ / "modules")->path();
  for (const std::string_view text : {"", "garbage", "propeller module 1\nsha256:12\nsha256:34\na.wasm"}) {
    std::ofstream(note, std::ios::trunc) << text;
    EXPECT_EQ(spool.module_of(layer, "a.wasm"), std::nullopt) << text;
  }
  std::ofstream(note, std::ios::trunc) << std::string(1'000'000, 'x');
  EXPECT_EQ(spool.module_of(layer, "a.wasm"), std::nullopt);
}

TEST_F(SpoolTest, WhoMayHaveAFileIsRememberedAcrossRestarts) {
  const Digest layer = base::sha256("layer");
  {
    Spool spool(directory_, 1000);
    ASSERT_TRUE(spool.open());
    EXPECT_FALSE(spool.is_for(layer, "ann"));
    spool.remember_audience(layer, "ann");
  }
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  EXPECT_TRUE(spool.is_for(layer, "ann"));
  EXPECT_FALSE(spool.is_for(layer, "bob"));
  EXPECT_FALSE(spool.is_for(base::sha256("other"), "ann"));
  EXPECT_EQ(spool.module_of(layer, "ann"), std::nullopt) << "no path that somebody may ask for";
}

TEST_F(SpoolTest, ItRemembersNoMoreThanItsNumberOfNotes) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest layer = base::sha256("layer");
  const Digest module = base::sha256("module");
  for (std::size_t i = 0; i <= Spool::kNotesMax; ++i) spool.remember_module(layer, std::to_string(i), module);
  EXPECT_EQ(spool.module_of(layer, "0"), std::nullopt);
  EXPECT_EQ(spool.module_of(layer, "1"), module);
  EXPECT_EQ(spool.module_of(layer, std::to_string(Spool::kNotesMax)), module);
}

TEST_F(SpoolTest, ANoteThatIsUsedStays) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const Digest layer = base::sha256("layer");
  spool.remember_audience(layer, "used");
  spool.remember_audience(layer, "unused");
  for (std::size_t i = 2; i < Spool::kNotesMax; ++i) spool.remember_module(layer, std::to_string(i), layer);
  EXPECT_TRUE(spool.is_for(layer, "used"));
  spool.remember_audience(layer, "one more");
  EXPECT_TRUE(spool.is_for(layer, "used"));
  EXPECT_FALSE(spool.is_for(layer, "unused"));
}

TEST_F(SpoolTest, APathThatIsTooLongIsNotRemembered) {
  Spool spool(directory_, 1000);
  ASSERT_TRUE(spool.open());
  const std::string path(Spool::kModulePathBytesMax + 1, 'p');
  spool.remember_module(base::sha256("layer"), path, base::sha256("module"));
  EXPECT_EQ(spool.module_of(base::sha256("layer"), path), std::nullopt);
}

// The extraction of an archive writes on the blocking pool while both workers read, open and let go.
TEST_F(SpoolTest, FilesAreWrittenReadAndLetGoOnDifferentThreads) {
  Spool spool(directory_, 4'000);
  ASSERT_TRUE(spool.open());
  const auto work = [&spool](int thread) {
    for (int i = 0; i < 200; ++i) {
      const std::string text = "image " + std::to_string(thread) + " " + std::to_string(i % 5);
      if (const auto found = spool.find(base::sha256(text))) {
        EXPECT_EQ(text_of(*found), text);
        continue;
      }
      const auto file = spool.create(1'000);
      if (!file) continue;
      EXPECT_TRUE((*file)->append(bytes_of(text)));
      EXPECT_TRUE(spool.commit(*file, base::sha256(text)));
    }
  };
  {
    std::jthread first(work, 1), second(work, 2), third(work, 2);
  }
  EXPECT_LE(spool.bytes_used(), 4'000U);
}

}  // namespace
}  // namespace propeller::store
