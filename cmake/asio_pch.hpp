// Shared precompiled header of the folders that use coroutines: most of their compile time is these headers.
#pragma once
#include <boost/asio.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>
