# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The runner's own tests: no way of ending badly passes.

. tests/check/suite.sh
. tests/check/program.sh

planted=$scratch/planted.program
limit=60
unset SLEY_REQUIRE_BPF

# run HOW: runs the planted program, and leaves its report in $scratch/report.
run() {
	out=$scratch
	results=$scratch/results
	set -m
	: >"$results"
	run_program self planted "$planted" "$1" >"$scratch/report"
	set +m
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

# How long each program took is known, and the longest comes first.
times() {
	run good
	took self hour 3600500000
	took other minute 61234567
	longest 2 >"$scratch/longest"
	[ "$(awk '{ print $1, $3, $4 }' "$scratch/longest" | tr '\n' ',')" = "3600.50 self hour,61.23 other minute," ]
	[ "$(cut -f 3 "$scratch/times" | head -n 1)" = planted ]
}

# A failing test is one failure, with its message, and its output is shown.
failing() {
	run fail
	counts 4 1 0
	contains "$results" "0x1 != 0x2"
	contains "$scratch/report" "[ RUN      ] bad"
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
run_suite good times failing skipping requires crashing requiring exiting hanging status group_fails silent child_goes_on
