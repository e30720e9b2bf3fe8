#include "http/fields.hpp"

#include <algorithm>
#include <cstring>

#include "http/syntax.hpp"

namespace propeller::http {

namespace {

constexpr std::size_t kBlockBytes = 512;
constexpr std::size_t kFieldsUsual = 16;

}  // namespace

std::optional<std::string_view> FieldView::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::size_t FieldView::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields_, [&](const Field& field) { return equals_ignoring_case(field.name, name); }));
}

bool FieldView::has_member(std::string_view name, std::string_view member) const {
  for (const Field& field : fields_) {
    if (!equals_ignoring_case(field.name, name)) continue;
    std::string_view list = field.value;
    while (const auto next = next_member(list)) {
      if (equals_ignoring_case(*next, member)) return true;
    }
  }
  return false;
}

std::string FieldView::joined(std::string_view name) const {
  std::string text;
  for (const Field& field : fields_) {
    if (field.value.empty() || !equals_ignoring_case(field.name, name)) continue;
    if (!text.empty()) text += ", ";
    text += field.value;
  }
  return text;
}

Fields& Fields::operator=(const Fields& other) {
  if (this != &other) assign(other);
  return *this;
}

void Fields::add(std::string_view name, std::string_view value) {
  const std::string_view kept_name = keep(name);
  fields_.push_back({kept_name, keep(value)});
}

void Fields::set(std::string_view name, std::string_view value) {
  const auto is_named = [&](const Field& field) { return equals_ignoring_case(field.name, name); };
  const auto first = std::ranges::find_if(fields_, is_named);
  if (first == fields_.end()) return add(name, value);
  first->value = keep(value);
  fields_.erase(std::remove_if(first + 1, fields_.end(), is_named), fields_.end());
}

std::size_t Fields::remove(std::string_view name) {
  return remove_if([&](const Field& field) { return equals_ignoring_case(field.name, name); });
}

void Fields::assign(FieldView other) {
  // Into new blocks: `other` may look into ours.
  Fields fresh;
  std::size_t bytes = 0;
  for (const Field& field : other) bytes += field.name.size() + field.value.size();
  // Room for what is usually added on the way.
  const std::size_t size = bytes + kBlockBytes / 2;
  if (bytes > 0) fresh.blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), 0, size});
  fresh.fields_.reserve(other.size() + 8);
  for (const Field& field : other) fresh.add(field.name, field.value);
  *this = std::move(fresh);
}

void Fields::clear() {
  fields_.clear();
  if (blocks_.size() > 1) blocks_.resize(1);
  if (!blocks_.empty()) blocks_.front().used = 0;
}

std::string_view Fields::keep(std::string_view text) {
  if (text.empty()) return {};
  char* const place = allocate(text.size());
  std::memcpy(place, text.data(), text.size());
  return {place, text.size()};
}

char* Fields::allocate(std::size_t bytes) {
  if (blocks_.empty()) fields_.reserve(kFieldsUsual);
  if (blocks_.empty() || blocks_.back().size - blocks_.back().used < bytes) {
    // Room for what is usually added on the way.
    const std::size_t size = std::max(bytes + kBlockBytes / 2, kBlockBytes);
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), 0, size});
  }
  Block& block = blocks_.back();
  char* const place = block.bytes.get() + block.used;
  block.used += bytes;
  return place;
}

}  // namespace propeller::http
