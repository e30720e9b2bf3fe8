#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace propeller::http {

/// One line of a head or trailer. Names are compared without regard to case.
struct Field {
  std::string_view name;
  std::string_view value;
};

/// Fields that lie elsewhere, in the order in which they came: in a connection's read buffer or in a Fields.
///
/// Bound:    look-ups are linear; ParseLimits::fields_max bounds them.
/// Lifetime: as the text behind it; of a request until its handler has returned.
class FieldView {
 public:
  FieldView() = default;
  FieldView(std::span<const Field> fields) : fields_(fields) {}     // NOLINT: a view converts, as std::string_view does
  FieldView(const std::vector<Field>& fields) : fields_(fields) {}  // NOLINT

  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] bool empty() const { return fields_.empty(); }

  /// The value of the first field of that name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const { return find(name).has_value(); }
  [[nodiscard]] std::size_t count(std::string_view name) const;
  /// Whether one of the fields of that name has this member in its comma-separated list, without regard to case.
  [[nodiscard]] bool has_member(std::string_view name, std::string_view member) const;
  /// All values of that name as one, joined with ", "; empty ones are left out. Empty when there is none.
  [[nodiscard]] std::string joined(std::string_view name) const;

 private:
  std::span<const Field> fields_;
};

/// Fields with their text: the head of a message on its way out, or a copy to keep.
///
/// Lifetime: what find() and the iterators give stays valid until clear(), assign() or the end, also over a move.
class Fields {
 public:
  Fields() = default;
  explicit Fields(FieldView other) { assign(other); }
  Fields(const Fields& other) { assign(other); }
  Fields& operator=(const Fields& other);
  Fields(Fields&&) noexcept = default;
  Fields& operator=(Fields&&) noexcept = default;
  ~Fields() = default;

  operator FieldView() const { return {fields_}; }  // NOLINT: as std::string to std::string_view
  [[nodiscard]] FieldView view() const { return {fields_}; }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] bool empty() const { return fields_.empty(); }

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const { return view().find(name); }
  [[nodiscard]] bool contains(std::string_view name) const { return view().contains(name); }
  [[nodiscard]] std::size_t count(std::string_view name) const { return view().count(name); }
  [[nodiscard]] bool has_member(std::string_view name, std::string_view member) const {
    return view().has_member(name, member);
  }
  [[nodiscard]] std::string joined(std::string_view name) const { return view().joined(name); }

  /// Copies both texts. Whoever makes a name or value of outside input checks it before (is_token, is_field_value):
  /// the writers ASSERT it, so that no head is ever split.
  void add(std::string_view name, std::string_view value);
  /// Copies a text that several fields are parts of, for add_view().
  [[nodiscard]] std::string_view keep(std::string_view text);
  /// Copies neither: for constants, and text that outlives these fields or is kept by them.
  void add_view(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }
  /// One field of that name with this value, in place of all there were.
  void set(std::string_view name, std::string_view value);
  /// Returns how many there were.
  std::size_t remove(std::string_view name);
  template <class Predicate>
  std::size_t remove_if(Predicate predicate) {
    return std::erase_if(fields_, predicate);
  }
  void assign(FieldView other);
  void clear();

 private:
  char* allocate(std::size_t bytes);

  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t used = 0, size = 0;
  };
  std::vector<Field> fields_;
  std::vector<Block> blocks_;
};

}  // namespace propeller::http
