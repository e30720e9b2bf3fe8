#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/subprocess.hpp"

namespace propeller::bench {

/// A network namespace behind a veth pair whose way out is limited with tbf: a real slow link, with a real socket
/// buffer in front of it. Root only.
///
/// Lifetime: the namespace belongs to a process of ours; it and the pair go away with the object, or with us.
class ShapedLink {
 public:
  explicit ShapedLink(int megabits_per_second);

  [[nodiscard]] static bool is_possible();
  [[nodiscard]] std::vector<std::string> launcher() const;              ///< puts a program inside
  [[nodiscard]] std::string outer_host() const { return outer_host_; }  ///< our address, as seen from inside
  [[nodiscard]] std::string inner_host() const { return inner_host_; }

 private:
  std::string outer_host_, inner_host_;
  std::unique_ptr<support::Subprocess> holder_;
};

}  // namespace propeller::bench
