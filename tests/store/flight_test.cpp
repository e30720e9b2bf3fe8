// One download, many readers: who gets which bytes when, and what happens when somebody dies.
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "store/store_fixture.hpp"

namespace propeller::store {
namespace {

using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

// Several megabytes: more than the window of bytes that are not kept.
std::string large_text(std::size_t bytes = 3'000'000) {
  std::string text(bytes, '\0');
  std::uint32_t state = 1;
  for (char& byte : text) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

class FlightTest : public StoreTest {
 protected:
  FlightTest() {
    options_.size_bytes_max = 100'000'000;
    options_.stall_max = 50ms;
  }
  std::unique_ptr<BlobReader> reader_of(const BlobDigest& digest) { return std::move(join(digest).reader); }

  void begin(BlobWriter& writer, std::optional<std::uint64_t> length, std::string validator = {}) {
    ASSERT_TRUE(run(writer.begin({.header_text = "A: b\r\n", .length = length, .validator = std::move(validator)})));
  }
};

TEST_F(FlightTest, EveryoneGetsTheSameDownload) {
  open();
  const std::string text = large_text();
  Joined first = join(digest_of(text));
  const auto second = join(digest_of(text));
  EXPECT_EQ(second.writer, nullptr);
  ASSERT_NE(second.reader, nullptr);
  const auto third = join(digest_of(text));
  auto [stored, one, two, three] = run(download(std::move(first.writer), text) && receive(*first.reader) &&
                                       receive(*second.reader, 1000) && receive(*third.reader));
  EXPECT_TRUE(stored && *stored);
  EXPECT_EQ(one.text, text);
  EXPECT_EQ(two.text, text);
  EXPECT_EQ(three.text, text);
  EXPECT_EQ(probe_.misses.value(), 1U);
  EXPECT_EQ(probe_.collapsed.value(), 2U);
  EXPECT_EQ(store_->status().flights, 0U);
}

// Who may have a blob is the key's matter: somebody else's download, or blob, of the same digest is no answer.
TEST_F(FlightTest, WithAKeyADigestIsVerifiedAndNeverGivesAccess) {
  open();
  put("hello");
  const auto ask = [&](const std::string& key) {
    return std::move(*run(store_->join({.key = key, .digest = digest_of("hello")})));
  };
  Joined one = ask("one");
  Joined two = ask("two");
  EXPECT_EQ(one.blob, nullptr);
  ASSERT_TRUE(one.writer && two.writer);
  EXPECT_EQ(ask("one").writer, nullptr);
  EXPECT_TRUE(run(download(std::move(one.writer), "hello")));
  EXPECT_EQ(run(download(std::move(two.writer), "other")).error().code, Code::digest_mismatch);
  EXPECT_EQ(store_->status().blobs, 1U);
}

TEST_F(FlightTest, WhoMayNotBeginJoinsWhatIsOnItsWayOrNothing) {
  open();
  const auto join_only = [&] { return std::move(*run(store_->join({.key = "k", .digest = {}, .may_begin = false}))); };
  const Joined nothing = join_only();
  EXPECT_TRUE(!nothing.blob && !nothing.reader && !nothing.writer);
  Joined first = std::move(*run(store_->join({.key = "k", .digest = {}})));
  begin(*first.writer, 5);
  ASSERT_TRUE(run(first.writer->write("he")));
  const Joined along = join_only();
  ASSERT_NE(along.reader, nullptr);
  EXPECT_EQ(along.writer, nullptr);
  EXPECT_EQ(along.reader->received(), 2U);
}

// An entry is put after the blob: without this, who came in between found neither and downloaded again.
TEST_F(FlightTest, ADownloadCanBeJoinedUntilItsWriterGoes) {
  open();
  Joined first = std::move(*run(store_->join({.key = "k", .digest = {}})));
  begin(*first.writer, 5);
  ASSERT_TRUE(run(first.writer->write("hello")));
  ASSERT_TRUE(run(first.writer->finish()));
  const Joined late = std::move(*run(store_->join({.key = "k", .digest = {}})));
  EXPECT_EQ(late.writer, nullptr);
  EXPECT_EQ(run(receive(*late.reader)).text, "hello");
  first.writer.reset();
  EXPECT_NE(std::move(*run(store_->join({.key = "k", .digest = {}}))).writer, nullptr);
}

TEST_F(FlightTest, BytesStreamAlongBeforeTheDownloadIsDone) {
  open();
  Joined joined = join(digest_of("hello world"));
  begin(*joined.writer, 11);
  ASSERT_TRUE(run(joined.writer->write("hello ")));
  const auto head = run(joined.reader->head());
  EXPECT_EQ(std::get<const BlobHead*>(*head)->header_text, "A: b\r\n");
  const auto piece = run(joined.reader->read(100));
  EXPECT_EQ(std::get<FilePiece>(*piece).count, 6U);
  ASSERT_TRUE(run(joined.writer->write("world")));
  ASSERT_TRUE(run(joined.writer->finish()));
  EXPECT_EQ(run(receive(*joined.reader)).text, "world");
}

TEST_F(FlightTest, TheLastByteIsHeldBackUntilTheDigestIsKnownToBeRight) {
  open();
  Joined joined = join(digest_of("hello"));
  begin(*joined.writer, 5);
  ASSERT_TRUE(run(joined.writer->write("hellO")));
  EXPECT_EQ(std::get<FilePiece>(*run(joined.reader->read(100))).count, 4U);
  EXPECT_EQ(run(joined.writer->finish()).error().code, Code::digest_mismatch);
  EXPECT_EQ(run(joined.reader->read(100)).error().code, Code::digest_mismatch);
  EXPECT_EQ(find(digest_of("hello")), nullptr);
}

TEST_F(FlightTest, WithoutALengthTheLastByteOfWhatCameIsHeldBack) {
  open();
  Joined joined = join(digest_of("hello"));
  begin(*joined.writer, std::nullopt);
  ASSERT_TRUE(run(joined.writer->write("hello")));
  EXPECT_EQ(std::get<FilePiece>(*run(joined.reader->read(100))).count, 4U);
  ASSERT_TRUE(run(joined.writer->finish()));
  EXPECT_EQ(run(receive(*joined.reader)).text, "o");
}

TEST_F(FlightTest, MoreBytesThanAnnouncedBreakTheDownload) {
  open();
  Joined joined = join(digest_of("hello"));
  begin(*joined.writer, 5);
  EXPECT_EQ(run(joined.writer->write("hello world")).error().code, Code::digest_mismatch);
  EXPECT_EQ(run(receive(*joined.reader)).error->code, Code::digest_mismatch);
}

TEST_F(FlightTest, FewerBytesThanAnnouncedBreakTheDownload) {
  open();
  Joined joined = std::move(*run(store_->join({.key = "no digest", .digest = {}})));
  begin(*joined.writer, 5);
  ASSERT_TRUE(run(joined.writer->write("hel")));
  EXPECT_FALSE(run(joined.writer->finish()));
  EXPECT_EQ(run(receive(*joined.reader)).error->code, Code::digest_mismatch);
}

TEST_F(FlightTest, ARangeIsServedWithinWhatIsThereAndWaitsForWhatWillCome) {
  open();
  Joined joined = join(digest_of("0123456789"));
  const auto near = reader_of(digest_of("0123456789"));
  const auto far = reader_of(digest_of("0123456789"));
  near->set_range(1, 3);
  far->set_range(8, std::nullopt);
  begin(*joined.writer, 10);
  ASSERT_TRUE(run(joined.writer->write("01234")));
  EXPECT_EQ(run(receive(*near)).text, "123");
  const auto finish = [](BlobWriter& writer) -> awaitable<bool> {
    const auto written = co_await writer.write("56789");
    const auto finished = co_await writer.finish();
    co_return written&& finished;
  };
  auto [received, finished] = run(receive(*far) && finish(*joined.writer));
  EXPECT_TRUE(finished);
  EXPECT_EQ(received.text, "89");
}

TEST_F(FlightTest, TheDownloadGoesOnWhenTheFirstClientLeaves) {
  open();
  Joined joined = join(digest_of("hello"));
  joined.reader.reset();
  ASSERT_TRUE(run(download(std::move(joined.writer), "hello")));
  EXPECT_NE(find(digest_of("hello")), nullptr);
}

TEST_F(FlightTest, AReaderTakesOverFromAWriterThatDied) {
  open();
  const std::string text = large_text();
  Joined joined = join(digest_of(text));
  const auto other = reader_of(digest_of(text));
  begin(*joined.writer, text.size(), "\"v1\"");
  ASSERT_TRUE(run(joined.writer->write(std::string_view(text).substr(0, 1'000'000))));
  joined.writer.reset();
  Received part = run(receive(*joined.reader));
  ASSERT_NE(part.writer, nullptr);
  EXPECT_EQ(part.writer->offset(), 1'000'000U);
  EXPECT_EQ(part.writer->head()->validator, "\"v1\"");
  auto [stored, rest, whole] =
      run(download(std::move(part.writer), text) && receive(*joined.reader) && receive(*other));
  EXPECT_TRUE(stored && *stored);
  EXPECT_EQ(part.text + rest.text, text);
  EXPECT_EQ(whole.text, text);
  EXPECT_EQ(probe_.take_overs.value(), 1U);
}

TEST_F(FlightTest, AWriterThatDiesBeforeTheHeadIsReplacedToo) {
  open();
  Joined joined = join(digest_of("hello"));
  joined.writer.reset();
  auto head = run(joined.reader->head());
  auto* over = std::get_if<TakeOver>(&*head);
  ASSERT_NE(over, nullptr);
  EXPECT_EQ(over->writer->head(), nullptr);
  ASSERT_TRUE(run(download(std::move(over->writer), "hello")));
  EXPECT_EQ(run(receive(*joined.reader)).text, "hello");
}

TEST_F(FlightTest, AfterTooManyTakeOversTheReadersGetAnError) {
  open();
  Joined joined = join(digest_of("hello"));
  for (int i = 0; i < BlobWriter::kTakeOversMax; ++i) {
    joined.writer.reset();
    Received received = run(receive(*joined.reader));
    ASSERT_NE(received.writer, nullptr) << i;
    joined.writer = std::move(received.writer);
  }
  joined.writer.reset();
  EXPECT_EQ(run(receive(*joined.reader)).error->code, Code::registry_unavailable);
  EXPECT_EQ(store_->status().flights, 0U);
}

TEST_F(FlightTest, WithoutWriterAndReadersNothingIsLeft) {
  open();
  {
    Joined joined = join(digest_of("hello"));
    begin(*joined.writer, 5);
    ASSERT_TRUE(run(joined.writer->write("he")));
    EXPECT_EQ(store_->status().bytes, 5U);
  }
  EXPECT_EQ(store_->status().flights, 0U);
  store_.reset();  // waits for drafts, which go on the pool
  EXPECT_EQ(probe_.bytes.value(), 0);
  EXPECT_TRUE(fs::is_empty(directory_ / "tmp"));
}

TEST_F(FlightTest, AnAnswerThatIsNotForSharingSendsEveryoneOnTheirOwnWay) {
  open();
  Joined joined = join(digest_of("hello"));
  const auto other = reader_of(digest_of("hello"));
  joined.writer->decline();
  EXPECT_TRUE(std::holds_alternative<Alone>(*run(other->head())));
  EXPECT_EQ(run(receive(*joined.reader)).alone_from, 0U);
  EXPECT_NE(join(digest_of("hello")).writer, nullptr);  // the next one begins anew
}

TEST_F(FlightTest, AFailureOfTheUpstreamReachesEveryReader) {
  open();
  Joined joined = join(digest_of("hello"));
  const auto other = reader_of(digest_of("hello"));
  joined.writer->fail({Code::not_found, Origin::upstream, "no such blob"});
  EXPECT_EQ(run(joined.reader->head()).error().code, Code::not_found);
  EXPECT_EQ(run(receive(*other)).error->code, Code::not_found);
}

TEST_F(FlightTest, BytesThatCannotBeKeptGoThroughAWindowAtTheReadersPace) {
  options_.object_bytes_max = 1000;
  open();
  const std::string text = large_text();
  Joined joined = join(digest_of(text));
  const auto other = reader_of(digest_of(text));
  auto [stored, one, two] =
      run(download(std::move(joined.writer), text) && receive(*joined.reader) && receive(*other, 3000));
  EXPECT_TRUE(stored);
  EXPECT_EQ(*stored, nullptr);
  EXPECT_TRUE(one.text == text);
  EXPECT_TRUE(two.text == text);
}

TEST_F(FlightTest, AReaderThatDoesNotMoveIsSentAwayFromAFullWindow) {
  options_.object_bytes_max = 1000;
  open();
  const std::string text = large_text();
  Joined joined = join(digest_of(text));
  const auto stuck = reader_of(digest_of(text));
  auto [stored, one] = run(download(std::move(joined.writer), text) && receive(*joined.reader));
  EXPECT_TRUE(stored);
  EXPECT_TRUE(one.text == text);
  EXPECT_EQ(run(receive(*stuck)).alone_from, 0U);
}

TEST_F(FlightTest, ADownloadThatNobodyReadsAndNobodyKeepsIsCancelled) {
  options_.object_bytes_max = 1000;
  open();
  const std::string text = large_text();
  Joined joined = join(digest_of(text));
  joined.reader.reset();
  EXPECT_EQ(run(download(std::move(joined.writer), text)).error().code, Code::cancelled);
  EXPECT_EQ(store_->status().flights, 0U);
}

TEST_F(FlightTest, AnObjectOfUnknownLengthThatGrowsTooLargeIsStillServedToTheEnd) {
  options_.object_bytes_max = 1'000'000;
  open();
  const std::string text = large_text();
  Joined joined = join(digest_of(text));
  begin(*joined.writer, std::nullopt);
  auto [stored, one] = run(download(std::move(joined.writer), text) && receive(*joined.reader));
  EXPECT_TRUE(stored);
  EXPECT_TRUE(one.text == text);
  EXPECT_EQ(find(digest_of(text)), nullptr);
}

TEST_F(FlightTest, MoreReadersThanAllowedAreRefused) {
  open();
  Joined joined = join(digest_of("hello"));
  std::vector<std::unique_ptr<BlobReader>> readers;
  for (std::size_t i = 1; i < ContentStore::kReadersMax; ++i) readers.push_back(reader_of(digest_of("hello")));
  const auto refused = run(store_->join({.key = {}, .digest = digest_of("hello")}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::overloaded);
}

TEST_F(FlightTest, MoreDownloadsThanAllowedAreRefused) {
  open();
  std::vector<Joined> downloads;
  for (std::size_t i = 0; i < ContentStore::kFlightsMax; ++i) {
    downloads.push_back(std::move(*run(store_->join({.key = std::to_string(i), .digest = {}}))));
  }
  EXPECT_EQ(run(store_->join({.key = "one more", .digest = {}})).error().code, Code::overloaded);
  downloads.clear();
  EXPECT_TRUE(run(store_->join({.key = "one more", .digest = {}})));
}

}  // namespace
}  // namespace propeller::store
