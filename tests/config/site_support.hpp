#pragma once

#include <gtest/gtest.h>

#include <string>

#include "config/site_file.hpp"
#include "config/yaml.hpp"

namespace propeller::config {

struct SiteRead {
  Forward forward;
  Problems problems;
  SiteSections sections;
};

/// What a site's file with this text says; it is called p.yaml.
inline SiteRead read_site_text(const std::string& text) {
  SiteRead out;
  const auto root = parse_yaml(text);
  EXPECT_TRUE(root) << root.error().detail;
  if (root) out.sections = read_site(*root, "p.yaml", out.forward, out.problems);
  return out;
}

}  // namespace propeller::config
