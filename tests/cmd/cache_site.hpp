#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "forward_site.hpp"

namespace propeller::cmd {

/// The real program with a cache, its API, and what its `cache` command says.
class CacheSite : public ForwardSite {
 protected:
  /// `keys` are further ones of the section `cache`.
  void start_with_cache(const std::string& keys = "max_size: 10MiB") {
    write_cache_config(keys);
    start();
  }
  void write_cache_config(const std::string& keys) {
    write_config(usual("cache: {enabled: true, min_free: 0, dir: " + directory_.string() + ", " + keys + "}\n"));
  }
  /// A blob at the registry; its digest.
  std::string push(std::string bytes, const std::string& repository = "acme/m") {
    return plain_.push_blob(repository, std::move(bytes));
  }
  [[nodiscard]] std::string url_of(const std::string& digest, const std::string& repository = "acme/m") const {
    return plain_.url() + "/v2/" + repository + "/blobs/" + digest;
  }
  /// Asked for, and kept.
  void keep(const std::string& url) const {
    EXPECT_TRUE(curl({url}).has("200 OK")) << url;
    EXPECT_TRUE(support::wait_until([&] { return is_kept(url); })) << url;
  }
  [[nodiscard]] bool is_kept(const std::string& url) const { return curl({"-I", url}).has("X-Cache: HIT"); }
  [[nodiscard]] std::string kept(const std::string& bytes, const std::string& repository = "acme/m") {
    const auto digest = push(bytes, repository);
    keep(url_of(digest, repository));
    return digest;
  }

  /// The body of an answer of the API; null when it is no JSON.
  [[nodiscard]] nlohmann::json ask(const std::string& path, const std::vector<std::string>& arguments = {}) const {
    const auto got = api(path, arguments).output;
    const auto body = got.find("\r\n\r\n");
    auto value = nlohmann::json::parse(body == std::string::npos ? "" : got.substr(body + 4), nullptr, false);
    return value.is_discarded() ? nlohmann::json() : value;
  }
  [[nodiscard]] std::vector<nlohmann::json> entries(const std::string& query = "") const {
    return ask("/api/cache/entries" + query).value("entries", std::vector<nlohmann::json>());
  }
  [[nodiscard]] nlohmann::json purge(const std::string& document) const {
    return ask("/api/cache/purge", {"-d", document});
  }
  [[nodiscard]] std::filesystem::path blob_file(const std::string& digest) const {
    return directory_ / "blobs/sha256" / digest.substr(digest.find(':') + 1);
  }
  /// `propeller-proxy cache …` with the site's configuration.
  [[nodiscard]] Outcome cache(std::vector<std::string> words) const {
    words.insert(words.begin(), "cache");
    return run_program(words, environment());
  }

  const std::filesystem::path directory_ = files_ / "cache";
};

}  // namespace propeller::cmd
