#!/usr/bin/env bash
# Installs what the project needs and this machine lacks, from Debian's packages and from nowhere else.
#
#   tools/setup.sh [build] [test] [bench] [containers] [bare] [all]      default: build test
#
# Does nothing, and asks the network nothing, when everything is there. Needs root, or sudo.
# A service that comes with a package (mosquitto, docker-registry) is neither started nor enabled.
set -euo pipefail

# One line per need; alternatives from the wanted to the accepted (Debian 13 has newer Boost, and no 1.81).
build_needs="
clang-19 lld-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev llvm-19
cmake ninja-build ccache git pkg-config|pkgconf python3
libboost1.81-dev|libboost1.83-dev|libboost1.88-dev
libboost-program-options1.81-dev|libboost-program-options1.83-dev|libboost-program-options1.88-dev
libboost-url1.81-dev|libboost-url1.83-dev|libboost-url1.88-dev
libpaho-mqtt-dev libpaho-mqttpp-dev libcurl4-openssl-dev nlohmann-json3-dev libspdlog-dev libfmt-dev
libarchive-dev libzstd-dev libssl-dev libtomlplusplus-dev libsqlite3-dev libgtest-dev libgmock-dev libbenchmark-dev libmosquitto-dev
libnghttp2-dev libyaml-cpp-dev libre2-dev libcrypt-dev
"
test_needs="
mosquitto mosquitto-clients docker-registry iproute2 openssl curl ca-certificates nghttp2-client skopeo npm containerd podman runc gnupg libnss3-tools
"
bench_needs="
wrk nginx-light|nginx-core|nginx-full varnish squid-openssl
"
containers_needs="
podman buildah runc podman-compose aardvark-dns netavark debootstrap iptables
"
bare_needs="debootstrap"

# Units of the packages above that Debian would enable.
services="mosquitto.service docker-registry.service nginx.service varnish.service varnishncsa.service squid.service podman.service podman.socket podman-restart.service containerd.service
podman-auto-update.service podman-auto-update.timer"

say() { printf 'setup: %s\n' "$*"; }

needs=""
for set in "${@:-build test}"; do
  for name in $set; do
    case "$name" in
      build) needs+=$build_needs ;;
      test) needs+=$test_needs ;;
      bench) needs+=$bench_needs ;;
      containers) needs+=$containers_needs ;;
      bare) needs+=$bare_needs ;;
      all) needs+=$build_needs$test_needs$bench_needs$containers_needs ;;
      *) say "unknown set '$name' (build, test, bench, containers, bare, all)" >&2; exit 2 ;;
    esac
  done
done

installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | awk '$1 == "installed" { printf "%s ", $2 }')"
# Other builds of Node.js bring it in their own package.
! command -v npm >/dev/null || installed+="npm "

missing=()
for need in $needs; do
  found=""
  for package in ${need//|/ }; do
    [[ $installed == *" $package "* ]] && found=$package
  done
  [[ -n $found ]] || missing+=("$need")
done
((${#missing[@]})) || exit 0

if ((EUID == 0)); then
  as_root=(env)
elif command -v sudo >/dev/null; then
  as_root=(sudo)
else
  say "root is needed to install: ${missing[*]}" >&2
  exit 1
fi

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null; }

# A source of the user's that does not answer is no reason to stop: the install below decides.
apt update >/dev/null || say "apt-get update reported a problem, going on"

packages=()
for need in "${missing[@]}"; do
  chosen=""
  for package in ${need//|/ }; do
    if [[ -z $chosen && -n $(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p' | grep -v '(none)') ]]; then
      chosen=$package
    fi
  done
  if [[ -z $chosen ]]; then
    say "no package for '$need' in the configured Debian sources" >&2
    exit 1
  fi
  packages+=("$chosen")
done

say "installing ${#packages[@]} of Debian's packages: ${packages[*]}"

# Debian starts a service when it is installed, unless a policy says no.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi
there_before=" $(ls /lib/systemd/system /usr/lib/systemd/system 2>/dev/null | sort -u | tr '\n' ' ')"

log=$(mktemp)
if ! apt install -y --no-install-recommends "${packages[@]}" >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  rm -f "$log"
  exit 1
fi
rm -f "$log"

# Nor at the next boot; a service that was here before belongs to the user and stays as it is.
for unit in $services; do
  if [[ $there_before != *" $unit "* && (-e /lib/systemd/system/$unit || -e /usr/lib/systemd/system/$unit) ]]; then
    if command -v systemctl >/dev/null; then
      "${as_root[@]}" systemctl --quiet disable "$unit" >/dev/null 2>&1 || say "could not disable $unit"
    elif [[ -e /etc/init.d/${unit%.service} ]]; then
      "${as_root[@]}" update-rc.d "${unit%.service}" disable >/dev/null 2>&1 || say "could not disable $unit"
    fi
  fi
done
say "done"
