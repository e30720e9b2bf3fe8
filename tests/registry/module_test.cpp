#include "registry/module.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <clocale>
#include <string>
#include <vector>

#include "base/units.hpp"

namespace propeller::registry {
namespace {

const std::string kModule = std::string("\0asm\1\0\0\0", 8) + "module";
const std::string kOther = std::string("\0asm\1\0\0\0", 8) + "other";

struct Entry {
  std::string name;
  std::string content = {};
  unsigned type = AE_IFREG;
  std::string hardlink = {};
};

using Filter = int (*)(archive*);
int no_filter(archive* writer) { return archive_write_add_filter_none(writer); }

void write_header(archive* writer, const Entry& member) {
  // In the C locale libarchive 3.6 cannot write such names; that is its own business, the reader runs in the C locale.
  ::setlocale(LC_CTYPE, "C.UTF-8");
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname_utf8(entry, member.name.c_str());
  archive_entry_set_filetype(entry, member.type);
  archive_entry_set_perm(entry, 0644);
  if (!member.hardlink.empty()) archive_entry_set_hardlink(entry, member.hardlink.c_str());
  if (member.type == AE_IFLNK) archive_entry_set_symlink(entry, member.content.c_str());
  if (member.type == AE_IFREG) archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
  EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
  archive_entry_free(entry);
  ::setlocale(LC_CTYPE, "C");
}

std::string pack(const std::vector<Entry>& members, Filter filter = no_filter, bool is_tar = true) {
  std::size_t total = 64 * base::kKiB;
  for (const Entry& member : members) total += member.content.size() + 2048;
  std::string out(total, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  if (is_tar) {
    archive_write_set_format_pax_restricted(writer);
  } else {
    archive_write_set_format_raw(writer);
  }
  filter(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  for (const Entry& member : members) {
    write_header(writer, member);
    if (member.type == AE_IFREG && !member.content.empty()) {
      EXPECT_EQ(archive_write_data(writer, member.content.data(), member.content.size()),
                static_cast<la_ssize_t>(member.content.size()));
    }
  }
  EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

std::string compress(const std::string& bytes, Filter filter) {
  return pack({{.name = "data", .content = bytes}}, filter, false);
}

Result<std::string> extract(const std::string& layer, ExtractOptions options = {}) {
  if (options.size_max_bytes == 0) options.size_max_bytes = base::kMiB;
  const int fd = ::memfd_create("layer", MFD_CLOEXEC);
  EXPECT_EQ(::write(fd, layer.data(), layer.size()), static_cast<ssize_t>(layer.size()));
  std::string module;
  const auto done = extract_module(fd, options, [&module](std::span<const std::byte> piece) {
    module.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return Result<void>();
  });
  ::close(fd);
  if (!done) return std::unexpected(done.error());
  return module;
}

Code code_of(const Result<std::string>& result) {
  EXPECT_FALSE(result) << "extracted " << result->size() << " bytes";
  return result ? Code::cancelled : result.error().code;
}

ContentKind kind_of(std::string_view bytes) { return sniff(std::as_bytes(std::span(bytes))); }

TEST(Sniff, KnowsTheFourKindsByTheirFirstBytes) {
  EXPECT_EQ(kind_of(kModule), ContentKind::wasm);
  EXPECT_EQ(kind_of("\x1f\x8b\x08"), ContentKind::gzip);
  EXPECT_EQ(kind_of("\x28\xb5\x2f\xfd"), ContentKind::zstd);
  EXPECT_EQ(kind_of(std::string(257, '\0') + "ustar"), ContentKind::tar);
}

TEST(Sniff, WhatIsCutShortIsUnknown) {
  EXPECT_EQ(kind_of(""), ContentKind::unknown);
  EXPECT_EQ(kind_of(std::string("\0as", 3)), ContentKind::unknown);
  EXPECT_EQ(kind_of("\x1f"), ContentKind::unknown);
  EXPECT_EQ(kind_of(std::string(257, '\0') + "usta"), ContentKind::unknown);
}

class ExtractByFilter : public ::testing::TestWithParam<Filter> {};
INSTANTIATE_TEST_SUITE_P(Filters, ExtractByFilter,
                         ::testing::Values(no_filter, archive_write_add_filter_gzip, archive_write_add_filter_zstd));

TEST_P(ExtractByFilter, TheOnlyModuleOfATarIsTaken) {
  const auto layer = pack({{"etc/", {}, AE_IFDIR}, {"etc/hosts", "127.0.0.1"}, {"bin/add.wasm", kModule}}, GetParam());
  EXPECT_EQ(extract(layer), kModule);
}

TEST_P(ExtractByFilter, AModuleOfManyBlocksComesOutWhole) {
  std::string large = kModule;
  for (unsigned i = 0; large.size() < 900'000; ++i) large += std::to_string(i * 2654435761U);
  EXPECT_EQ(extract(pack({{"before", std::string(300'000, 'x')}, {"a.wasm", large}, {"after", "x"}}, GetParam())),
            large);
}

TEST_P(ExtractByFilter, AModuleThatIsInNoArchiveIsTaken) { EXPECT_EQ(extract(compress(kModule, GetParam())), kModule); }

TEST_P(ExtractByFilter, ATruncatedArchiveIsAnError) {
  std::string large = kModule + std::string(500'000, 'x');
  for (std::size_t i = 8; i < large.size(); ++i) large[i] = static_cast<char>(i * i >> 7);
  const auto layer = pack({{"a.wasm", large}}, GetParam());
  EXPECT_EQ(code_of(extract(layer.substr(0, layer.size() / 2))), Code::no_module);
}

TEST_P(ExtractByFilter, AnArchiveThatUnpacksToMoreThanSixteenTimesTheLimitIsTooLarge) {
  const auto layer = pack({{"zeros", std::string(17 * base::kMiB, '\0')}, {"a.wasm", kModule}}, GetParam());
  EXPECT_EQ(code_of(extract(layer)), Code::too_large);
}

TEST_P(ExtractByFilter, AModuleLargerThanTheLimitIsTooLarge) {
  const auto layer = pack({{"a.wasm", kModule + std::string(base::kMiB, '\0')}}, GetParam());
  EXPECT_EQ(code_of(extract(layer)), Code::too_large);
}

TEST(ExtractModule, PluginWasmIsPreferred) {
  EXPECT_EQ(extract(pack({{"a.wasm", kOther}, {"./plugin.wasm", kModule}, {"z.wasm", kOther}})), kModule);
}

TEST(ExtractModule, SeveralModulesAreAmbiguousAndListed) {
  const auto result = extract(pack({{"./a.wasm", kOther}, {"lib/b.wasm", kModule}}));
  EXPECT_EQ(code_of(result), Code::ambiguous_module);
  EXPECT_NE(result.error().detail.find("a.wasm, lib/b.wasm"), std::string::npos) << result.error().detail;
}

TEST(ExtractModule, NoMoreThanTwentyNamesAreListed) {
  std::vector<Entry> members;
  for (int i = 0; i < 30; ++i) members.push_back({"m" + std::to_string(i) + ".wasm", kModule});
  const auto result = extract(pack(members));
  EXPECT_EQ(code_of(result), Code::ambiguous_module);
  EXPECT_NE(result.error().detail.find("m19.wasm, and more"), std::string::npos) << result.error().detail;
  EXPECT_EQ(result.error().detail.find("m20.wasm"), std::string::npos);
}

TEST(ExtractModule, ThePathDecidesHoweverItIsSpelt) {
  const auto layer = pack({{"./a.wasm", kOther}, {"/lib/b.wasm", kModule}, {"plugin.wasm", kOther}});
  for (const char* path : {"lib/b.wasm", "/lib/b.wasm", "./lib/b.wasm", "lib//b.wasm"}) {
    EXPECT_EQ(extract(layer, {.path = path}), kModule) << path;
  }
}

TEST(ExtractModule, APathThatIsNotThereIsNoModuleAndTheOthersAreListed) {
  const auto result = extract(pack({{"a.wasm", kModule}}), {.path = "b.wasm"});
  EXPECT_EQ(code_of(result), Code::no_module);
  EXPECT_NE(result.error().detail.find("it has a.wasm"), std::string::npos) << result.error().detail;
}

TEST(ExtractModule, TheEntryPointDecidesBetweenSeveral) {
  const auto layer = pack({{"a.wasm", kOther}, {"b.wasm", kModule}});
  EXPECT_EQ(extract(layer, {.entry_point = "/b.wasm"}), kModule);
  EXPECT_EQ(code_of(extract(layer, {.entry_point = "/c.wasm"})), Code::ambiguous_module);
}

TEST(ExtractModule, TheEntryPointNeedsNoSuffix) {
  EXPECT_EQ(extract(pack({{"app", kModule}}), {.entry_point = "/app"}), kModule);
}

TEST(ExtractModule, ALaterMemberReplacesAnEarlierOneOfTheSameName) {
  EXPECT_EQ(extract(pack({{"a.wasm", kOther}, {"./a.wasm", kModule}})), kModule);
}

TEST(ExtractModule, LinksDirectoriesAndWhiteoutsAreNoModules) {
  const auto layer = pack({{"real.wasm", kModule},
                           {"symbolic.wasm", "real.wasm", AE_IFLNK},
                           {"hard.wasm", "", AE_IFREG, "real.wasm"},
                           {"directory.wasm", {}, AE_IFDIR},
                           {"lib/.wh.old.wasm", {}}});
  EXPECT_EQ(extract(layer), kModule);
}

TEST(ExtractModule, WhatDoesNotBeginLikeAModuleIsNone) {
  EXPECT_EQ(code_of(extract(pack({{"a.wasm", "#!/bin/sh"}}))), Code::no_module);
  EXPECT_EQ(code_of(extract(pack({{"a.wasm", ""}}))), Code::no_module);
  EXPECT_EQ(code_of(extract(pack({{"readme", "hello"}}))), Code::no_module);
  EXPECT_EQ(code_of(extract("plain text")), Code::no_module);
  EXPECT_EQ(code_of(extract("")), Code::no_module);
}

TEST(ExtractModule, NothingIsUnpackedTwice) {
  for (const Filter outer : {archive_write_add_filter_gzip, archive_write_add_filter_zstd}) {
    const auto nested = compress(compress(kModule, archive_write_add_filter_gzip), outer);
    EXPECT_EQ(code_of(extract(nested)), Code::no_module);
  }
}

TEST(ExtractModule, AZstdFrameThatWantsTooMuchMemoryIsRefused) {
  // Frame header: window descriptor 0xb8 is 1 << 33 bytes; then an empty last raw block.
  const std::string layer("\x28\xb5\x2f\xfd\x00\xb8\x01\x00\x00", 9);
  const auto result = extract(layer);
  EXPECT_EQ(code_of(result), Code::no_module);
  EXPECT_NE(result.error().detail.find("memory"), std::string::npos) << result.error().detail;
}

TEST(ExtractModule, AnArchiveOfTooManyMembersIsTooLarge) {
  std::string block(512, '\0');
  const std::string one = pack({{"x", ""}}).substr(0, 512);
  std::string layer;
  layer.reserve(512 * 100'010);
  for (int i = 0; i < 100'001; ++i) layer += one;
  EXPECT_EQ(code_of(extract(layer, {.size_max_bytes = 64 * base::kMiB})), Code::too_large);
}

TEST(ExtractModule, NamesInMessagesArePrintable) {
  const auto result = extract(pack({{"a\n\x1b[31m.wasm", kModule}, {"b\xc3\xa4.wasm", kModule}}));
  EXPECT_EQ(code_of(result), Code::ambiguous_module);
  for (const char c : result.error().detail) EXPECT_TRUE(c >= ' ' && c <= '~');
}

TEST(ExtractModule, ANameBeyondAsciiCanBeNamed) {
  EXPECT_EQ(extract(pack({{"a.wasm", kOther}, {"b\xc3\xa4.wasm", kModule}}), {.path = "b\xc3\xa4.wasm"}), kModule);
}

TEST(ExtractModule, TheWritersErrorEndsIt) {
  const int fd = ::memfd_create("layer", MFD_CLOEXEC);
  ASSERT_EQ(::write(fd, kModule.data(), kModule.size()), static_cast<ssize_t>(kModule.size()));
  const auto done = extract_module(fd, {.path = {}, .entry_point = {}, .size_max_bytes = 100},
                                   [](auto) -> Result<void> { return fail(Code::io, Origin::internal, "disk full"); });
  ::close(fd);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().detail, "disk full");
}

TEST(ExtractModule, AFileThatCannotBeReadIsAnIoError) {
  const auto done =
      extract_module(-1, {.path = {}, .entry_point = {}, .size_max_bytes = 100}, [](auto) { return Result<void>(); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::io);
}

}  // namespace
}  // namespace propeller::registry
