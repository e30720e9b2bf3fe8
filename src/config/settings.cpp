#include "config/settings.hpp"

namespace propeller::config {

std::string_view to_string(TopicFamily family) {
  switch (family) {
    case TopicFamily::classic: return "classic";
    case TopicFamily::domain_messages: return "domain-messages";
    case TopicFamily::domain: return "domain";
  }
  return "";
}

std::string_view to_string(ChannelProfile profile) {
  return profile == ChannelProfile::standard ? "standard" : "embedded";
}
std::string_view to_string(MqttVersion version) { return version == MqttVersion::v5 ? "5" : "3.1.1"; }
std::string_view to_string(LogFormat format) { return format == LogFormat::json ? "json" : "text"; }

}  // namespace propeller::config
