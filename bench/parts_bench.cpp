// The parts of the bridge that see every byte or every request. Rates are of raw image bytes.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "mqtt/payload.hpp"
#include "registry/reference.hpp"
#include "stream/chunk_channel.hpp"
#include "stream/delivery_plan.hpp"

namespace {

using namespace propeller;

constexpr std::size_t kChunk = 512'000;

std::vector<std::byte> some_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 131 >> 3);
  return bytes;
}

// Bar: 1.5 GB/s of raw bytes per core.
void encode_chunk(benchmark::State& state) {
  const auto bytes = some_bytes(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(mqtt::encode_chunk("docker.io/acme/add.wasm", 7, 21, bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode_chunk)->Arg(600)->Arg(kChunk);

void parse_chunk(benchmark::State& state) {
  const auto bytes = some_bytes(kChunk);
  const std::string text = mqtt::encode_chunk("docker.io/acme/add.wasm", 7, 21, bytes);
  for (auto _ : state) benchmark::DoNotOptimize(mqtt::parse_chunk(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunk));
}
BENCHMARK(parse_chunk);

void sha256_of_a_chunk(benchmark::State& state) {
  const auto bytes = some_bytes(kChunk);
  for (auto _ : state) {
    base::Sha256 hash;
    hash.update(bytes);
    benchmark::DoNotOptimize(hash.finish());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kChunk));
}
BENCHMARK(sha256_of_a_chunk);

void parse_request(benchmark::State& state) {
  const std::string text =
      R"({"app_name":"docker.io/acme/add.wasm","proplet_id":"dev1","deliver":"direct","window":16,"missing":"3-7,9"})";
  for (auto _ : state) benchmark::DoNotOptimize(mqtt::parse_message(text));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(parse_request);

void parse_reference(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(registry::parse_reference("ghcr.io/acme/add.wasm:v1.2.3#plugin.wasm", "docker.io"));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(parse_reference);

// A chunk's way through the channel, without the bytes.
void hand_over_a_chunk(benchmark::State& state) {
  stream::ChunkChannel channel(10);
  channel.set_wakers([] {}, [] {});
  const auto lane = channel.open_lane();
  std::uint64_t index = 0;
  for (auto _ : state) {
    channel.order(lane, index);
    const auto next = channel.next_order(lane);
    stream::Chunk chunk{.lane = lane, .index = index++, .data = nullptr, .size = kChunk};
    benchmark::DoNotOptimize(channel.reserve(lane, *next.order));
    channel.push(*next.order, std::move(chunk));
    benchmark::DoNotOptimize(channel.pop());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hand_over_a_chunk);

}  // namespace
