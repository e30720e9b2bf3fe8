#!/usr/bin/env bash
# Replays the corpus of every fuzz target, then lets each find new inputs for a while.
#
#   tools/fuzz.sh BUILD_DIR SECONDS_EACH [AT_ONCE [SEED]]
#
# New inputs go to BUILD_DIR/fuzz/<name>/corpus, what breaks a target to BUILD_DIR/fuzz/<name>/.
# An input that broke something belongs into fuzz/<name>/corpus, under a name that says what happened.
set -uo pipefail
build=$1
seconds=$2
at_once=${3:-1}
seed=${4:-0}  # 0: another one each time
shopt -s nullglob

fuzz_one() {
  local target=$1 build=$2 seconds=$3 seed=$4
  local name seeds runs input_bytes_max=65536
  name=$(basename "$target" _fuzz)
  local work="$build/fuzz/$name"
  local log="$work/log"
  mkdir -p "$work/corpus"
  seeds=(fuzz/"$name"/corpus/*)
  if ((${#seeds[@]} == 0)); then
    printf 'fuzz: %-20s no corpus\n' "$name"
    return 1
  fi
  local always=(-timeout=10 -rss_limit_mb=1024 -artifact_prefix="$work/")
  local search=(-max_len=$input_bytes_max -print_final_stats=1 -max_total_time="$seconds" -seed="$seed")
  [[ -f fuzz/$name/$name.dict ]] && search+=(-dict="fuzz/$name/$name.dict")
  # Every seed once, whatever its length, then the search.
  if "$target" "${always[@]}" "${seeds[@]}" >"$log" 2>&1 </dev/null &&
    "$target" "${always[@]}" "${search[@]}" "$work/corpus" "fuzz/$name/corpus" >>"$log" 2>&1 </dev/null; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf 'fuzz: %-20s %d seeds, %s runs in %s s: clean\n' "$name" "${#seeds[@]}" "${runs:-0}" "$seconds"
  else
    printf 'fuzz: %-20s FAILED, see %s\n%s\n' "$name" "$log" \
      "$(grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log" | head -5)"
    return 1
  fi
}
export -f fuzz_one
export BASHOPTS

targets=("$build"/bin/*_fuzz)
((${#targets[@]})) || { echo "fuzz: no targets in $build/bin" >&2; exit 1; }
printf '%s\0' "${targets[@]}" | xargs -0 -P "$at_once" -I{} bash -c 'fuzz_one "$@"' fuzz_one {} "$build" "$seconds" "$seed"
