// The registry side of the test tools, against Debian's docker-registry.
#include <gtest/gtest.h>

#include "support/base64.hpp"
#include "support/docker_registry.hpp"
#include "support/images.hpp"
#include "support/token_server.hpp"
#include "support/wasm_module.hpp"

namespace propeller::support {
namespace {

TEST(DockerRegistry, TakesAndGivesAnImage) {
  DockerRegistry registry;
  Pusher pusher({.url = registry.url()});
  const std::string module = wasm_module(100'000);
  push_raw(pusher, "acme/add", "v1", module);
  const auto blob = http_request({.url = registry.url() + "/v2/acme/add/blobs/" + sha256_digest(module)});
  EXPECT_TRUE(blob.body == module);
  EXPECT_TRUE(wait_until([&] { return registry.requests("GET", "/blobs/sha256:") == 1; }));
}

TEST(DockerRegistry, AsksForAPasswordOverTls) {
  const TlsFiles tls;
  DockerRegistry registry({.tls = &tls, .users = {{"bridge", "secret"}}});
  Pusher pusher({.url = registry.url(), .username = "bridge", .password = "secret", .ca = tls.ca()});
  push_raw(pusher, "acme/add", "latest", wasm_module(600));
  EXPECT_EQ(http_request({.url = registry.url() + "/v2/acme/add/manifests/latest", .ca = tls.ca()}).status, 401);
  EXPECT_EQ(
      http_request({.url = registry.url() + "/v2/", .username = "bridge", .password = "wrong", .ca = tls.ca()}).status,
      401);
}

TEST(DockerRegistry, AcceptsTheTokensOfOurServer) {
  for (const char* algorithm : {"ES256", "RS256"}) {
    const TokenServer tokens({.algorithm = algorithm, .users = {{"bridge", "secret"}}});
    DockerRegistry registry({.tokens = &tokens});
    Pusher pusher({.url = registry.url(), .username = "bridge", .password = "secret"});
    push_raw(pusher, "acme/add", "latest", wasm_module(600));
    EXPECT_EQ(tokens.tokens_issued(), 1) << algorithm;
    EXPECT_EQ(http_request({.url = registry.url() + "/v2/acme/add/manifests/latest"}).status, 401);
    Pusher stranger({.url = registry.url(), .username = "bridge", .password = "wrong"});
    EXPECT_THROW(push_raw(stranger, "acme/add", "latest", wasm_module(600)), std::runtime_error);
  }
}

TEST(Images, EveryShapeIsTakenByTheRegistry) {
  DockerRegistry registry;
  Pusher pusher({.url = registry.url()});
  const std::string module = wasm_module(5'000);
  push_image(pusher, "a", "wasm-to-oci", wasm_to_oci_image(module));
  push_image(pusher, "a", "oras", oras_typed_image(module));
  push_image(pusher, "a", "untyped", oras_untyped_image(module));
  push_image(pusher, "a", "wash", old_wash_image(module));
  push_image(pusher, "a", "runwasi", runwasi_image(module));
  push_image(pusher, "a", "spin", spin_image({{"a.wasm", module}, {"b.wasm", wasm_module(600)}}));
  push_image(pusher, "a", "encrypted", encrypted_image("secret"));
  push_image(pusher, "a", "docker", docker_image({{"x.wasm", module}}, Packing::gzip, true));
  push_buildx(pusher, "a", "buildx", module, Packing::zstd);
  const auto index = http_request({.url = registry.url() + "/v2/a/manifests/buildx",
                                   .headers = {"Accept: application/vnd.oci.image.index.v1+json"}});
  EXPECT_NE(index.body.find("unknown"), std::string::npos);
}

TEST(Base64, IsStrictAndReversible) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) EXPECT_EQ(decode_base64(encode_base64(text)), text);
  EXPECT_FALSE(decode_base64("YQ"));
  EXPECT_FALSE(decode_base64("YQ=\n"));
}

}  // namespace
}  // namespace propeller::support
