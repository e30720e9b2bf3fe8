#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "app/forward_app.hpp"
#include "command.hpp"
#include "store/import_cache.hpp"

namespace propeller::cmd {

namespace {

constexpr std::size_t kPoolThreads = 2;

Result<store::ImportCounts> import_from(store::ImportOptions options, const config::Cache& cache) {
  observe::Metrics metrics;
  store::Probe probe(metrics);
  boost::asio::io_context context(1);  // before the pool, whose threads are in it until they are joined
  boost::asio::thread_pool pool(kPoolThreads);
  store::ContentStore content(app::store_options(cache), pool, probe);
  if (auto opened = content.open(); !opened) return std::unexpected(opened.error());
  auto imported =
      boost::asio::co_spawn(context, store::import_cache(std::move(options), content), boost::asio::use_future);
  context.run();
  content.close();
  return imported.get();
}

}  // namespace

int run_import_cache(const Call& call) {
  const auto& command = command_named("import-cache");
  auto arguments = call.arguments;
  const auto words = take_words(command, arguments);
  int exit_code = kExitOk;
  const auto flags = parse_flags(command, arguments, exit_code);
  if (!flags) return exit_code;
  if (words.size() != 1) return usage_error("import-cache", "one DIRECTORY is needed: cache.dir of the existing proxy");
  const auto configuration = load_forward_configuration(call, flags->configuration);
  print_problems(configuration.problems);
  if (!configuration.problems.errors.empty()) return kExitUsage;
  if (!configuration.settings.cache.is_enabled)
    return usage_error("import-cache", "cache.enabled is false: there is nothing to import into");
  const bool is_public = flags->own.contains("--public");
  const auto counts = import_from({.directory = words[0], .is_public = is_public}, configuration.settings.cache);
  if (!counts) {
    fmt::print(stderr, "propeller-proxy import-cache: {}\n", counts.error().detail);
    return kExitFailure;
  }
  fmt::print("imported {} ({} bytes), there already {}, damaged {}, without a digest {}, refused {}\n",
             counts->imported, counts->bytes, counts->present, counts->damaged, counts->undigested, counts->refused);
  if (!is_public)
    fmt::print(
        "It answers nobody yet, because the old cache does not say who might have it; with --public anybody may.\n");
  return counts->refused == 0 ? kExitOk : kExitFailure;
}

}  // namespace propeller::cmd
