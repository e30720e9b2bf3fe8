#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "device/assembler.hpp"
#include "mqtt/ranges.hpp"

namespace propeller::device {

/// What has to be known to go on with a broken download, beside `<target>.part` itself.
struct ResumeState {
  std::string app_name;
  std::string proplet_id;
  Digest digest;  ///< without it there is no telling whether the rest belongs to the same image
  ChunkPlan plan;
  mqtt::Ranges missing;
};

[[nodiscard]] std::string encode_resume_state(const ResumeState& state);
/// nullopt for what is no such state; it is a file that anybody may have written to.
[[nodiscard]] std::optional<ResumeState> parse_resume_state(std::string_view json);

/// `<target>.part.json`.
[[nodiscard]] std::filesystem::path resume_path(const std::filesystem::path& target);
/// By rename, so that an interrupted write leaves the old one. Errors: io.
[[nodiscard]] Result<void> save_resume_state(const std::filesystem::path& target, const ResumeState& state);
[[nodiscard]] std::optional<ResumeState> load_resume_state(const std::filesystem::path& target);
void remove_resume_state(const std::filesystem::path& target);

}  // namespace propeller::device
