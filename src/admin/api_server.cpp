#include "admin/api_server.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "admin/api_query.hpp"
#include "observe/escape.hpp"

namespace propeller::admin {

namespace {

constexpr std::size_t kMessageBytesMax = 1000;

http::ServerLimits limits() {
  using namespace std::chrono_literals;
  return {.head_timeout = 10s,
          .idle_timeout = 120s,
          .read_timeout = 30s,
          .write_timeout = 30s,
          .body_bytes_max = ApiServer::kBodyBytesMax};
}

ApiCall call_of(http::Request& request) {
  const auto fields = request.fields();
  return {.is_from_loopback = request.connection().peer.address().is_loopback(),
          .authority = request.head().authority,
          .origin = fields.find("Origin"),
          .fetch_site = fields.find("Sec-Fetch-Site"),
          .authorization = fields.find("Authorization"),
          .content_type = fields.find("Content-Type"),
          .has_body = request.has_body()};
}

std::string_view name_of(http::Method method) {
  switch (method) {
    case http::Method::get: return "GET, HEAD";
    case http::Method::post: return "POST";
    case http::Method::put: return "PUT";
    case http::Method::patch: return "PATCH";
    case http::Method::del: return "DELETE";
    default: return "";
  }
}

std::string_view query_of(std::string_view target) {
  const auto mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

}  // namespace

ApiAnswer api_problem(int status, std::string_view message) {
  return {.status = status, .body = fmt::format("{{\"error\":{}}}\n", observe::json_string(message, kMessageBytesMax))};
}

ApiServer::ApiServer(boost::asio::any_io_executor executor, ApiOptions options)
    : options_(std::move(options)),
      listener_(executor),
      server_(limits()),
      acceptors_(executor),
      connections_(executor) {}

Result<boost::asio::ip::tcp::endpoint> ApiServer::listen() {
  if (auto is_free = net::check_is_free(options_.listen); !is_free) return std::unexpected(is_free.error());
  if (auto opened = listener_.open(options_.listen); !opened) return std::unexpected(opened.error());
  return listener_.address();
}

void ApiServer::start(std::vector<ApiRoute> routes) {
  routes_ = std::move(routes);
  acceptors_.spawn(accept_loop());
}

async::awaitable<void> ApiServer::stop() {
  listener_.close();
  acceptors_.cancel();
  co_await acceptors_.join();
  connections_.cancel();
  co_await connections_.join();
}

async::awaitable<void> ApiServer::accept_loop() {
  for (;;) {
    auto stream = co_await listener_.accept();
    if (!stream) co_return;
    if (connections_.size() < kConnectionsMax) connections_.spawn(serve(std::move(*stream)));
  }
}

async::awaitable<void> ApiServer::serve(std::unique_ptr<net::Stream> stream) { co_await server_.serve(*stream, *this); }

async::awaitable<http::Response> ApiServer::handle(http::Request& request) {
  http::Fields fields;
  fields.add_view("Cache-Control", "no-store");
  fields.add_view("X-Content-Type-Options", "nosniff");
  auto answer = co_await this->answer(request, fields);
  http::Response response{.status = answer.status, .fields = std::move(fields)};
  response.fields.add("Content-Type", answer.content_type);
  if (answer.stream) {
    response.body = std::move(answer.stream);
  } else if (request.head().method == http::Method::head) {
    response.body = std::make_unique<http::EmptyBody>(answer.body.size());
  } else {
    response.body = std::make_unique<http::MemoryBody>(std::move(answer.body));
  }
  co_return response;
}

/// A route that is called so comes before one that takes any name there.
std::vector<const ApiRoute*> ApiServer::routes_of(std::string_view path, std::string& parameter) const {
  std::vector<const ApiRoute*> found;
  for (const auto& route : routes_) {
    if (route.path == path) found.push_back(&route);
  }
  if (!found.empty()) return found;
  const auto slash = path.rfind('/');
  auto name = slash == std::string_view::npos ? std::nullopt : decode_component(path.substr(slash + 1));
  if (!name || name->empty()) return found;
  for (const auto& route : routes_) {
    const auto brace = route.path.find("/{");
    if (brace != std::string::npos && std::string_view(route.path).substr(0, brace) == path.substr(0, slash))
      found.push_back(&route);
  }
  parameter = std::move(*name);
  return found;
}

async::awaitable<ApiAnswer> ApiServer::answer(http::Request& request, http::Fields& fields) {
  const auto& head = request.head();
  if (const auto refusal = judge(call_of(request), options_.trust, options_.token)) {
    if (refusal->status == 401) fields.add_view("WWW-Authenticate", "Bearer realm=\"propeller-proxy\"");
    co_return api_problem(refusal->status, refusal->message);
  }
  if (head.form != http::TargetForm::origin) co_return api_problem(404, "this is the API, not the proxy");
  const auto path = head.path.substr(0, head.path.find('?'));
  const auto method = head.method == http::Method::head ? http::Method::get : head.method;
  ApiQuestion question{.parameter = {}, .query = std::string(query_of(head.path)), .body = {}};
  std::vector<std::string_view> allowed;
  for (const auto* route : routes_of(path, question.parameter)) {
    if (route->method != method) {
      allowed.push_back(name_of(route->method));
      continue;
    }
    auto body = co_await http::read_all(request.body(), kBodyBytesMax);
    if (!body) co_return api_problem(body.error().code == Code::limit_exceeded ? 413 : 400, body.error().detail);
    question.body = std::move(*body);
    co_return co_await route->answer(std::move(question));
  }
  if (allowed.empty()) co_return api_problem(404, "there is nothing here");
  fields.add("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  co_return api_problem(405, "this method is not taken here");
}

}  // namespace propeller::admin
