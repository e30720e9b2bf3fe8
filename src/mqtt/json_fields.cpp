#include "mqtt/json_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "mqtt/payload.hpp"

namespace propeller::mqtt {

/// nlohmann's events; a `false` ends the parse.
class JsonFields::Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  Reader(JsonFields& fields, std::span<const std::string_view> names) : fields_(fields), names_(names) {}

  bool null() override { return is_in_object(); }
  bool boolean(bool) override { return put(Unusable{}); }
  bool number_integer(number_integer_t) override { return put(Unusable{}); }  // negative: the others come unsigned
  bool number_unsigned(number_unsigned_t value) override { return put(std::uint64_t{value}); }
  bool number_float(number_float_t, const string_t&) override { return put(Unusable{}); }
  bool binary(binary_t&) override { return put(Unusable{}); }

  bool string(string_t& value) override {
    if (depth_ == 2 && list_ != nullptr) {
      if (list_->size() == kChunkHashesMax) return stop(fmt::format("\"{}\" is too long", key_));
      list_->push_back(std::move(value));
      return true;
    }
    return put(std::move(value));
  }

  bool start_object(std::size_t) override {
    if (depth_ == 0) return ++depth_, true;
    return put(Unusable{}) && enter();
  }
  bool end_object() override { return leave(); }

  bool start_array(std::size_t) override {
    if (depth_ == 1) {
      if (!put(std::vector<std::string>{})) return false;
      const auto member = fields_.members_.find(key_);
      list_ = member == fields_.members_.end() ? nullptr : std::get_if<std::vector<std::string>>(&member->second);
      return enter();
    }
    return put(Unusable{}) && enter();
  }
  bool end_array() override {
    if (depth_ == 2) list_ = nullptr;
    return leave();
  }

  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    is_wanted_ = std::ranges::find(names_, name) != names_.end();
    if (is_wanted_ && fields_.members_.contains(name)) return stop(fmt::format("\"{}\" appears twice", name));
    key_ = is_wanted_ ? std::move(name) : string_t();
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return stop(fmt::format("not JSON: unexpected text at byte {}", position));
  }

 private:
  bool stop(std::string detail) {
    fields_.refuse(std::move(detail));
    return false;
  }
  bool is_in_object() { return depth_ > 0 || stop("not a JSON object"); }
  bool enter() { return ++depth_ <= kJsonDepthMax || stop(fmt::format("nested deeper than {} levels", kJsonDepthMax)); }
  bool leave() { return --depth_, true; }

  bool put(Value value) {
    if (!is_in_object()) return false;
    if (depth_ == 1 && is_wanted_) {
      fields_.members_.insert_or_assign(key_, std::move(value));
    } else if (depth_ == 2 && list_ != nullptr) {
      return stop(fmt::format("\"{}\" has to be a list of strings", key_));
    }
    return true;
  }

  JsonFields& fields_;
  std::span<const std::string_view> names_;
  int depth_ = 0;
  bool is_wanted_ = false;
  string_t key_;
  std::vector<std::string>* list_ = nullptr;
};

JsonFields::JsonFields(std::string_view json, std::size_t bytes_max, std::span<const std::string_view> names) {
  if (json.size() > bytes_max) {
    refuse(fmt::format("larger than {} bytes", bytes_max));
    return;
  }
  Reader reader(*this, names);
  // The SAX interface reports through parse_error() and does not throw for what the text holds.
  if (!nlohmann::json::sax_parse(json, &reader)) refuse("not a JSON object");
}

void JsonFields::refuse(std::string detail) {
  if (!error_) error_ = Error{Code::bad_request, Origin::client, std::move(detail)};
}

std::optional<std::string> JsonFields::text(std::string_view name) {
  const auto member = members_.find(name);
  if (member == members_.end()) return std::nullopt;
  if (auto* value = std::get_if<std::string>(&member->second)) return std::move(*value);
  refuse(fmt::format("\"{}\" has to be a string", name));
  return std::nullopt;
}

std::string JsonFields::required_text(std::string_view name) {
  if (!has(name)) refuse(fmt::format("\"{}\" is missing", name));
  return text(name).value_or(std::string());
}

std::optional<std::uint64_t> JsonFields::number(std::string_view name) {
  const auto member = members_.find(name);
  if (member == members_.end()) return std::nullopt;
  if (const auto* value = std::get_if<std::uint64_t>(&member->second)) return *value;
  refuse(fmt::format("\"{}\" has to be a whole number of at least 0", name));
  return std::nullopt;
}

std::uint64_t JsonFields::required_number(std::string_view name) {
  if (!has(name)) refuse(fmt::format("\"{}\" is missing", name));
  return number(name).value_or(0);
}

std::vector<std::string> JsonFields::texts(std::string_view name) {
  const auto member = members_.find(name);
  if (member == members_.end()) return {};
  if (auto* value = std::get_if<std::vector<std::string>>(&member->second)) return std::move(*value);
  refuse(fmt::format("\"{}\" has to be a list of strings", name));
  return {};
}

}  // namespace propeller::mqtt
