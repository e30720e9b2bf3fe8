#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace propeller::config {

/// Variables by name.
using Environment = std::map<std::string, std::string, std::less<>>;

/// Values of flags, by the flag with its dashes ("--mqtt-address").
using Flags = std::map<std::string, std::string, std::less<>>;

/// What the loader may know about the machine besides.
struct Host {
  bool is_root = false;
  std::filesystem::path working_directory = ".";  ///< where config.toml is looked for
};

/// Every problem found, each one sentence for the operator, without secrets.
struct Problems {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
};

struct Loaded {
  Settings settings;  ///< only to be used when there are no errors; else what could be understood
  Problems problems;
  Problems service;  ///< those of them that concern a process without the bridge too: Group::service, unknown names
  std::map<std::string, std::string, std::less<>>
      origins;  ///< by variable: what set it ("PROXY_CLIENT_ID", "--qos"); absent: default
};

/// Flags win over the environment, the environment over config.toml, that over defaults. An empty variable counts as
/// not set. Reads config.toml and looks whether the files named exist; the environment itself only through its
/// argument.
[[nodiscard]] Loaded load(const Environment& environment, const Flags& flags = {}, const Host& host = {});

}  // namespace propeller::config
