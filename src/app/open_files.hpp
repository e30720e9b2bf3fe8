#pragma once

namespace propeller::app {

/// Raises the soft limit of open files to the hard one: services and shells begin with 1024, of which each client takes
/// one or two. Nothing here uses select(), for which the soft limit is that low. Call before any thread.
void raise_open_files_limit();

}  // namespace propeller::app
