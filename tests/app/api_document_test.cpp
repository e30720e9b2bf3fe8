#include "app/api_document.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "app/forward_app.hpp"

namespace propeller::app {
namespace {

using Operations = std::set<std::pair<std::string, http::Method>>;

TEST(ApiDocument, ItHasEveryPathOfTheApiAndNoOther) {
  observe::Metrics metrics;
  ForwardApp app({}, metrics);
  Operations served;
  for (const auto& route : app.routes()) served.emplace(route.path, route.method);
  Operations documented;
  for (const auto& operation : api_operations()) documented.emplace(operation.path, operation.method);
  EXPECT_EQ(served, documented);
}

/// Every "$ref" in it.
void collect(const nlohmann::json& value, std::set<std::string>& references) {
  if (value.is_object() && value.contains("$ref")) references.insert(value["$ref"].get<std::string>());
  if (value.is_structured()) {
    for (const auto& each : value) collect(each, references);
  }
}

TEST(ApiDocument, WhatItRefersToIsThereAndWhatIsThereIsReferredTo) {
  const auto document = nlohmann::json::parse(api_document("1.0"));
  std::set<std::string> references;
  collect(document, references);
  std::set<std::string> there;
  for (const auto* kind : {"schemas", "parameters"}) {
    for (const auto& each : document["components"][kind].items())
      there.insert(std::string("#/components/") + kind + "/" + each.key());
  }
  EXPECT_EQ(references, there);
}

}  // namespace
}  // namespace propeller::app
