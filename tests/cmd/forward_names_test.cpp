// The forward proxy and the site's name server, which is one of ours here.
#include <thread>

#include "forward_site.hpp"
#include "support/name_server.hpp"

namespace propeller::cmd {
namespace {

class ForwardNames : public ForwardSite {
 protected:
  void SetUp() override {
    if (!names_.is_listening()) GTEST_SKIP() << "port 53 is not for this user";
    support::write_file(files_ / "resolv.conf", std::string(support::NameServer::kConfiguration));
    launcher_ = {"unshare", "--mount", "sh", "-c",
                 "mount --bind " + (files_ / "resolv.conf").string() + " /etc/resolv.conf && exec \"$0\" \"$@\""};
    // Each core has its own memory of names.
    auto text = usual("  insecure_hosts: [origin.test]\n");
    write_config(text.replace(text.find("threads: 2"), 10, "threads: 1"));
    start();
  }

  support::NameServer names_{{.knows_ipv6 = true}};
};

TEST_F(ForwardNames, AddressesServeOnWhileTheNameServerIsSilent) {
  // Each answer ends with its connection: the next one needs the address again.
  plain_.inject("/blobs/", {.kind = support::FaultKind::no_length});
  const auto fetch = [&] { return curl({blob(plain_, "origin.test")}); };
  ASSERT_EQ(fetch().exit_code, 0) << log();
  names_.fall_silent();
  // The system does not say how long an answer holds: half a minute is what the proxy takes.
  std::this_thread::sleep_for(std::chrono::seconds(31));
  for (int times = 0; times < 3; ++times) {
    const auto fetched = fetch();
    EXPECT_TRUE(fetched.has(" 200 OK")) << fetched.output << log();
  }
  EXPECT_GT(names_.unanswered(), 0);
  const auto unknown = curl({blob(plain_, "other.test")});
  EXPECT_TRUE(unknown.has(" 502 ")) << unknown.output;
  EXPECT_TRUE(unknown.has("dns_error")) << unknown.output;
}

}  // namespace
}  // namespace propeller::cmd
