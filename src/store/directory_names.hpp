#pragma once

#include <functional>

#include "base/file_descriptor.hpp"

namespace propeller::store {

/// Every name in an open directory but hidden ones, in no order. What cannot be read is passed over.
void for_each_name(const base::FileDescriptor& directory, const std::function<void(const char*)>& visit);

}  // namespace propeller::store
