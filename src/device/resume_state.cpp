#include "device/resume_state.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/units.hpp"
#include "mqtt/json_fields.hpp"

namespace propeller::device {

namespace {
constexpr std::size_t kStateBytesMax = 64 * base::kKiB;
}

std::string encode_resume_state(const ResumeState& state) {
  nlohmann::ordered_json json;
  json["app_name"] = state.app_name;
  json["proplet_id"] = state.proplet_id;
  json["digest"] = state.digest.to_string();
  json["chunk_size"] = state.plan.chunk_size;
  json["total_chunks"] = state.plan.total_chunks;
  if (state.plan.image_size) json["size"] = *state.plan.image_size;
  json["missing"] = state.missing.to_string();
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::optional<ResumeState> parse_resume_state(std::string_view json) {
  constexpr std::string_view kNames[] = {"app_name",     "proplet_id", "digest", "chunk_size",
                                         "total_chunks", "size",       "missing"};
  mqtt::JsonFields fields(json, kStateBytesMax, kNames);
  ResumeState state{.app_name = fields.required_text("app_name"),
                    .proplet_id = fields.required_text("proplet_id"),
                    .digest = {},
                    .plan = {.chunk_size = fields.required_number("chunk_size"),
                             .total_chunks = fields.required_number("total_chunks"),
                             .image_size = fields.number("size")},
                    .missing = {}};
  const auto digest = Digest::parse(fields.required_text("digest"));
  auto missing = mqtt::Ranges::parse(fields.required_text("missing"));
  if (fields.error() || !digest || !missing) return std::nullopt;
  state.digest = *digest;
  state.missing = std::move(*missing);
  return state;
}

std::filesystem::path resume_path(const std::filesystem::path& target) {
  auto path = target;
  path += ".part.json";
  return path;
}

Result<void> save_resume_state(const std::filesystem::path& target, const ResumeState& state) {
  const auto path = resume_path(target);
  auto draft = path;
  draft += ".tmp";
  std::ofstream file(draft, std::ios::binary | std::ios::trunc);
  file << encode_resume_state(state);
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(draft, path, error);
  if (file && !error) return {};
  const std::string why = error ? error.message() : std::generic_category().message(errno);
  std::filesystem::remove(draft, error);
  return fail(Code::io, Origin::internal, fmt::format("cannot write {}: {}", path.native(), why));
}

std::optional<ResumeState> load_resume_state(const std::filesystem::path& target) {
  std::ifstream file(resume_path(target), std::ios::binary);
  if (!file) return std::nullopt;
  std::string text(kStateBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_resume_state(text);
}

void remove_resume_state(const std::filesystem::path& target) {
  std::error_code ignored;
  std::filesystem::remove(resume_path(target), ignored);
}

}  // namespace propeller::device
