// Debian's docker-registry: what the fake one cannot show, HTTP/2 above all.
#include <gmock/gmock.h>

#include "registry/client_fixture.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/token_server.hpp"

namespace propeller::registry {
namespace {

using support::DockerRegistry;
using support::Pusher;
using testing::HasSubstr;

std::uint64_t drained(Site& site, BlobStream& blob) {
  std::uint64_t bytes = 0;
  for (;;) {
    const auto piece = run(site.context, blob.read(1 << 20));
    EXPECT_TRUE(piece) << describe(piece.error());
    if (!piece || piece->empty()) return bytes;
    bytes += piece->size();
  }
}

std::size_t resident_bytes() {
  const std::string status = support::read_file("/proc/self/status");
  return std::stoul(status.substr(status.find("VmRSS:") + 6)) * 1024;
}

// The memory promise over HTTP/2: curl 7.88 would keep the waiting streams' bytes, were they on one connection.
TEST(RealRegistry, OverHttp2BlobsThatWaitStayWithTheRegistryAndDelayNobody) {
  constexpr std::size_t kBlobs = 4;
  constexpr std::size_t kSize = 24 * 1024 * 1024;
  const support::TlsFiles files;
  const DockerRegistry registry({.tls = &files, .users = {{"device", "password"}}});
  Pusher pusher({.url = registry.url(), .username = "device", .password = "password", .ca = files.ca()});
  support::push_raw(pusher, "acme/large", "v1", large_module(kSize));
  support::push_raw(pusher, "acme/add", "v1", kSmallModule);
  Site site(registry.url());
  site.settings.ca_cert = files.ca();
  site.settings.is_authenticated = true;
  site.settings.username = "device";
  site.settings.password = Secret("password");

  const auto image = site.resolve("acme/large:v1");
  ASSERT_TRUE(image) << describe(image.error());
  const Layer layer = image->candidates.front();
  std::vector<std::unique_ptr<BlobStream>> blobs;
  for (std::size_t i = 0; i < kBlobs; ++i) {
    auto blob = run(site.context, site.client().open_blob(site.reference("acme/large:v1"), layer.digest, layer.size));
    ASSERT_TRUE(blob) << describe(blob.error());
    blobs.push_back(std::move(*blob));
  }
  const std::size_t before = resident_bytes();
  EXPECT_EQ(site.fetch("acme/add:v1"), kSmallModule);
  EXPECT_EQ(drained(site, *blobs.front()), kSize);
  if (!support::kIsSanitized) EXPECT_LT(resident_bytes(), before + kSize);
  for (std::size_t i = 1; i < kBlobs; ++i) EXPECT_EQ(drained(site, *blobs[i]), kSize);
  EXPECT_THAT(registry.log(), HasSubstr("HTTP/2.0"));
  EXPECT_EQ(site.client().retries(), 0u);
}

TEST(RealRegistry, BearerTokensOfARealIssuerAreAccepted) {
  const support::TokenServer tokens({.users = {{"device", "password"}}});
  const DockerRegistry registry({.tokens = &tokens});
  Pusher pusher({.url = registry.url(), .username = "device", .password = "password"});
  support::push_raw(pusher, "acme/add", "v1", kSmallModule);
  const int before = tokens.tokens_issued();
  Site site(registry.url());
  site.settings.is_authenticated = true;
  site.settings.username = "device";
  site.settings.password = Secret("password");
  const auto module = site.fetch("acme/add:v1");
  ASSERT_TRUE(module) << describe(module.error());
  EXPECT_EQ(*module, kSmallModule);
  EXPECT_EQ(tokens.tokens_issued(), before + 1);
}

TEST(RealRegistry, BuildxIndexesResolveToTheirImage) {
  const DockerRegistry registry;
  Pusher pusher({.url = registry.url()});
  support::push_buildx(pusher, "acme/add", "v1", kSmallModule, support::Packing::gzip);
  Site site(registry.url());
  const auto image = site.resolve("acme/add:v1");
  ASSERT_TRUE(image) << describe(image.error());
  EXPECT_EQ(image->candidates.size(), 1u);
}

}  // namespace
}  // namespace propeller::registry
