// Disks that refuse, while clients want their bytes all the same.
#include <sys/mount.h>

#include <functional>
#include <thread>

#include "forward/cache_fixture.hpp"
#include "support/mounts.hpp"

namespace propeller::forward {
namespace {

class CacheDiskTest : public testing::Test {
 protected:
  /// In a thread with a mount namespace of its own, which every thread started from it shares. False: not permitted.
  bool on_a_small_disk(const std::function<void()>& body) {
    bool is_mounted = false;
    std::thread([&] {
      is_mounted = support::enter_mount_namespace() && support::mount_small_disk(directory.path(), "512k");
      if (is_mounted) body();
    }).join();
    return is_mounted;
  }
  std::string url(std::string_view bytes) const {
    return "http://" + registry.host() + "/v2/acme/m/blobs/" + base::sha256(bytes).to_string();
  }

  support::TempDir directory;
  support::FakeRegistry registry;
};

TEST_F(CacheDiskTest, OnAFullDiskEverythingIsServedAndWhatIsThereStaysAHit) {
  const std::string small = noise(10'000), large = noise(3'000'000, 2);
  registry.push_blob("acme/m", small);
  registry.push_blob("acme/m", large);
  const bool is_permitted = on_a_small_disk([&] {
    CacheSite site(directory.path());
    site.start();
    EXPECT_TRUE(site.get(url(small)).body == small);
    ASSERT_TRUE(site.has_stored(1));
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(site.get(url(large)).body == large && site.is_idle());
    EXPECT_EQ(site.proxy->cache_stats().stores, 1U);
    EXPECT_EQ(site.proxy->cache_stats().errors, 0U);
  });
  if (!is_permitted) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(registry.requests_with(base::sha256(large).to_string()), 2);
}

TEST_F(CacheDiskTest, OnAReadOnlyDiskHitsAreServedAndMissesPassedOn) {
  registry.push_blob("acme/m", "kept");
  registry.push_blob("acme/m", "fresh");
  const bool is_permitted = on_a_small_disk([&] {
    CacheSite site(directory.path());
    site.start();
    EXPECT_EQ(site.get(url("kept")).body, "kept");
    ASSERT_TRUE(site.has_stored(1));
    site.stop();
    // The place of the drafts only: the kernel refuses to change a disk on which a database is open.
    const auto drafts = directory / "cache/tmp";
    ASSERT_TRUE(support::mount_small_disk(drafts, "64k"));
    site.start();
    ASSERT_EQ(::mount("none", drafts.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    EXPECT_TRUE(site.get(url("kept")).is_hit());
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(site.get(url("fresh")).body == "fresh" && site.is_idle());
    EXPECT_FALSE(site.store->status().is_storing);
    EXPECT_TRUE(site.metrics.render().contains("\npropeller_store_storing 0\n"));
    EXPECT_EQ(site.proxy->cache_stats().stores, 0U);
  });
  if (!is_permitted) GTEST_SKIP() << "this process may not mount";
  EXPECT_EQ(registry.requests_with(base::sha256("fresh").to_string()), 2);
}

// Another process has the directory, say: the application starts without a cache.
TEST_F(CacheDiskTest, AStoreThatCouldNotBeOpenedPassesEverythingOn) {
  CacheSite site(directory.path());
  registry.push_blob("acme/m", "bytes");
  site.store.emplace(site.options, site.pool(), site.probe);
  site.proxy.emplace(site.settings, &*site.store);
  ASSERT_TRUE(site.proxy->start());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(site.get(url("bytes")).body == "bytes" && site.is_idle());
  EXPECT_EQ(registry.requests().size(), 2U);
}

}  // namespace
}  // namespace propeller::forward
