# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The runner's own tests: no way of ending badly passes.

. tests/check/suite.sh
. tests/check/program.sh

planted=$scratch/planted.program
limit=60
unset SLEY_REQUIRE_BPF

# start HOW NAME: for run_programs.
start() {
	start_program "$1" "$2" "$planted" "$1" "$scratch/shared"
}

# run_several LANES HOW/NAME...: runs the planted program in each of these ways, and leaves its reports in
# $scratch/report.
run_several() {
	out=$scratch
	results=$scratch/results
	set -m
	: >"$results"
	run_programs "$@" >"$scratch/report"
	set +m
}

# run HOW: runs the planted program.
run() {
	run_several 1 "$1/planted"
}

# counts PASSED FAILED SKIPPED
counts() {
	local got
	got="$(count passed) $(count failed) $(count skipped)"
	[ "$got" = "$*" ] || {
		cat "$results" "$scratch/report"
		fail "$got instead of $* passed, failed and skipped"
	}
}

# A program that ends well counts its tests, whatever they print.
good() {
	run good
	counts 5 0 0
}

# How long each program took is known, the longest comes first, and the parts have their sums.
times() {
	run good
	took self hour 3600500000
	took self minute 61234567
	took self "(build)" 7200000000
	took other second 1000000
	longest 2 >"$scratch/longest"
	[ "$(awk '{ print $1, $3, $4 }' "$scratch/longest" | tr '\n' ',')" = "3600.50 self hour,61.23 self minute," ]
	[ "$(cut -f 3 "$scratch/times" | head -n 1)" = planted ]
	[ "$(seconds self)" = "7200 s to build, 3662 s of programs" ]
}

# As many programs run at once as there are lanes: a reader and a writer of a FIFO wait for each other.
lanes() {
	mkfifo "$scratch/shared"
	run_several 2 good/first read/second write/third good/fourth
	counts 20 0 0
}

# One lane is for one program at a time.
single() {
	run_several 1 single/first single/second single/third
	counts 15 0 0
}

# What one of several printed is shown with its own report.
attributed() {
	run_several 3 good/first fail/second good/third
	counts 14 1 0
	[ "$(grep -A 1 'second .* 1 failed' "$scratch/report" | tail -n 1)" = \
		"    ---- the end of $scratch/fail/log/second" ] || fail "$(cat "$scratch/report")"
	grep -q "^fail.second.failed.bad.0x1 != 0x2" "$results"
}

# An interrupt kills all that run, and their children.
interrupted() {
	local hanging child
	mkdir -p "$scratch/hang/log"
	(
		trap 'kill_programs; exit 130' TERM
		run_several 2 hang/first hang/second
	) &
	hanging=$!
	until grep -qs child "$scratch/hang/log/first" && grep -qs child "$scratch/hang/log/second"; do
		sleep 0.01
	done
	kill "$hanging"
	expect 130 wait "$hanging"
	for child in $(sed -n 's/^child //p' "$scratch"/hang/log/*); do
		timeout 10 tail --pid="$child" -f /dev/null || fail "child $child is alive"
	done
}

# Who runs alone is there.
alone_ones() {
	local pattern name
	alone tools/asynctop
	! alone unit/sync/chan
	{
		make -s list-tests
		cd tests && printf '%s\n' */*_test.sh
	} >"$scratch/names"
	for pattern in "${alone_patterns[@]}"; do
		while read -r name; do
			[[ $name != $pattern ]] || continue 2
		done <"$scratch/names"
		fail "no program is called $pattern"
	done
}

# A failing test is one failure, with its message, and its output is shown.
failing() {
	run fail
	counts 4 1 0
	contains "$results" "0x1 != 0x2"
	contains "$scratch/report" "[ RUN      ] bad"
	run say
	counts 4 1 0
	contains "$results" "it fails for this"
}

# A skip keeps its reason; SLEY_REQUIRE_BPF=1 makes it a failure, in the test itself.
skipping() {
	run skip
	counts 4 0 1
	contains "$results" "it was asked to"
	export SLEY_REQUIRE_BPF=1
	run skip
	counts 4 1 0
}

# A skip that did not come by test_skip() is a failure too then.
requires() {
	local line='[==========] Running 1 test(s).
[ RUN      ] a
[  SKIPPED ] a
[==========] 1 test(s) run.'
	echo "$line" | awk -v part=p -v program=x -v status=0 -v require=1 -f tests/check/verdicts.awk >"$scratch/line"
	contains "$scratch/line" "failed"
}

# A crash fails the test that ran; those that ended before it still count.
crashing() {
	run crash
	counts 2 1 0
	contains "$results" "killed by signal 6 in the middle of it"
}

# A failed REQUIRE() says what was required.
requiring() {
	run require
	counts 2 1 0
	contains "$results" "REQUIRE(what[0] == 'x') failed"
}

# A program that leaves with success before its summary has not passed.
exiting() {
	run exit
	counts 2 1 0
}

# A hanging program is killed with its children, and its last output is shown.
hanging() {
	local child
	limit=1
	run hang
	counts 3 1 0
	contains "$results" "killed after 1 seconds in the middle of it"
	child=$(sed -n 's/.*child //p' "$scratch/report")
	[ -n "$child" ] || fail "the output is not shown"
	timeout 10 tail --pid="$child" -f /dev/null || fail "child $child is alive"
}

# Exit codes count where all tests passed: sanitizers report so.
status() {
	run status
	counts 5 1 0
	contains "$results" "exit code 66"
}

# A group whose set-up fails runs no test.
group_fails() {
	run group
	counts 0 1 0
}

# No output is not success.
silent() {
	run silent
	counts 0 1 0
}

# A child that goes on as if it were the test reports everything twice.
child_goes_on() {
	run child
	[ "$(count failed)" -ge 1 ] || fail "it passed"
}

${CC:-gcc} -D_GNU_SOURCE -I. -o "$planted" tests/check/planted.c tests/test.c -lcmocka || exit 1
run_suite good times lanes single attributed interrupted alone_ones failing skipping requires crashing requiring exiting \
	hanging status group_fails silent child_goes_on
