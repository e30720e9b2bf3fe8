// PROTOCOL 1.5: images as every tool leaves them in a registry.
#include "integration/site.hpp"

namespace propeller::integration {
namespace {

using support::Packing;

class RegistryShapes : public Site {
 protected:
  void expect_delivered(const std::string& tag) {
    if (!bridge) start_bridge();
    const std::string name = named("shape:" + tag);
    support::RustProplet device(device_options(), topics);
    device.request(name);
    EXPECT_TRUE(device.wait_module(name, kPatience) == module) << tag;
  }
  std::string expect_refused(const std::string& tag, const std::string& code) {
    if (!bridge) start_bridge();
    const std::string name = named("shape:" + tag);
    ChannelWatch watch(device_options(), topics);
    watch.request(name);
    EXPECT_EQ(failure_code(watch, name), code) << tag;
    EXPECT_TRUE(watch.indices(name).empty()) << tag;
    const auto status = watch.wait_status(name, "failed", milliseconds(0));
    return status ? status->value("message", "") : "";
  }
  void put(const std::string& tag, const support::Image& image) { push_image(pusher, "shape", tag, image); }

  std::string module = wasm_module(70'000, 5), other = wasm_module(5'000, 6);
};

TEST_F(RegistryShapes, RawLayersWhateverTheirTypeSays) {
  put("wasm-to-oci", support::wasm_to_oci_image(module));
  put("oras", support::oras_typed_image(module));
  put("untyped", support::oras_untyped_image(module));
  put("wash", support::old_wash_image(module));
  put("runwasi", support::runwasi_image(module));
  for (const char* tag : {"wasm-to-oci", "oras", "untyped", "wash", "runwasi"}) expect_delivered(tag);
}

TEST_F(RegistryShapes, DockerImagesInEveryPacking) {
  put("plain", support::docker_image({{"plugin.wasm", module}}, Packing::none, false));
  put("gzip", support::docker_image({{"x.wasm", module}}, Packing::gzip, false));
  put("zstd", support::docker_image({{"dir/x.wasm", module}}, Packing::zstd, false));
  put("v2s2", support::docker_image({{"x.wasm", module}}, Packing::gzip, true));
  for (const char* tag : {"plain", "gzip", "zstd", "v2s2"}) expect_delivered(tag);
}

TEST_F(RegistryShapes, PluginWasmIsChosenAmongSeveralAndOtherFilesAreIgnored) {
  put("plugin",
      support::docker_image({{"other.wasm", other}, {"plugin.wasm", module}, {"a.txt", "x"}}, Packing::gzip, false));
  expect_delivered("plugin");
}

TEST_F(RegistryShapes, TheEntryPointDecidesBetweenSeveral) {
  put("entry", support::docker_image({{"a.wasm", other}, {"b.wasm", module}}, Packing::gzip, false, "/b.wasm"));
  expect_delivered("entry");
}

TEST_F(RegistryShapes, AnIndexWithAttestations) {
  support::push_buildx(pusher, "shape", "buildx-gzip", module, Packing::gzip);
  support::push_buildx(pusher, "shape", "buildx-zstd", module, Packing::zstd);
  expect_delivered("buildx-gzip");
  expect_delivered("buildx-zstd");
}

TEST_F(RegistryShapes, AnIndexOfSeveralPlatformsPrefersWasm) {
  const auto linux_image = support::docker_image({{"x.wasm", other}}, Packing::gzip, false);
  const auto wasm_image = support::docker_image({{"x.wasm", module}}, Packing::gzip, false);
  push_index(pusher, "shape", "wasip1", {{linux_image, {"linux", "amd64"}}, {wasm_image, {"wasip1", "wasm"}}});
  push_index(pusher, "shape", "amd64", {{wasm_image, {"linux", "amd64"}}, {linux_image, {"linux", "arm64"}}});
  push_index(pusher, "shape", "list", {{wasm_image, {"wasi", "wasm"}}, {linux_image, {"linux", "amd64"}}}, true);
  for (const char* tag : {"wasip1", "amd64", "list"}) expect_delivered(tag);
}

TEST_F(RegistryShapes, NoChoiceIsAnErrorThatListsTheCandidates) {
  const auto image = support::docker_image({{"x.wasm", module}}, Packing::gzip, false);
  push_index(pusher, "shape", "arms",
             {{image, {"linux", "arm64"}},
              {support::docker_image({{"x.wasm", other}}, Packing::gzip, false), {"linux", "riscv64"}}});
  const std::string index_message = expect_refused("arms", "ambiguous_module");
  EXPECT_NE(index_message.find("riscv64"), std::string::npos) << index_message;
  put("spin", support::spin_image({{"a.wasm", module}, {"b.wasm", other}}));
  const std::string spin_message = expect_refused("spin", "ambiguous_module");
  EXPECT_NE(spin_message.find("b.wasm"), std::string::npos) << spin_message;
  put("two", support::docker_image({{"a.wasm", module}, {"b.wasm", other}}, Packing::gzip, false));
  const std::string archive_message = expect_refused("two", "ambiguous_module");
  EXPECT_NE(archive_message.find("a.wasm"), std::string::npos) << archive_message;
}

TEST_F(RegistryShapes, WhatHoldsNoModuleIsRefused) {
  put("encrypted", support::encrypted_image(support::random_bytes(5'000, 1)));
  expect_refused("encrypted", "encrypted");
  put("text", {.layers = {{"text/plain", "no module here, only text that is long enough to be sniffed at"}}});
  expect_refused("text", "no_module");
  put("empty-tar", support::docker_image({{"README.md", "nothing"}}, Packing::gzip, false));
  expect_refused("empty-tar", "no_module");
}

TEST_F(RegistryShapes, PassThroughDeliversAnything) {
  const std::string text = "not WebAssembly at all, but somebody wants it";
  put("text", {.layers = {{"text/plain", text}}});
  module = text;
  start_bridge({{"PROXY_PASS_THROUGH", "true"}});
  expect_delivered("text");
}

}  // namespace
}  // namespace propeller::integration
