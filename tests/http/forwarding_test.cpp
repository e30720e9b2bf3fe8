#include "http/forwarding.hpp"

#include <gtest/gtest.h>

namespace propeller::http {
namespace {

Fields make(std::initializer_list<Field> list) {
  Fields fields;
  for (const Field& field : list) fields.add(field.name, field.value);
  return fields;
}

TEST(RemoveHopByHop, TakesWhatConnectionNamesAndTheKnownOnes) {
  Fields fields = make({{"Connection", "X-Secret, keep-alive"},
                        {"Connection", "X-Other"},
                        {"X-Secret", "1"},
                        {"x-other", "2"},
                        {"Keep-Alive", "timeout=5"},
                        {"Proxy-Connection", "keep-alive"},
                        {"Proxy-Authenticate", "Basic"},
                        {"Proxy-Authorization", "Basic eA=="},
                        {"TE", "gzip"},
                        {"Trailer", "X"},
                        {"Transfer-Encoding", "chunked"},
                        {"Upgrade", "websocket"},
                        {"HTTP2-Settings", "AA"},
                        {"Accept", "kept"}});
  remove_hop_by_hop(fields);
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields.find("accept"), "kept");
}

TEST(RemoveHopByHop, KeepsTrailersOfTe) {
  Fields fields = make({{"TE", "gzip, trailers"}, {"Connection", "TE"}});
  remove_hop_by_hop(fields);
  EXPECT_EQ(fields.joined("te"), "trailers");
}

// Otherwise a client could make the next hop see no Host, or another length than we saw.
TEST(RemoveHopByHop, ConnectionCannotNameWhatIsEndToEnd) {
  Fields fields = make({{"Connection", "Host, content-length, Authorization"},
                        {"Host", "h"},
                        {"Content-Length", "5"},
                        {"Authorization", "x"}});
  remove_hop_by_hop(fields);
  EXPECT_EQ(fields.size(), 3u);
}

TEST(Via, IsAppendedToWhatIsThere) {
  Fields fields = make({{"Via", "1.0 fred"}, {"via", "1.1 other (comment)"}});
  append_via(fields, Version::http_2, "edge");
  EXPECT_EQ(fields.joined("via"), "1.0 fred, 1.1 other (comment), 2.0 edge");
  EXPECT_EQ(fields.count("via"), 1u);
}

TEST(Via, FindsALoop) {
  const Fields fields = make({{"Via", "1.0 fred, 1.1 Edge-1 (x)"}});
  EXPECT_TRUE(is_in_via(fields, "edge-1"));
  EXPECT_FALSE(is_in_via(fields, "edge"));
  EXPECT_FALSE(is_in_via(fields, "1.0"));
}

TEST(MaxForwards, CountsDownForOptionsAndTrace) {
  Fields fields = make({{"Max-Forwards", "2"}});
  EXPECT_EQ(count_max_forwards(Method::options, fields), Forwards::go_on);
  EXPECT_EQ(count_max_forwards(Method::trace, fields), Forwards::go_on);
  EXPECT_EQ(fields.find("max-forwards"), "0");
  EXPECT_EQ(count_max_forwards(Method::trace, fields), Forwards::answer);
  EXPECT_EQ(count_max_forwards(Method::get, fields), Forwards::go_on);
  fields.set("max-forwards", "-1");
  EXPECT_EQ(count_max_forwards(Method::trace, fields), Forwards::invalid);
}

TEST(RequestedUpgrade, NeedsConnectionToNameIt) {
  const Fields both = make({{"Connection", "keep-alive, Upgrade"}, {"Upgrade", "websocket"}});
  const Fields alone = make({{"Upgrade", "websocket"}});
  EXPECT_EQ(requested_upgrade({.version = Version::http_1_1, .fields = both}), "websocket");
  EXPECT_EQ(requested_upgrade({.version = Version::http_1_0, .fields = both}), "");
  EXPECT_EQ(requested_upgrade({.version = Version::http_1_1, .fields = alone}), "");
}

}  // namespace
}  // namespace propeller::http
