#include "mqtt/topics.hpp"

#include <gtest/gtest.h>

namespace propeller::mqtt {
namespace {

TEST(Topics, EachFamilyHasThePrefixOfTheProtocol) {
  EXPECT_EQ(topics_of({.id = "c1", .tenant = {}, .family = config::TopicFamily::classic}).request,
            "channels/c1/messages/registry/proplet");
  EXPECT_EQ(topics_of({.id = "c1", .tenant = "d", .family = config::TopicFamily::domain_messages}).chunks,
            "m/d/c/c1/messages/registry/server");
  EXPECT_EQ(topics_of({.id = "c1", .tenant = "t", .family = config::TopicFamily::domain}).status,
            "m/t/c/c1/registry/status");
}

TEST(Topics, ASharedSubscriptionPutsTheGroupInFront) {
  const auto topics = topics_of({.id = "c", .tenant = "t", .family = config::TopicFamily::domain});
  EXPECT_EQ(topics.request_filter(""), "m/t/c/c/registry/proplet");
  EXPECT_EQ(topics.request_filter("east"), "$share/east/m/t/c/c/registry/proplet");
}

TEST(Topics, DirectDeliveryLiesBelowTheChunkTopic) {
  const auto topics = topics_of({.id = "c", .tenant = "t", .family = config::TopicFamily::domain});
  EXPECT_EQ(topics.direct_manifest("p1"), "m/t/c/c/registry/server/p1/manifest");
  EXPECT_EQ(topics.direct_chunk("p1", "f00d", 7), "m/t/c/c/registry/server/p1/f00d/7");
}

TEST(Topics, ALevelCannotBreakOutOfItsPlace) {
  for (const std::string_view good : {"a", "proplet-7", "Ünïcode", "a b", "\xf0\x9f\x9a\x80"})
    EXPECT_TRUE(is_topic_level(good)) << good;
  for (const std::string_view bad : {"", "a/b", "+", "a#", "$SYS", "x\n", "\x7f"})
    EXPECT_FALSE(is_topic_level(bad)) << bad;
  EXPECT_FALSE(is_topic_level(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_topic_level(std::string(128, 'x')));
  EXPECT_FALSE(is_topic_level(std::string(129, 'x')));
}

// A broker ends the connection over such text, so one device could take the bridge away from all the others.
TEST(Topics, TextThatBrokersEndTheConnectionOverIsRefused) {
  for (const std::string_view bad : {"\xff", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                     "\xc2\x85", "\xef\xbf\xbf", "\xef\xb7\x90"}) {
    EXPECT_FALSE(is_topic_level(bad));
    EXPECT_FALSE(is_publish_topic(bad));
  }
}

TEST(Topics, AResponseTopicMayHaveLevelsButNoWildcardAndNotBeTheBrokers) {
  EXPECT_TRUE(is_publish_topic("a/b/$c"));
  for (const std::string_view bad : {"", "a/+/b", "a/#", "$SYS/x"}) EXPECT_FALSE(is_publish_topic(bad)) << bad;
  EXPECT_FALSE(is_publish_topic(std::string(65'536, 'x')));
}

}  // namespace
}  // namespace propeller::mqtt
