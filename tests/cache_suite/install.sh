#!/usr/bin/env bash
# Puts the packages that the package-lock.json of SOURCE (this folder) names into FOLDER. Does nothing when they are
# there; of several at once one does it.
#
#   install.sh FOLDER [SOURCE]
set -euo pipefail
source=${2:-$(cd "$(dirname "$0")" && pwd)}
folder=$1
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
cmp -s "$source/package-lock.json" "$folder/installed-lock.json" && exit 0

cp "$source"/{package.json,package-lock.json,.npmrc} "$folder"
cd "$folder"
for attempt in 1 2 3; do
  if npm ci >npm.log 2>&1; then
    cp package-lock.json installed-lock.json
    exit 0
  fi
  printf 'npm ci failed (%d of 3)\n' "$attempt" >&2
  sleep $((attempt * 2))
done
cat npm.log >&2
exit 1
