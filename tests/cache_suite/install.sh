#!/usr/bin/env bash
# Puts the suite's packages, as package-lock.json names them, into FOLDER. Does nothing when they are there.
#
#   install.sh FOLDER
set -euo pipefail
source=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
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
