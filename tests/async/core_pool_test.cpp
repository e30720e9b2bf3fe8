#include "async/core_pool.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <boost/asio/post.hpp>
#include <future>
#include <set>
#include <string>

namespace propeller::async {
namespace {

TEST(CorePool, RunsEachCoreOnANamedThreadOfItsOwn) {
  CorePool pool("core", 3);
  pool.start();
  std::set<std::string> names;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    std::promise<std::string> name;
    asio::post(pool[i].executor(), [&name] {
      std::array<char, 16> text{};
      ::pthread_getname_np(::pthread_self(), text.data(), text.size());
      name.set_value(text.data());
    });
    names.insert(name.get_future().get());
  }
  pool.stop();
  pool.stop();
  EXPECT_EQ(names, (std::set<std::string>{"core_0", "core_1", "core_2"}));
}

TEST(CorePool, HasAtLeastOneCoreAndAtMostTheBound) {
  EXPECT_GE(CorePool("core", 0).size(), 1u);
  EXPECT_EQ(CorePool("core", 100'000).size(), CorePool::kCoresMax);
}

}  // namespace
}  // namespace propeller::async
