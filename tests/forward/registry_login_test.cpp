#include "forward/registry_login.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "async/core.hpp"

namespace propeller::forward {
namespace {

/// A registry that wants a user name and a password, for which nobody has to be asked.
class RegistryLoginTest : public testing::Test {
 protected:
  RegistryLoginTest() { core.start(); }
  ~RegistryLoginTest() override {
    async::asio::co_spawn(core.executor(), client.stop(), async::asio::use_future).get();
    core.stop();
    pool.join();
  }
  Result<std::string> answer(std::string repository, std::string challenge, std::string refused = {}) {
    return async::asio::co_spawn(core.executor(),
                                 login.answer(std::move(repository), std::move(challenge), std::move(refused)),
                                 async::asio::use_future)
        .get();
  }
  Result<std::string> prepare(std::string repository) {
    return async::asio::co_spawn(core.executor(), login.prepare(std::move(repository)), async::asio::use_future).get();
  }

  static config::Registry credentials() {
    config::Registry login;
    login.is_authenticated = true;
    login.username = "ann";
    login.password = Secret("secret");
    return login;
  }

  const MirrorRegistry registry{.login = credentials(), .url = *registry::parse_url("https://r.test/")};
  async::Core core{"login"};
  boost::asio::thread_pool pool{1};
  std::shared_ptr<net::ClientTls> tls = *net::ClientTls::create({});
  net::Resolver resolver{core.executor(), pool};
  net::Dialer dialer{core.executor(), resolver};
  PolicyPtr policy = std::make_shared<const Policy>(Policy{.name = "p", .access = {AllowList(), TargetGuard()}});
  Connector connector{{core.executor(), resolver, dialer, *tls}, policy, config::ForwardListener{}};
  http::Client client{core.executor(), connector, {}};
  RegistryHops hops{client, connector, policy};
  RegistryLogin login{core.executor(), registry, hops};
};

TEST_F(RegistryLoginTest, ForgetsAllRepositoriesBeforeItRemembersOneTooMany) {
  const std::string basic = "Basic YW5uOnNlY3JldA==";
  for (std::size_t i = 0; i < RegistryLogin::kRepositoriesMax; ++i)
    ASSERT_EQ(answer("r" + std::to_string(i), "Basic realm=x"), basic);
  EXPECT_EQ(login.repositories(), RegistryLogin::kRepositoriesMax);
  EXPECT_EQ(prepare("r0"), basic);
  EXPECT_EQ(answer("one more", "Basic realm=x"), basic);
  EXPECT_EQ(login.repositories(), 1U);
  EXPECT_EQ(prepare("r0"), "");
}

TEST_F(RegistryLoginTest, HasNothingElseToSendAfterItsPasswordWasRefusedOrForAnotherScheme) {
  EXPECT_EQ(answer("r", "Basic realm=x", "Basic YW5uOnNlY3JldA=="), "");
  EXPECT_EQ(answer("r", "Negotiate"), "");
  EXPECT_FALSE(answer("r", "Basic realm=\"x"));
}

}  // namespace
}  // namespace propeller::forward
