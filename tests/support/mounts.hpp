#pragma once

#include <filesystem>

namespace propeller::support {

/// Whether a program that is started as "unshare --mount …" may mount.
[[nodiscard]] bool may_mount();

/// From now on this thread, and what it starts, has mounts of its own, which nobody else sees: as root, or as root of a
/// user namespace, which only a process of one thread can enter. False: not permitted.
[[nodiscard]] bool enter_mount_namespace();

/// A disk of `size` ("256k") in memory in place of a directory, once enter_mount_namespace() has been true; `flags` are
/// those of mount(). False: not permitted.
[[nodiscard]] bool mount_small_disk(const std::filesystem::path& directory, const char* size, unsigned long flags = 0);

}  // namespace propeller::support
