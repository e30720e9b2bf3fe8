// The client of registries with a content store behind it.
#include "registry/kept_content.hpp"

#include <gmock/gmock.h>

#include <filesystem>

#include "observe/metrics.hpp"
#include "registry/client_fixture.hpp"
#include "registry/kept_place.hpp"
#include "registry/kept_tag.hpp"

namespace propeller::registry {
namespace {

using support::FakeRegistry;
using support::FaultKind;

Url url(std::string_view text) { return parse_url(text).value(); }

Credentials login(std::string username, std::string password) {
  return {.username = std::move(username), .password = Secret(std::move(password)), .identity_token = {}, .bearer = {}};
}

TEST(KeptPlace, OfEverybodyIsTheUrlAsTheForwardProxyHasIt) {
  EXPECT_EQ(shared_key(url("https://Registry.example.org:443/v2/a/b")), "https://registry.example.org/v2/a/b");
  EXPECT_EQ(shared_key(url("http://r:80/v2/a")), "http://r/v2/a");
  EXPECT_EQ(shared_key(url("http://r:443/v2/a")), "http://r:443/v2/a");
  EXPECT_EQ(shared_key(url("https://[::1]:5000/v2/a")), "https://[::1]:5000/v2/a");
  LoginNames names;
  const auto place = place_of_content(url("https://r.example/v2/a"), {}, names);
  EXPECT_TRUE(place.is_shared);
  EXPECT_EQ(place.key, "https://r.example/v2/a");
}

TEST(KeptPlace, OfALoginIsThatLoginsAlone) {
  const auto at = url("https://r.example/v2/a");
  LoginNames names;
  const auto key_of = [&](const Credentials& who) { return place_of_content(at, who, names).key; };
  const auto ann = place_of_content(at, login("ann", "x"), names);
  EXPECT_FALSE(ann.is_shared);
  EXPECT_THAT(ann.key, testing::AllOf(testing::StartsWith("bridge:"), testing::EndsWith(":https://r.example/v2/a")));
  EXPECT_EQ(ann.key, key_of(login("ann", "x")));
  LoginNames after_a_restart;
  EXPECT_EQ(ann.key, place_of_content(at, login("ann", "x"), after_a_restart).key);
  EXPECT_NE(ann.key, key_of(login("bob", "x")));
  EXPECT_NE(ann.key, key_of(login("ann", "another"))) << "of the same name, and yet another login";
  Credentials token;
  token.bearer = Secret("t1");
  const auto first = key_of(token);
  token.bearer = Secret("t2");
  EXPECT_NE(first, key_of(token));
  EXPECT_EQ(first.find("t1"), std::string::npos);
}

TEST(KeptPlace, OfATagIsTheBridgesOwnForEverybodyToo) {
  const auto at = url("https://r.example/v2/a/manifests/latest");
  LoginNames names;
  EXPECT_EQ(key_of_tag(at, {}, names), "bridge:anybody:https://r.example/v2/a/manifests/latest");
  EXPECT_NE(key_of_tag(at, {}, names), key_of_tag(at, login("ann", "x"), names));
}

TEST(KeptPlace, NamesOfManyLoginsAreForgotten) {
  LoginNames names;
  for (std::size_t i = 0; i <= LoginNames::kLoginsMax; ++i) (void)names.of(login(std::to_string(i), "x"));
  EXPECT_EQ(names.size(), 1U);
}

TEST(KeptFields, ATypeComesBackAndWhatIsNoneDoesNot) {
  const auto digest = base::sha256("x");
  EXPECT_EQ(kept_content_type(kept_fields("application/json; a=b", digest)), "application/json; a=b");
  EXPECT_EQ(kept_content_type("Etag: \"1\"\r\ncontent-type: text/plain\r\n"), "text/plain");
  EXPECT_EQ(kept_content_type("X-Content-Type: a\r\n"), "");
  EXPECT_EQ(kept_content_type(kept_fields("a\r\nSet-Cookie: b", digest)), "");
  EXPECT_EQ(kept_content_type(kept_fields(std::string(300, 'a'), digest)), "");
}

async::awaitable<bool> write_all(store::BlobWriter& to, std::string_view bytes, std::size_t length = 0) {
  const auto begun = co_await to.begin({.header_text = {}, .length = length == 0 ? bytes.size() : length});
  co_return begun&& co_await to.write(bytes);
}

async::awaitable<Result<std::string>> read_rest(BlobStream& from) {
  std::string text;
  for (;;) {
    const auto bytes = co_await from.read(100'000);
    if (!bytes) co_return std::unexpected(bytes.error());
    if (bytes->empty()) co_return text;
    text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
}

/// Two clients of one store, with a registry that anybody may read.
class ClientWithStore : public testing::Test {
 public:
  ~ClientWithStore() override { settle(); }

 protected:
  ClientWithStore() {
    EXPECT_TRUE(store_.open());
    registry_.push_module("acme/m", "v1", module_);
    settings_.url = registry_.url();
    settings_.first_byte_timeout = std::chrono::seconds(10);
    settings_.stall_timeout = std::chrono::seconds(10);
    for (auto& each : clients_) {
      each.kept.emplace(context_.get_executor(), store_, pool_);
      each.client.emplace(context_.get_executor(), settings_, &*each.kept);
    }
  }
  /// What was fetched is published.
  void settle() {
    const auto stop = [](KeptContent& kept) -> async::awaitable<bool> {
      co_await kept.stop();
      co_return true;
    };
    for (auto& each : clients_) run(context_, stop(*each.kept));
  }
  Client& client(std::size_t index = 0) { return *clients_.at(index).client; }
  [[nodiscard]] Reference reference(const std::string& name = "acme/m:v1") const {
    return parse_reference(name, settings_.url).value();
  }
  [[nodiscard]] std::string blob_key() const {
    return registry_.url() + "/v2/acme/m/blobs/" + base::sha256(module_).to_string();
  }
  store::Joined begin_elsewhere() {
    return run(context_, store_.join({.key = blob_key(), .digest = base::sha256(module_)})).value();
  }
  Result<std::string> fetch(std::size_t index = 0) {
    return run(context_, fetch_blob(client(index), reference(), base::sha256(module_), module_.size()));
  }
  [[nodiscard]] int blob_requests() const { return registry_.requests_with("/blobs/"); }

  struct Each {
    std::optional<KeptContent> kept;
    std::optional<Client> client;
  };

  const std::string module_ = large_module(900'000);
  FakeRegistry registry_;
  support::TempDir directory_;
  config::Registry settings_;
  observe::Metrics metrics_;
  store::Probe probe_{metrics_};
  async::asio::thread_pool pool_{2};
  store::ContentStore store_{
      {.directory = directory_ / "store", .free_bytes_min = 0, .policy = store::PolicyKind::lru}, pool_, probe_};
  async::asio::io_context context_{1};
  std::array<Each, 2> clients_;
};

TEST_F(ClientWithStore, ATagIsWhatClientsOfTheProxyWereToldLastWithoutALogin) {
  const std::string tag = registry_.url() + "/v2/acme/m/manifests/v1";
  std::int64_t checked_at = 0;
  for (const auto* form : {"aa", "bb", "cc private", "cc private ann"}) {
    ASSERT_TRUE(run(context_, store_.put_entry({.key = tag + std::string(kTagMark) + form,
                                                .note = tag_note(base::sha256(form).to_string()),
                                                .checked_at = ++checked_at})));
  }
  EXPECT_EQ(run(context_, clients_[0].kept->find_tag(tag)), base::sha256("bb"));
  EXPECT_EQ(run(context_, clients_[0].kept->find_tag(tag + "0")), std::nullopt);
}

TEST_F(ClientWithStore, TwoAtOnceMakeOneRequestOfADigest) {
  registry_.inject("/v2/acme/m/", {.kind = FaultKind::trickle, .bytes = 50'000, .pause = std::chrono::milliseconds(5)});
  const auto manifest = run(context_, client().resolve(reference())).value().manifest;
  const auto asked = registry_.requests_with("/manifests/");
  const auto pinned = reference("acme/m@" + manifest.to_string());
  const auto both = [&](Client& first, Client& second) -> async::awaitable<bool> {
    std::array<std::optional<Result<std::string>>, 2> got;
    const auto fetch_into = [](Client& from, Reference name,
                               std::optional<Result<std::string>>& to) -> async::awaitable<void> {
      to = co_await fetch_image(from, std::move(name));
    };
    async::TaskGroup group(co_await async::asio::this_coro::executor);
    group.spawn(fetch_into(first, pinned, got[0]));
    group.spawn(fetch_into(second, pinned, got[1]));
    co_await group.join();
    co_return got[0]->value() == module_&& got[1]->value() == module_;
  };
  EXPECT_TRUE(run(context_, both(client(0), client(1))));
  EXPECT_LE(registry_.requests_with("/manifests/"), asked + 1);
  EXPECT_EQ(blob_requests(), 1);
}

TEST_F(ClientWithStore, ADownloadThatDiesElsewhereIsGoneOnWithWhereItWas) {
  auto elsewhere = begin_elsewhere();
  constexpr std::size_t kHalf = 400'000;
  const auto write_half = [](store::BlobWriter& writer, std::string_view module) -> async::awaitable<Result<void>> {
    if (auto begun = co_await writer.begin({.header_text = {}, .length = module.size()}); !begun) co_return begun;
    co_return co_await writer.write(module.substr(0, kHalf));
  };
  ASSERT_TRUE(run(context_, write_half(*elsewhere.writer, module_)));
  auto stream = run(context_, client().open_blob(reference(), base::sha256(module_), module_.size())).value();
  const auto read_some = [](BlobStream& from, std::size_t count) -> async::awaitable<Result<std::string>> {
    std::string text;
    while (text.size() < count) {
      const auto bytes = co_await from.read(count - text.size());
      if (!bytes) co_return std::unexpected(bytes.error());
      if (bytes->empty()) break;
      text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    }
    co_return text;
  };
  auto text = run(context_, read_some(*stream, kHalf)).value();
  EXPECT_EQ(blob_requests(), 0) << "it rides along";
  elsewhere = {};
  text += run(context_, read_some(*stream, module_.size())).value();
  EXPECT_TRUE(text == module_);
  ASSERT_EQ(blob_requests(), 1);
  EXPECT_EQ(registry_.requests().back().field("range"), "bytes=400000-");
}

TEST_F(ClientWithStore, AnotherAnswerThanTheContentIsNotFollowed) {
  for (store::BlobHead head : {store::BlobHead{.status = 200, .header_text = {}, .length = 5},
                               store::BlobHead{.status = 200, .header_text = {}, .length = module_.size(), .note = "x"},
                               store::BlobHead{.status = 404, .header_text = {}, .length = module_.size()}}) {
    auto elsewhere = begin_elsewhere();
    ASSERT_TRUE(elsewhere.writer);
    ASSERT_TRUE(run(context_, elsewhere.writer->begin(std::move(head))));
    const auto asked = blob_requests();
    EXPECT_TRUE(fetch().value() == module_);
    EXPECT_EQ(blob_requests(), asked + 1);
    elsewhere.writer->decline();
  }
}

TEST_F(ClientWithStore, AMemoryIsForAnOutageAndNotForARefusal) {
  for (const int status : {400, 410, 451, 500, 501, 503}) {
    const auto manifest = run(context_, client().resolve(reference())).value().manifest;
    settle();
    registry_.inject("/manifests/", {.kind = FaultKind::status, .status = status});
    const auto resolved = run(context_, client().resolve(reference()));
    ASSERT_EQ(resolved.has_value(), status >= 500) << status;
    if (resolved) EXPECT_EQ(resolved->manifest, manifest);
    registry_.clear_faults();
  }
}

TEST_F(ClientWithStore, OfOneKeyTheLastThatWasSaidHolds) {
  auto& kept = *clients_[0].kept;
  const auto find = [&] { return run(context_, kept.find_document("bridge:k")); };
  const auto document = [](std::string text) {
    return Document{.text = text, .content_type = "a/b", .digest = base::sha256(text)};
  };
  kept.keep_document({"bridge:k"}, document("one"));
  context_.poll_one();
  kept.keep_document({"bridge:k"}, document("two"));
  settle();
  ASSERT_TRUE(find());
  EXPECT_EQ(find()->text, "two");
  kept.keep_document({"bridge:k"}, document("three"));
  context_.poll_one();
  kept.forget("bridge:k");
  EXPECT_FALSE(find()) << "not before it is erased either";
  settle();
  EXPECT_FALSE(find());
}

TEST_F(ClientWithStore, NoMoreIsKeptThanCanBeWrittenAtOnce) {
  auto& kept = *clients_[0].kept;
  const Document document{.text = "one", .content_type = "a/b", .digest = base::sha256("one")};
  for (std::size_t i = 0; i <= KeptContent::kWritingMax; ++i) kept.keep_document({std::to_string(i)}, document);
  settle();
  const auto find = [&](std::size_t i) { return run(context_, kept.find_document(std::to_string(i))); };
  EXPECT_TRUE(find(KeptContent::kWritingMax - 1));
  EXPECT_FALSE(find(KeptContent::kWritingMax));
  kept.keep_document({std::to_string(KeptContent::kWritingMax)}, document);
  settle();
  EXPECT_TRUE(find(KeptContent::kWritingMax));
}

// Whoever names the same URL tells the store which digest to expect; it may be another one than ours.
TEST_F(ClientWithStore, BytesThatWereRightForAnotherDigestAreNotForOurs) {
  const std::string other(module_.size(), 'x');
  auto elsewhere = run(context_, store_.join({.key = blob_key(), .digest = base::sha256(other)})).value();
  auto& writer = *elsewhere.writer;
  run(context_, write_all(writer, other));
  auto stream = run(context_, client().open_blob(reference(), base::sha256(module_), module_.size())).value();
  EXPECT_EQ(blob_requests(), 0) << "it rides along";
  ASSERT_TRUE(run(context_, writer.finish()));
  const auto got = run(context_, read_rest(*stream));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Code::digest_mismatch);
}

TEST_F(ClientWithStore, AManifestThatWasRightForAnotherDigestIsFetchedAlone) {
  const auto manifest = run(context_, client().resolve(reference())).value().manifest;
  settle();
  const auto key = registry_.url() + "/v2/acme/m/manifests/" + manifest.to_string();
  ASSERT_TRUE(run(context_, store_.erase_entry(key)).value());
  const std::string other = R"({"schemaVersion":2,"layers":[]})";
  auto elsewhere = run(context_, store_.join({.key = key, .digest = base::sha256(other)})).value();
  run(context_, write_all(*elsewhere.writer, other));
  ASSERT_TRUE(run(context_, elsewhere.writer->finish()));
  const auto resolved = run(context_, client(1).resolve(reference("acme/m@" + manifest.to_string())));
  ASSERT_TRUE(resolved) << describe(resolved.error());
  EXPECT_EQ(resolved->candidates.front().digest, base::sha256(module_));
}

// A download elsewhere that cannot be resumed fails like one of wrong bytes; our own need not.
TEST_F(ClientWithStore, AFailureOnAnothersWayIsNotOurs) {
  for (const auto code : {Code::digest_mismatch, Code::registry_unavailable}) {
    auto elsewhere = begin_elsewhere();
    run(context_, write_all(*elsewhere.writer, std::string_view(module_).substr(0, 400'000), module_.size()));
    auto stream = run(context_, client().open_blob(reference(), base::sha256(module_), module_.size())).value();
    elsewhere.writer->fail({code, Origin::upstream, "the download cannot be resumed"});
    EXPECT_TRUE(run(context_, read_rest(*stream)) == module_);
  }
}

TEST_F(ClientWithStore, WhoBringsNothingForTooLongIsLeft) {
  settings_.stall_timeout = std::chrono::milliseconds(200);
  Client impatient(context_.get_executor(), settings_, &*clients_[0].kept);
  auto elsewhere = begin_elsewhere();
  run(context_, write_all(*elsewhere.writer, std::string_view(module_).substr(0, 400'000), module_.size()));
  EXPECT_TRUE(run(context_, fetch_blob(impatient, reference(), base::sha256(module_), module_.size())) == module_);
  EXPECT_EQ(blob_requests(), 1);
}

// It would wait in memory for us, and everybody else with it.
TEST_F(ClientWithStore, WhatCannotBeKeptIsFetchedAlone) {
  store::ContentStore small({.directory = directory_ / "small",
                             .size_bytes_max = 100'000,
                             .free_bytes_min = 0,
                             .policy = store::PolicyKind::lru},
                            pool_, probe_);
  ASSERT_TRUE(small.open());
  KeptContent kept(context_.get_executor(), small, pool_);
  Client alone(context_.get_executor(), settings_, &kept);
  auto elsewhere = run(context_, small.join({.key = blob_key(), .digest = base::sha256(module_)})).value();
  ASSERT_TRUE(
      run(context_, write_all(*elsewhere.writer, std::string_view(module_).substr(0, 400'000), module_.size())));
  EXPECT_TRUE(run(context_, fetch_blob(alone, reference(), base::sha256(module_), module_.size())) == module_);
  ASSERT_EQ(blob_requests(), 1);
  EXPECT_EQ(registry_.requests().back().field("range"), "") << "all of it";
}

TEST_F(ClientWithStore, AFileThatCannotBeReadIsFetchedFromTheRegistry) {
  ASSERT_TRUE(fetch().value() == module_);
  settle();
  auto stream = run(context_, client().open_blob(reference(), base::sha256(module_), module_.size())).value();
  ASSERT_EQ(blob_requests(), 1) << "it comes from the store";
  std::filesystem::resize_file(directory_ / "store" / "blobs" / "sha256" / base::sha256(module_).hex(), 1000);
  const auto got = run(context_, read_rest(*stream));
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_TRUE(*got == module_);
  EXPECT_EQ(blob_requests(), 2);
}

// The bridge gives up; a client of the forward proxy, who waits for the same, goes on.
TEST_F(ClientWithStore, WhoFollowsTakesOverWhatWeCannotBring) {
  settings_.attempts_max = 1;
  registry_.inject("/blobs/", {.kind = FaultKind::close_after, .bytes = 400'000});
  Client hasty(context_.get_executor(), settings_, &*clients_[0].kept);
  auto stream = run(context_, hasty.open_blob(reference(), base::sha256(module_), module_.size())).value();
  auto follower = begin_elsewhere();
  ASSERT_FALSE(follower.writer);
  ASSERT_FALSE(run(context_, read_rest(*stream)));
  const auto read_on = [](store::BlobReader& reader) -> async::awaitable<bool> {
    for (;;) {
      const auto outcome = co_await reader.read(1 << 20);
      if (!outcome || std::holds_alternative<store::End>(*outcome)) co_return false;
      if (std::holds_alternative<store::TakeOver>(*outcome)) co_return true;
    }
  };
  EXPECT_TRUE(run(context_, read_on(*follower.reader)));
}

TEST_F(ClientWithStore, AnEntryWithANoteIsNotOurs) {
  ASSERT_TRUE(fetch().value() == module_);
  settle();
  const auto find = [&] { return run(context_, client().find_blob(reference(), base::sha256(module_))); };
  ASSERT_TRUE(find());
  auto entry = *run(context_, store_.find_entry(blob_key())).value();
  entry.note = "only after a question";
  ASSERT_TRUE(run(context_, store_.put_entry(std::move(entry))));
  EXPECT_FALSE(find());
}

TEST_F(ClientWithStore, AHostThatMayNotBeNamedGetsNothingFromTheStoreEither) {
  ASSERT_TRUE(fetch().value() == module_);
  settle();
  settings_.url = "https://registry.example.org";
  Client other(context_.get_executor(), settings_, &*clients_[0].kept);
  const auto name = parse_reference(registry_.url() + "/acme/m:v1", settings_.url).value();
  EXPECT_FALSE(run(context_, other.find_blob(name, base::sha256(module_))));
  const auto resolved = run(context_, other.resolve(name));
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, Code::not_allowed);
}

}  // namespace
}  // namespace propeller::registry
