# docker build -t propeller-proxy .       everything from source, Debian's packages only
#
# The first stage is what runs, without the program; the last one puts the program in.
FROM docker.io/library/debian:bookworm-slim AS runtime
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates libarchive13 libboost-program-options1.81.0 libboost-url1.81.0 libcrypt1 libcurl4 libfmt9 \
      libnghttp2-14 libpaho-mqtt1.3 libpaho-mqttpp3-1 libre2-9 libspdlog1.10 libsqlite3-0 libssl3 libyaml-cpp0.7 \
      libzstd1 >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin propeller \
 && install -d -o propeller -g propeller -m 0750 /var/lib/propeller-proxy
USER propeller
WORKDIR /var/lib/propeller-proxy
# Health is asked from outside the container too.
ENV PROXY_HTTP_ADDRESS=0.0.0.0 PROXY_SPOOL_DIR=/var/lib/propeller-proxy/spool
EXPOSE 9191 17080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["propeller-proxy", "healthcheck"]
ENTRYPOINT ["propeller-proxy"]
CMD ["run"]

FROM docker.io/library/debian:bookworm-slim AS build
WORKDIR /source
COPY tools/setup.sh tools/setup.sh
RUN tools/setup.sh build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release -DPROPELLER_TESTS=OFF \
 && cmake --build --preset release --target propeller-proxy \
 && llvm-strip-19 build/release/bin/propeller-proxy

FROM runtime
COPY --from=build /source/build/release/bin/propeller-proxy /usr/local/bin/propeller-proxy
RUN ["propeller-proxy", "version"]
