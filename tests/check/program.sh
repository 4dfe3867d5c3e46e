# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Runs test programs and keeps their results. The caller sets `out` (a directory for logs), `results` (a file) and `limit`
# (seconds for a program), and has job control on (`set -m`), so that each program gets a process group of its own.
# `group` is the one that runs. How long each took is in the file `times` beside the results.

group=

# record PART PROGRAM VERDICT TEST REASON
record() {
	local IFS=$'\t'
	echo "$*" >>"$results"
}

# count VERDICT [PART [PROGRAM]]
count() {
	awk -F '\t' -v verdict="$1" -v part="${2-}" -v program="${3-}" \
		'$3 == verdict && (part == "" || $1 == part) && (program == "" || $2 == program) { n++ } END { print n + 0 }' \
		"$results"
}

show_tail() {
	echo "    ---- the end of ${1#"$PWD"/}"
	tail -n 100 "$1" | sed 's/^/    /'
	echo "    ----"
}

# took PART NAME MICROSECONDS
took() {
	printf '%d.%02d\t%s\t%s\n' $(($3 / 1000000)) $(($3 / 10000 % 100)) "$1" "$2" >>"${results%/*}/times"
}

# longest N: the programs that took the most seconds.
longest() {
	sort -rn "${results%/*}/times" | head -n "$1" | awk -F '\t' '{ printf "  %8.2f s  %-9s%s\n", $1, $2, $3 }'
}

# run_program PART NAME COMMAND...: with no input; killed with its whole group after `limit` seconds.
run_program() {
	local part=$1 name=$2 log=$out/$1/log/$2 start=${EPOCHREALTIME/[^0-9]/} status=0 time
	shift 2
	mkdir -p "$(dirname "$log")"
	timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
	group=$!
	wait "$group" 2>/dev/null || status=$?
	kill -KILL -- "-$group" 2>/dev/null || : # what the program left behind
	group=
	time=$((${EPOCHREALTIME/[^0-9]/} - start))
	took "$part" "$name" $time
	awk -v part="$part" -v program="$name" -v status="$status" -v limit="$limit" \
		-v require="${SLEY_REQUIRE_BPF:-0}" -f tests/check/verdicts.awk "$log" >>"$results"
	printf '  %-9s%-40s%5d passed%4d failed%4d skipped%5d s\n' "$part" "$name" "$(count passed "$part" "$name")" \
		"$(count failed "$part" "$name")" "$(count skipped "$part" "$name")" $((time / 1000000))
	[ "$(count failed "$part" "$name")" = 0 ] || show_tail "$log"
}
