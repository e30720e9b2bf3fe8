#!/usr/bin/env bash
# Format, levels, house rules, clang-tidy. Runs all of them, and fails when one does.
#
#   tools/lint.sh BUILD_DIR [FILE …]      with files, clang-tidy looks at those only
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
failed=0

step() {
  local name=$1 began=$SECONDS
  shift
  if "$@"; then
    printf 'lint: %-8s ok (%d s)\n' "$name" $((SECONDS - began))
  else
    printf 'lint: %-8s FAILED\n' "$name"
    failed=1
  fi
}

format() {
  git ls-files -co --exclude-standard -z '*.cpp' '*.hpp' | xargs -0 -n 20 -P "$(nproc)" clang-format-19 --dry-run -Werror ||
    { echo "error: 'make format' changes them"; return 1; }
}
shell() {
  local bad=0
  for script in $(git ls-files -co --exclude-standard '*.sh' .ci/run); do bash -n "$script" || bad=1; done
  return $bad
}
# clang-tidy reads precompiled headers and needs what the build makes.
built() { cmake --build "$build" -- --quiet; }

step format format
step shell shell
step layers tools/check_layers.py
step text tools/check_text.py
step build built && step tidy tools/tidy.py "$build" "$@"
exit $failed
