#pragma once

#include <list>

namespace propeller::base {

/// In a list as long as it lives, for whoever has something to say to all of them. Threads: one.
template <class T>
class Listed {
 public:
  Listed(std::list<T*>& all, T& one) : all_(all), place_(all.insert(all.end(), &one)) {}
  ~Listed() { all_.erase(place_); }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

 private:
  std::list<T*>& all_;
  typename std::list<T*>::iterator place_;
};

}  // namespace propeller::base
