#!/usr/bin/env bash
# The README's commands on a bare Debian: a fresh root made with debootstrap, with make and git added and nothing else, a
# clone of this checkout's HEAD in it, no ccache. Needs root.
#
#   tools/bare_debian.sh [COMMAND …]      default: "make test" "make demo"
#
# RELEASE=trixie tries Debian 13. The root is kept packed in build/bare, so that a second run makes it faster.
set -euo pipefail
cd "$(dirname "$0")/.."
release=${RELEASE:-bookworm}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
state=$PWD/build/bare
root=$state/$release
packed=$state/$release.tar
commands=("$@")
((${#commands[@]})) || commands=("make test" "make demo")

((EUID == 0)) || { echo "bare: root is needed (debootstrap, chroot)" >&2; exit 1; }
tools/setup.sh bare
mkdir -p "$state"
remove_root() { rm -rf --one-file-system "$root"; }
remove_root
trap remove_root EXIT

if [[ ! -f $packed ]]; then
  echo "bare: debootstrap $release"
  debootstrap --variant=minbase --include=make,git,ca-certificates "$release" "$root" "$mirror" >"$state/debootstrap.log" 2>&1 ||
    { tail -n 20 "$state/debootstrap.log" >&2; exit 1; }
  tar -C "$root" -cf "$packed.new" .
  mv "$packed.new" "$packed"
else
  mkdir -p "$root"
  tar -C "$root" -xf "$packed"
fi

cp /etc/resolv.conf "$root/etc/resolv.conf"
# As Debian's installer writes it.
printf '127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
git clone -q --no-local . "$root/srv/project"

# In namespaces of their own: what a command leaves mounted or running ends with it.
inside() {
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/run"
    exec chroot "$1" /usr/bin/env -i HOME=/ PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      LANG=C.UTF-8 TERM=dumb CCACHE_DISABLE=1 bash -c "cd /srv/project && $2"' bash "$root" "$1" </dev/null
}

failed=0
for command in "${commands[@]}"; do
  began=$SECONDS
  if inside "$command"; then result=ok; else result=FAILED failed=1; fi
  printf 'bare: %s: %s: %s (%d s)\n' "$release" "$command" "$result" $((SECONDS - began))
done
exit $failed
