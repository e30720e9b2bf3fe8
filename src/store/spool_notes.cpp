#include "store/spool_notes.hpp"

#include <utility>

#include "store/youngest_files.hpp"

namespace propeller::store {

void SpoolNotes::load() {
  YoungestFiles youngest(count_max_, [this](const ListedFile& file) { directory_.remove_note(file.name); });
  directory_.for_each_note([&](ListedFile file) { youngest.add(std::move(file)); });
  for (ListedFile& file : youngest.take()) add(std::move(file.name));
}

void SpoolNotes::write(std::string name, std::string_view text) {
  if (!directory_.write_note(name, text) || use(name)) return;
  add(std::move(name));
  if (places_.size() <= count_max_) return;
  directory_.remove_note(order_.front());
  places_.erase(order_.front());
  order_.pop_front();
}

std::optional<std::string> SpoolNotes::read(const std::string& name) {
  return use(name) ? directory_.read_note(name, kBytesMax) : std::nullopt;
}

void SpoolNotes::add(std::string name) {
  const auto place = order_.insert(order_.end(), std::move(name));
  places_.emplace(*place, place);
}

bool SpoolNotes::use(std::string_view name) {
  const auto found = places_.find(name);
  if (found == places_.end()) return false;
  order_.splice(order_.end(), order_, found->second);
  return true;
}

}  // namespace propeller::store
