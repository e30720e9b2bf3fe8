// An htpasswd file, and what a client sends in Proxy-Authorization: parsing ends within its bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "forward/password.hpp"
#include "forward/users.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace propeller::forward;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto users = Users::parse(text)) {
    ASSERT(users->size() <= Users::kUsersMax);
  } else {
    ASSERT(users.error().detail.starts_with("line "));
  }
  if (const auto login = parse_basic(text)) ASSERT(login->name.find(':') == std::string::npos);
  // The cheap kinds only: the others are slow on purpose, and take their cost from the hash.
  if (is_password_hash(text) && (text.starts_with("$apr1$") || text.starts_with("{SHA}")))
    (void)verify_password("secret", std::string(text));
  return 0;
}
