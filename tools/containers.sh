#!/usr/bin/env bash
# Containers, whatever this machine has.
#
#   tools/containers.sh up                     a container engine that works, and the images that the project needs
#   tools/containers.sh image                  the project's image, propeller-proxy:local, all from source
#   tools/containers.sh compose-test BINARY    docker-compose.yml for real, with a program that is built already
#
# Docker is used where its engine answers. Elsewhere Podman is installed from Debian (root, or sudo, is needed). An image
# that cannot be pulled is made here: the base with debootstrap, broker and registry from Debian's packages.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$PWD/build/containers
mkdir -p "$state"
base=docker.io/library/debian:bookworm-slim
pull_seconds_max=120

say() { printf 'containers: %s\n' "$*"; }

# Runs quietly; shows what was said when it fails.
quietly() {
  local log="$state/last.log"
  "$@" >"$log" 2>&1 </dev/null || { tail -n 30 "$log" >&2; return 1; }
}

choose_engine() {
  if command -v docker >/dev/null && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
    engine=(docker)
    compose=(docker compose)
    build_options=()
    return
  fi
  tools/setup.sh containers
  if ((EUID == 0)); then engine=(podman); else engine=(sudo -E podman); fi
  # A sandbox may neither raise limits nor use cgroups version 2 alone: state limits that it may set, and use runc.
  local files
  files=$(ulimit -Hn)
  cat >"$state/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=4096:4096"]
[engine]
runtime = "runc"
CONF
  export CONTAINERS_CONF=$state/containers.conf BUILDAH_ISOLATION=chroot
  compose=("${engine[@]/%podman/podman-compose}")
  build_options=(--format docker)  # the other format has no HEALTHCHECK
}

has_image() { "${engine[@]}" image inspect "$1" >/dev/null 2>&1; }
# --network=host: apt works in the build wherever it works outside.
build_image() { quietly "${engine[@]}" build --network=host "${build_options[@]}" "$@"; }

# Present, or pulled within a while.
pulled() {
  has_image "$1" || timeout "$pull_seconds_max" "${engine[@]}" pull "$1" >"$state/pull.log" 2>&1 </dev/null
}

base_image() {
  pulled "$base" && return
  say "no image registry to be reached: $base is made with debootstrap"
  tools/setup.sh bare
  local root as_root=()
  ((EUID == 0)) || as_root=(sudo)
  root=$(mktemp -d)
  quietly "${as_root[@]}" debootstrap --variant=minbase bookworm "$root/fs"
  "${as_root[@]}" rm -rf "$root"/fs/var/cache/apt/archives/*.deb
  "${as_root[@]}" tar -C "$root/fs" -c . | "${engine[@]}" import --change 'CMD ["bash"]' - "$base" >/dev/null 2>&1
  "${as_root[@]}" rm -rf "$root"
}

# The image of a service: as the compose file names it, or a stand-in.
service_image() {
  local original=$1 name=$2
  if pulled "$original"; then
    image=$original
    return
  fi
  image=localhost/propeller-$name:standin
  say "$name: a stand-in from Debian's package for $original"
  build_image -q -f "deploy/container/$name.Dockerfile" -t "$image" deploy/container
}

up() {
  choose_engine
  base_image
  "${engine[@]}" run --rm "$base" true
  say "ready: $("${engine[@]}" --version)"
}

case "${1:-}" in
  up) up ;;
  image)
    up
    build_image -t propeller-proxy:local .
    "${engine[@]}" run --rm propeller-proxy:local version
    say "built propeller-proxy:local"
    ;;
  compose-test)
    binary=$2
    up
    service_image docker.io/library/eclipse-mosquitto:2 mosquitto
    export MOSQUITTO_IMAGE=$image
    service_image docker.io/library/registry:2 registry
    export REGISTRY_IMAGE=$image
    build_image -q --target runtime -t localhost/propeller-proxy:runtime .
    mkdir -p "$state/prebuilt"
    llvm-strip-19 -o "$state/prebuilt/propeller-proxy" "$binary"
    export PROXY_IMAGE=localhost/propeller-proxy:compose-test
    build_image -q -f deploy/container/prebuilt.Dockerfile --build-arg RUNTIME=localhost/propeller-proxy:runtime \
      -t "$PROXY_IMAGE" "$state/prebuilt"
    python3 tools/compose_test.py "${compose[@]}"
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
