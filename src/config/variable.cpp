// What every variable of the table can be asked; the table itself is in variables.cpp.
#include <cctype>

#include "config/variables.hpp"

namespace propeller::config {

std::vector<std::string_view> Variable::names() const {
  std::vector<std::string_view> all{name};
  for (const auto alias : aliases) {
    if (!alias.empty()) all.push_back(alias);
  }
  return all;
}

std::string flag_of(std::string_view variable_name) {
  if (variable_name.starts_with("PROXY_")) variable_name.remove_prefix(6);
  std::string flag = "--";
  for (const char c : variable_name) {
    flag += c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return flag;
}

std::string_view title_of(Group group) {
  switch (group) {
    case Group::broker: return "Broker";
    case Group::identity: return "Identity and channels";
    case Group::registry: return "Registry";
    case Group::transfers: return "Transfers";
    case Group::store: return "Content store of a bridge without a forward proxy";
    case Group::service: return "Service";
  }
  return "";
}

}  // namespace propeller::config
