#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace propeller::base {

/// What a child reads and writes: descriptors of ours; -1 is /dev/null.
struct ChildStreams {
  int input = -1;
  int output = -1;
  int error = -1;
};

/// Starts a program, looked for in our PATH, without a shell: with our environment, every signal at its default, and as
/// the leader of a group of its own, so that its children can be ended with it. Nothing when it cannot be started.
/// Threads: any. Lifetime: whoever starts it waits for it.
[[nodiscard]] std::optional<pid_t> start_program(const std::vector<std::string>& arguments,
                                                 const ChildStreams& streams);
/// With this environment instead: "NAME=value" each.
[[nodiscard]] std::optional<pid_t> start_program(const std::vector<std::string>& arguments, const ChildStreams& streams,
                                                 const std::vector<std::string>& environment);

/// What execve() takes: views of the texts, and a null behind them. Lifetime: of the texts, which it may not change.
[[nodiscard]] std::vector<char*> pointers_to(std::vector<std::string>& texts);

/// Ends a program that start_program() made, with its children, and waits for it. Returns its status as waitpid() does.
int kill_program(pid_t child);

}  // namespace propeller::base
