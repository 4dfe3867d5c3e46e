# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The unit tests of what waits, with forced migration: each wait continues on another worker, wherever a run has two.

. tests/check/suite.sh

# all_of LAYER: its programs pass. Not generator_call, which counts calls in the place of waits: this mode makes none.
all_of() {
	local program n=0
	for program in "$SLEY_BUILD/tests/unit/$1"/*; do
		[[ -x $program && $program != *.planted && $program != */generator_call ]] || continue
		SLEY_CHECK=migrate "$program" >"$scratch/said" 2>&1 || fail "$program: $(grep -v ' RUN \| OK ' "$scratch/said")"
		n=$((n + 1))
	done
	[ $n -gt 2 ] || fail "these are no programs of $1"
}

tasks() {
	all_of task
}

life() {
	all_of life
}

sync() {
	all_of sync
}

io() {
	all_of io
}

run_suite tasks life sync io
