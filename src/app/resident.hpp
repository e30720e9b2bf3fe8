#pragma once

namespace propeller::app {

/// Gives the pages of program text back that start-up touched once (dynamic linker, library initialisers) and that are
/// mapped as long as the process lives otherwise: two thirds of an idle bridge. What is needed again comes back from
/// the page cache by itself. Also returns free heap to the kernel. Threads: any.
void release_resident_pages();

/// Returns free heap to the kernel when there is much of it: after a crowd has left, say. Threads: any.
void release_free_heap();

/// What of this process is in memory, in bytes (VmRSS).
[[nodiscard]] double resident_bytes();

}  // namespace propeller::app
