#!/usr/bin/env bash
# Replays the corpus of every fuzz target, then lets each find new inputs for a while.
#
#   tools/fuzz.sh BUILD_DIR SECONDS_EACH
#
# New inputs go to BUILD_DIR/corpus/<name>, what breaks a target to BUILD_DIR/artifacts/<name>-…
# An input that broke something belongs into fuzz/<name>/corpus, under a name that says what happened.
set -uo pipefail
build=$1
seconds=$2
input_bytes_max=65536
failed=()
shopt -s nullglob

targets=("$build"/bin/*_fuzz)
((${#targets[@]})) || { echo "fuzz: no targets in $build/bin" >&2; exit 1; }
mkdir -p "$build/artifacts"
for target in "${targets[@]}"; do
  name=$(basename "$target" _fuzz)
  found="$build/corpus/$name"
  mkdir -p "$found"
  seeds=(fuzz/"$name"/corpus/*)
  if ((${#seeds[@]} == 0)); then
    printf 'fuzz: %-20s no corpus\n' "$name"
    failed+=("$name")
    continue
  fi
  options=(-max_len=$input_bytes_max -rss_limit_mb=1024 -timeout=10 -print_final_stats=1
    -artifact_prefix="$build/artifacts/$name-")
  [[ -f fuzz/$name/$name.dict ]] && options+=(-dict="fuzz/$name/$name.dict")
  log="$build/$name.log"
  # Every seed once, whatever its length, then the search.
  if "$target" -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$build/artifacts/$name-" "${seeds[@]}" >"$log" 2>&1 </dev/null &&
    "$target" "${options[@]}" -max_total_time="$seconds" "$found" "fuzz/$name/corpus" >>"$log" 2>&1 </dev/null; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf 'fuzz: %-20s %d seeds, %s runs in %s s: clean\n' "$name" "${#seeds[@]}" "${runs:-0}" "$seconds"
  else
    printf 'fuzz: %-20s FAILED, see %s\n' "$name" "$log"
    grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log" | head -5
    failed+=("$name")
  fi
done
((${#failed[@]} == 0))
