#include "forward/silence.hpp"

namespace propeller::forward {

std::string_view origin_of(std::string_view url) {
  const auto host = url.find("://");
  return url.substr(0, host == std::string_view::npos ? host : url.find('/', host + 3));
}

bool is_silence(const Error& error) {
  return error.origin == Origin::upstream && (error.code == Code::timeout || error.code == Code::dns_failed);
}

}  // namespace propeller::forward
