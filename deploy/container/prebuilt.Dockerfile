# A program that is built already, on the runtime stage of the Dockerfile: what `make compose-test` runs.
ARG RUNTIME
FROM ${RUNTIME}
COPY propeller-proxy /usr/local/bin/propeller-proxy
RUN ["propeller-proxy", "version"]
