# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Runs test programs, several at once, and keeps their results. The caller sets `out` (a directory for logs), `results`
# (a file) and `limit` (seconds for a program), and has job control on (`set -m`), so that each program gets a process
# group of its own. `running` has those that run. How long each took is in the file `times` beside the results.

# By process group: part, name, start in microseconds, and whether skips are failures; separated by tabs.
declare -A running=()

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

# longest N: the programs that took the most seconds. What else took time has its name in parentheses.
longest() {
	grep -v '(.*)$' "${results%/*}/times" | sort -rn | head -n "$1" |
		awk -F '\t' '{ printf "  %8.2f s  %-9s%s\n", $1, $2, $3 }'
}

# seconds PART: how many it took to build, and its programs to run, one and all.
seconds() {
	awk -F '\t' -v part="$1" '$2 == part { if ($3 ~ /^\(.*\)$/) build += $1; else run += $1 }
		END { printf "%.0f s to build, %.0f s of programs\n", build, run }' "${results%/*}/times"
}

# start_program PART NAME COMMAND...: with no input; killed with its whole group after `limit` seconds.
start_program() {
	local part=$1 name=$2 log=$out/$1/log/$2
	shift 2
	mkdir -p "$(dirname "$log")"
	timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
	running[$!]=$part$'\t'$name$'\t'${EPOCHREALTIME/[^0-9]/}$'\t'${SLEY_REQUIRE_BPF:-0}
}

# end_program: waits until one of those that run has ended, and reports it.
end_program() {
	local group part name start require time status=0 log
	wait -f -n -p group "${!running[@]}" 2>/dev/null || status=$?
	kill -KILL -- "-$group" 2>/dev/null || : # what the program left behind
	IFS=$'\t' read -r part name start require <<<"${running[$group]}"
	unset "running[$group]"
	time=$((${EPOCHREALTIME/[^0-9]/} - start))
	took "$part" "$name" $time
	log=$out/$part/log/$name
	awk -v part="$part" -v program="$name" -v status="$status" -v limit="$limit" -v require="$require" \
		-f tests/check/verdicts.awk "$log" >"$log.results"
	cat "$log.results" >>"$results"
	awk -F '\t' -v seconds=$((time / 1000000)) -v part="$part" -v name="$name" '{ n[$3]++ } END {
		printf "  %-9s%-40s%5d passed%4d failed%4d skipped%5d s\n",
			part, name, n["passed"], n["failed"], n["skipped"], seconds
		exit n["failed"] > 0
	}' "$log.results" || show_tail "$log"
}

# run_program PART NAME COMMAND...: alone.
run_program() {
	start_program "$@"
	end_program
}

# alone PROGRAM: whether nothing may run beside it.
alone() {
	local pattern
	for pattern in "${alone_patterns[@]}"; do
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}
mapfile -t alone_patterns < <(awk '/^[^#]/ { print $1 }' tests/check/alone)

# run_programs LANES PART/PROGRAM...: in this order, as many at once as there are lanes. The caller has defined
# `start PART PROGRAM`, which calls start_program.
run_programs() {
	local lanes=$1 program start=$SECONDS
	shift
	for program in "$@"; do
		[ ${#running[@]} -lt "$lanes" ] || end_program
		start "${program%%/*}" "${program#*/}"
	done
	while [ ${#running[@]} != 0 ]; do
		end_program
	done
	[ $# = 0 ] || echo "$# programs, $lanes at once: $((SECONDS - start)) seconds"
}

# kill_programs: all that run, each with its whole group.
kill_programs() {
	local group
	for group in "${!running[@]}"; do
		kill -KILL -- "-$group" 2>/dev/null
	done
	running=()
}
