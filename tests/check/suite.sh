# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# For tests written in shell. A script X_test.sh sources this at the top of the tree, defines functions and ends with
# `run_suite function...`. Each runs in a subshell with `set -e -u`, and is reported in cmocka's format, so that the
# runner knows one format only. `$scratch` is a directory of the test's own that is removed at the end. SLEY_BUILD is
# where the products are.

: "${SLEY_BUILD:=$PWD/build}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

# fail TEXT: ends the test as failed.
fail() {
	echo "failed: $*"
	exit 1
}

# skip REASON: ends the test as one that cannot run here.
skip() {
	echo "skip: $*"
	exit 77
}

# expect STATUS COMMAND...: runs it; fails unless it exits with STATUS.
expect() {
	local expected=$1 status=0
	shift
	"$@" || status=$?
	[ "$status" = "$expected" ] || fail "exit code $status instead of $expected: $*"
}

# contains FILE TEXT: fails unless a line of FILE contains TEXT.
contains() {
	grep -qF -e "$2" "$1" || {
		cat "$1"
		fail "'$2' is not in $1"
	}
}

# Runs the tests. Not called in a condition: that would switch off `set -e` in them.
run_suite() {
	local test status passed=0 failed=0 skipped=0
	echo "[==========] Running $# test(s)."
	for test in "$@"; do
		echo "[ RUN      ] $test"
		(
			trap - EXIT
			scratch=$scratch/$test
			mkdir "$scratch"
			set -e -u
			"$test"
		)
		status=$?
		case $status in
		0) echo "[       OK ] $test" && passed=$((passed + 1)) ;;
		77) echo "[  SKIPPED ] $test" && skipped=$((skipped + 1)) ;;
		*) echo "[  FAILED  ] $test" && failed=$((failed + 1)) ;;
		esac
	done
	echo "[==========] $# test(s) run."
	echo "[  PASSED  ] $passed test(s)."
	[ "$failed" = 0 ]
	exit
}
