#include "forward/tag_lookup.hpp"

#include <fmt/format.h>

#include "cache/directives.hpp"
#include "cache/vary.hpp"
#include "forward/cached_responses.hpp"
#include "forward/forwarder.hpp"
#include "forward/silence.hpp"
#include "forward/stored_body.hpp"
#include "registry/kept_tag.hpp"
#include "registry/retry.hpp"

namespace propeller::forward {

namespace {

namespace asio = async::asio;

constexpr int kNotFound = 404, kTooManyRequests = 429, kServerErrors = 500;
/// Of the entries of one repository that a write looks through.
constexpr std::size_t kPagesMax = 100;
constexpr std::size_t kPageEntries = 100;  // an entry may have 130 KiB

bool is_success(int status) { return status >= 200 && status <= 299; }

/// One question, which nobody need wait for to the end.
struct Asking {
  explicit Asking(const asio::any_io_executor& executor) : waiting(executor) {}
  asio::steady_timer waiting;
  std::optional<Result<http::ClientResponse>> answer;
};

async::awaitable<void> ask_into(std::shared_ptr<Asking> asking, std::shared_ptr<const ContentOrigin> origin) {
  asking->answer = co_await origin->ask_whether();
  asking->waiting.cancel();
}

bool wants_the_registrys_word(http::FieldView fields) {
  const auto asked = cache::request_directives(fields);
  return asked.no_cache || asked.max_age;
}

async::awaitable<void> erase_below(store::ContentStore& store, std::string prefix, auto is_meant) {
  std::string after;
  for (std::size_t page = 0; page < kPagesMax; ++page) {
    const auto entries = co_await store.list_entries(prefix, after, kPageEntries);
    if (!entries || entries->empty()) co_return;
    for (const auto& entry : *entries) {
      if (is_meant(entry.key)) (void)co_await store.erase_entry(entry.key);
    }
    after = entries->back().key;
  }
}

}  // namespace

TagLookup::TagLookup(CacheParts parts, const CacheMatcher& matcher, http::Request& request, CacheDecision decision)
    : parts_(parts),
      matcher_(matcher),
      request_(request),
      decision_(std::move(decision)),
      generation_(parts.invalidations.generation(decision_.key)) {}

async::awaitable<TagLookup::Outcome> TagLookup::resolve(http::Destination destination,
                                                        const http::OutgoingRequest& out) {
  caller_ = caller_of({.url = decision_.key,
                       .asked = request_.fields(),
                       .sent = out.fields,
                       .secret_fields = out.secret_fields,
                       .own_login = decision_.own_login});
  // Some registries do not say which digest it is.
  const auto tag = decision_.key + std::string(registry::kTagMark);
  if (parts_.unshared.contains(tag, std::chrono::steady_clock::now())) co_return std::monostate();
  key_ = tag + cache::variant_of({"accept"}, out.fields);
  if (caller_.login != Caller::Login::none) {
    auto own = private_key(key_, caller_, matcher_.private_content());
    if (!own) co_return std::monostate();
    key_ = std::move(*own);
  }
  auto known = co_await remembered();
  if (known && is_fresh_ && !wants_the_registrys_word(request_.fields())) co_return *known;
  if (known && is_resting() && !wants_the_registrys_word(request_.fields())) {
    known->is_stale = true;
    co_return *known;
  }
  if (cache::request_directives(request_.fields()).only_if_cached) {
    // The rules of HTTP may have something, or say that there is nothing.
    if (decision_.may_look_up) co_return std::monostate();
    co_return not_in_cache();
  }
  origin_ = std::make_shared<const ContentOrigin>(parts_.client, std::move(destination), out, false);
  auto answer = co_await ask(known.has_value());
  const bool is_silent = !answer || answer->status == kTooManyRequests || answer->status >= kServerErrors;
  if (known && is_silent) {
    let_rest(answer);
    known->is_stale = true;
    co_return *known;
  }
  // The rules of HTTP may have something.
  if (!answer) co_return std::monostate();
  parts_.silent.remove(origin_of(decision_.key));
  parts_.silent.remove(key_);
  co_return co_await judge(std::move(*answer), known);
}

bool TagLookup::is_accepted() const {
  return caller_.login == Caller::Login::none ||
         matcher_.private_content() == config::PrivateContent::proxy_credentials ||
         parts_.accepted.contains(caller_.name, std::chrono::steady_clock::now());
}

bool TagLookup::is_resting() const {
  const auto now = std::chrono::steady_clock::now();
  return parts_.silent.contains(origin_of(decision_.key), now) || parts_.silent.contains(key_, now);
}

/// Silence is the registry's, trouble may be the tag's alone.
void TagLookup::let_rest(const Result<http::ClientResponse>& answer) {
  const auto now = std::chrono::steady_clock::now();
  if (!answer) {
    if (is_silence(answer.error())) parts_.silent.add(std::string(origin_of(decision_.key)), now);
    return;
  }
  const auto wanted =
      registry::parse_retry_after(answer->fields.find("Retry-After").value_or(""), std::chrono::system_clock::now());
  parts_.silent.add(key_, now, wanted.value_or(matcher_.tag_window()));
}

async::awaitable<std::optional<TagLookup::Named>> TagLookup::remembered() {
  if (!is_accepted()) co_return std::nullopt;
  const auto entry = co_await parts_.store.find_entry(key_);
  if (!entry || !*entry) co_return std::nullopt;
  const auto digest = store::BlobDigest::parse(registry::parse_tag_note((*entry)->note).value_or(""));
  if (!digest) co_return std::nullopt;
  const auto age = wall_seconds() - cache::sys_seconds(cache::seconds((*entry)->checked_at));
  is_fresh_ = age >= cache::seconds(0) && age < matcher_.tag_window();
  co_return Named{.digest = *digest};
}

async::awaitable<Result<http::ClientResponse>> TagLookup::ask(bool has_fallback) const {
  if (!has_fallback) co_return co_await origin_->ask_whether();
  const auto asking = std::make_shared<Asking>(co_await asio::this_coro::executor);
  asking->waiting.expires_after(kPatience);
  parts_.fills.spawn(ask_into(asking, origin_));
  boost::system::error_code ignored;
  // What fails at once has failed before anybody waits.
  if (!asking->answer) co_await asking->waiting.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (asking->answer) co_return std::move(*asking->answer);
  co_return fail(Code::timeout, Origin::upstream, "the registry does not answer");
}

async::awaitable<TagLookup::Outcome> TagLookup::judge(http::ClientResponse answer, std::optional<Named> known) {
  const bool is_head = request_.head().method == http::Method::head;
  const auto digest = store::BlobDigest::parse(answer.fields.find("Docker-Content-Digest").value_or(""));
  if (!is_success(answer.status) || !digest) {
    if (is_success(answer.status))
      parts_.unshared.add(decision_.key + std::string(registry::kTagMark), std::chrono::steady_clock::now());
    if (known && answer.status == kNotFound) co_await forget();
    if (is_head) co_return relayed(std::move(answer), parts_.name);
    co_return std::monostate();
  }
  if (caller_.login != Caller::Login::none)
    parts_.accepted.add(caller_.name, std::chrono::steady_clock::now(), matcher_.private_ttl());
  const bool is_overtaken = parts_.invalidations.generation(decision_.key) != generation_;
  if (!is_overtaken) {
    const auto now = wall_seconds().time_since_epoch().count();
    // What cannot be remembered is asked for again.
    (void)co_await parts_.store.put_entry(
        {.key = key_, .note = registry::tag_note(digest->to_string()), .stored_at = now, .checked_at = now});
    if (parts_.invalidations.generation(decision_.key) != generation_) co_await forget();
  }
  if (is_head) co_return relayed(std::move(answer), parts_.name);
  co_return Named{.digest = *digest, .is_new = true};
}

async::awaitable<void> TagLookup::forget() { (void)co_await parts_.store.erase_entry(key_); }

async::awaitable<void> forget_what_names(store::ContentStore& store, std::string origin, std::string path) {
  path.resize(std::min(path.find('?'), path.size()));
  const auto parsed = parse_registry_path(path);
  if (!parsed || (parsed->call != RegistryCall::manifest && parsed->call != RegistryCall::blob)) co_return;
  const auto url = origin + path;
  const auto all = [](std::string_view) { return true; };
  co_await erase_below(store, url + " ", all);
  if (parsed->call != RegistryCall::manifest) co_return;
  const auto repository = origin + path.substr(0, path.rfind("/manifests/"));
  co_await erase_below(store, repository + "/manifests/",
                       [](std::string_view key) { return key.find(registry::kTagMark) != std::string_view::npos; });
  co_await erase_below(store, repository + "/tags/list", all);
  co_await erase_below(store, repository + "/referrers/", all);
}

}  // namespace propeller::forward
