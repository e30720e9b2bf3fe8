#include "device/advice.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace propeller::device {

namespace {

constexpr std::size_t kTextBytesMax = 500;

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kAdvice{{
    {"bad_request",
     "The bridge does not understand the request: check the options, and that both sides have versions that fit."},
    {"bad_reference", "Check how the reference is written: [host[:port]/]repository[:tag][@sha256:...][#path]."},
    {"not_allowed", "The bridge may not ask this registry: have its host added to PROXY_REGISTRY_ALLOW."},
    {"unauthorized",
     "The registry refuses the bridge: check PROXY_AUTHENTICATE and PROXY_REGISTRY_USERNAME, _PASSWORD or _TOKEN, and "
     "that "
     "the account may pull this repository."},
    {"not_found", "Check the spelling of repository and tag, and that the image was pushed to this registry."},
    {"no_module", "The image holds no WASM module: push one, or name the file with #path."},
    {"ambiguous_module", "The image holds several modules: name one, as in repository:tag#path/to/module.wasm."},
    {"encrypted", "The image is encrypted, and the bridge has no keys: push it unencrypted."},
    {"too_large",
     "The image is over the bridge's limit or the channel's: raise PROXY_MAX_IMAGE_SIZE, or make the module smaller."},
    {"digest_mismatch", "The bytes are not what the registry announced: try again; if it stays, push the image anew."},
    {"signature_invalid", "The image is not signed by a key that the bridge trusts."},
    {"registry_unavailable",
     "The registry does not answer as it should: check that it runs and that the bridge can reach it, then try again."},
    {"timeout", "It took too long: check the registry and the network, or allow more time."},
    {"broker_rejected",
     "The broker does not take the bridge's messages: check its access list and its limits on message size."},
    {"overloaded", "The bridge has too much to do: try again in a minute."},
    {"shutting_down", "The bridge is being stopped or restarted: try again in a minute."},
}};

// Bytes of the UTF-8 sequence that begins the text; 0: it begins with none, or with a control character.
std::size_t sequence_size(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  // C1 controls (c2 80 … c2 9f) can drive a terminal too.
  const std::size_t size = lead >= 0xf0 && lead < 0xf5   ? 4
                           : lead >= 0xe0 && lead < 0xf0 ? 3
                           : lead >= 0xc2 && lead < 0xe0 ? 2
                                                         : 0;
  if (size == 0 || size > text.size()) return 0;
  const auto rest = text.substr(1, size - 1);
  if (!std::ranges::all_of(rest, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; })) return 0;
  return lead == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0 ? 0 : size;
}

}  // namespace

std::optional<Code> code_of(std::string_view name) {
  constexpr Code kCodes[] = {
      Code::bad_request, Code::bad_reference,   Code::not_allowed,       Code::unauthorized,
      Code::not_found,   Code::no_module,       Code::ambiguous_module,  Code::encrypted,
      Code::too_large,   Code::digest_mismatch, Code::signature_invalid, Code::registry_unavailable,
      Code::timeout,     Code::broker_rejected, Code::overloaded,        Code::shutting_down};
  const auto* const found = std::ranges::find_if(kCodes, [name](Code code) { return base::to_string(code) == name; });
  return found == std::end(kCodes) ? std::nullopt : std::optional(*found);
}

std::string_view advice_for(std::string_view code) {
  const auto found = std::ranges::find(kAdvice, code, &std::pair<std::string_view, std::string_view>::first);
  return found == kAdvice.end() ? std::string_view() : found->second;
}

bool is_passing(std::string_view code) { return code == "overloaded" || code == "shutting_down"; }

std::string for_terminal(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const std::size_t size = sequence_size(text);
    if (clean.size() + size > kTextBytesMax) return clean + "...";
    if (size == 0) {
      clean.push_back('?');
    } else {
      clean.append(text.substr(0, size));
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return clean;
}

}  // namespace propeller::device
