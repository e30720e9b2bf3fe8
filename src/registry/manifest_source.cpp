#include "registry/manifest_source.hpp"

#include <utility>

#include "registry/manifest.hpp"
#include "registry/retry.hpp"

namespace propeller::registry {

namespace {

Result<Url> url_of(const Reference& reference, std::string_view name) {
  return parse_url(reference.origin() + "/v2/" + reference.repository + "/manifests/" + std::string(name));
}

/// The registry is not there, or will not say now. Any other status is its word, and no memory speaks against it.
bool is_outage(const Failure& failure) {
  constexpr int kServerErrors = 500;
  const auto code = failure.error.code;
  if (code != Code::registry_unavailable && code != Code::timeout) return false;
  return failure.status == 0 || failure.status >= kServerErrors || is_retryable_status(failure.status);
}

Result<Document> result_of(Attempt<Document> attempt) {
  if (attempt) return std::move(*attempt);
  return std::unexpected(std::move(attempt.error().error));
}

/// It has said that we do not get it any more.
bool is_refusal(const Error& error) { return error.code == Code::unauthorized || error.code == Code::not_found; }

Attempt<void> check_digest(const Document& document, const std::string& name, std::string_view announced) {
  const auto mismatch = [&] {
    return give_up(Code::digest_mismatch, Origin::upstream,
                   "the manifest " + name + " came with other bytes, of " + document.digest.to_string());
  };
  // Other algorithms than SHA-256 in the header field are none of our business; in the name they cannot be.
  if (const auto wanted = Digest::parse(name); wanted && *wanted != document.digest) return mismatch();
  if (const auto said = Digest::parse(announced); said && *said != document.digest) return mismatch();
  return {};
}

}  // namespace

async::awaitable<Result<Document>> ManifestSource::get(Question question) {
  const auto url = url_of(question.reference, question.name);
  if (parts_.kept == nullptr || !url || !parts_.policy_by_name.check_name(*url, Pointer::request))
    co_return result_of(co_await ask(question, false));
  const auto login = co_await parts_.credentials.find(*url);
  if (!login) co_return result_of(co_await ask(question, false));
  const auto digest = Digest::parse(question.name);
  if (!digest) co_return co_await get_or_remember(question, key_of_tag(*url, *login, parts_.logins));
  const auto place = place_of_content(*url, *login, parts_.logins);
  if (place.is_shared) co_return co_await get_by_digest(question, *digest, place.key);
  co_return co_await get_or_remember(question, place.key);
}

async::awaitable<Result<Document>> ManifestSource::get_by_digest(const Question& question, Digest digest,
                                                                 const std::string& key) {
  if (auto found = co_await parts_.kept->find_document(key); found && found->digest == digest)
    co_return std::move(*found);
  auto joined = co_await parts_.kept->join(key, digest);
  if (joined.writer) {
    joined.reader.reset();
    co_return co_await download(question, digest, key, std::move(joined.writer));
  }
  if (joined.reader) {
    if (auto arrived = co_await ride_along(*joined.reader, digest)) co_return std::move(*arrived);
  }
  co_return result_of(co_await ask(question, false));
}

async::awaitable<Result<Document>> ManifestSource::download(const Question& question, Digest digest,
                                                            const std::string& key,
                                                            std::unique_ptr<store::BlobWriter> writer) {
  // What was on its way at the first look may have ended before the second.
  if (auto found = co_await parts_.kept->find_document(key); found && found->digest == digest) {
    writer->decline();
    co_return std::move(*found);
  }
  auto document = result_of(co_await ask(question, false));
  const auto url = url_of(question.reference, question.name);
  if (!document || !url || !co_await is_for_everybody(*url)) {
    writer->decline();
    co_return document;
  }
  parts_.kept->publish(
      {.writer = std::move(writer),
       .key = key,
       .rest = document->text,
       .head = {.header_text = kept_fields(document->content_type, digest), .length = document->text.size()}});
  co_return document;
}

// Whatever goes wrong on somebody else's way is a reason to go one's own.
async::awaitable<std::optional<Document>> ManifestSource::ride_along(store::BlobReader& reader, Digest digest) {
  const auto head = co_await reader.head(std::chrono::steady_clock::now() + parts_.settings.first_byte_timeout);
  const auto* begun = head ? std::get_if<const store::BlobHead*>(&*head) : nullptr;
  if (begun == nullptr || (*begun)->status != 200 || !(*begun)->note.empty()) co_return std::nullopt;
  Document document{.text = {}, .content_type = kept_content_type((*begun)->header_text), .digest = digest};
  for (;;) {
    const auto outcome =
        co_await reader.read(kManifestBytesMax, std::chrono::steady_clock::now() + parts_.settings.stall_timeout);
    if (!outcome || document.text.size() > kManifestBytesMax) co_return std::nullopt;
    if (std::holds_alternative<store::End>(*outcome)) {
      // Checked there, but perhaps against another digest: who began it may have been asked for something else.
      co_return base::sha256(document.text) == digest ? std::optional(std::move(document)) : std::nullopt;
    }
    if (const auto* memory = std::get_if<store::MemoryPiece>(&*outcome)) {
      document.text.append(memory->bytes);
    } else if (const auto* file = std::get_if<store::FilePiece>(&*outcome)) {
      const auto bytes = co_await parts_.kept->read_piece(*file);
      if (!bytes) co_return std::nullopt;
      document.text.append(*bytes);
    } else {
      co_return std::nullopt;
    }
  }
}

async::awaitable<Result<Document>> ManifestSource::get_or_remember(const Question& question, const std::string& key) {
  auto memory = co_await parts_.kept->find_document(key);
  const auto wanted = Digest::parse(question.name);
  if (memory && wanted && memory->digest != *wanted) memory.reset();
  const auto remembered = memory ? std::optional(memory->digest) : std::nullopt;
  if (!memory) memory = co_await told_to_others(question);
  if (memory) memory->is_from_memory = true;
  if (memory && question.is_registry_down) co_return std::move(*memory);
  auto document = co_await ask(question, memory.has_value());
  if (document) {
    if (remembered != document->digest) co_await remember(question, key, *document);
    co_return std::move(*document);
  }
  if (memory && is_outage(document.error())) co_return std::move(*memory);
  if (memory && is_refusal(document.error().error)) co_await forget(question, key);
  co_return std::unexpected(std::move(document.error().error));
}

async::awaitable<void> ManifestSource::forget(const Question& question, const std::string& key) {
  parts_.kept->forget(key);
  const auto url = url_of(question.reference, question.name);
  if (url && !Digest::parse(question.name) && co_await is_for_everybody(*url))
    co_await parts_.kept->forget_tag(shared_key(*url));
}

/// What a tag stood for when a client of the forward proxy pulled it.
async::awaitable<std::optional<Document>> ManifestSource::told_to_others(const Question& question) {
  const auto url = url_of(question.reference, question.name);
  if (!url || Digest::parse(question.name) || !co_await is_for_everybody(*url)) co_return std::nullopt;
  const auto digest = co_await parts_.kept->find_tag(shared_key(*url));
  const auto content = url_of(question.reference, digest ? digest->to_string() : "");
  if (!digest || !content) co_return std::nullopt;
  auto document = co_await parts_.kept->find_document(shared_key(*content));
  co_return document && document->digest == *digest ? std::move(document) : std::nullopt;
}

async::awaitable<void> ManifestSource::remember(const Question& question, const std::string& key,
                                                const Document& document) {
  // What no device could be given is nothing to fall back on.
  if (!parse_manifest(document.text, document.content_type)) co_return;
  std::vector<std::string> keys{key};
  // Under its digest, too, where others look for it.
  const auto url = url_of(question.reference, document.digest.to_string());
  if (url && co_await is_for_everybody(*url)) keys.push_back(shared_key(*url));
  parts_.kept->keep_document(keys, document);
}

// Asked once more after the answer: a login may have come in between, and the answer with it.
async::awaitable<bool> ManifestSource::is_for_everybody(Url url) {
  const auto login = co_await parts_.credentials.find(std::move(url));
  co_return login && login->empty();
}

async::awaitable<Attempt<Document>> ManifestSource::ask(const Question& question, bool has_memory) {
  const FetchRequest request{.registry = question.reference.origin(),
                             .repository = question.reference.repository,
                             .target = "manifests/" + question.name,
                             .what = "manifest " + question.name + " of " + question.reference.repository,
                             .header_lines = {std::string(kManifestAccept)}};
  for (Attempts attempts;; ++attempts.count) {
    auto document = co_await ask_once(request, question.name);
    if (document) co_return std::move(*document);
    const auto& failure = document.error();
    const bool is_enough = has_memory && (attempts.count >= kAttemptsWithMemory || failure.retry_after);
    if (is_enough || !co_await parts_.fetcher.pause_before_retry(failure, attempts, question.on_retry))
      co_return std::unexpected(failure);
  }
}

async::awaitable<Attempt<Document>> ManifestSource::ask_once(FetchRequest request, std::string name) {
  auto answer = co_await parts_.fetcher.attempt(std::move(request));
  if (!answer) co_return std::unexpected(answer.error());
  Exchange& exchange = **answer;
  const auto& settings = parts_.settings;
  auto text = co_await read_document(exchange, kManifestBytesMax, settings.first_byte_timeout + settings.stall_timeout);
  if (!text) co_return std::unexpected(text.error());
  Document document{
      .text = std::move(*text), .content_type = std::string(exchange.head().field("content-type")), .digest = {}};
  document.digest = base::sha256(document.text);
  if (auto checked = check_digest(document, name, exchange.head().field("docker-content-digest")); !checked)
    co_return std::unexpected(checked.error());
  co_return document;
}

}  // namespace propeller::registry
