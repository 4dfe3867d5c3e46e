# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The benchmark's rows work, and say what they measured in the form that is documented. Not how fast: that is for a
# machine without other load.

. tests/check/suite.sh

# lines ARGUMENTS...: runs it; what it prints has the documented form.
lines() {
	"$SLEY_BUILD/bench" -n 1 "$@" >"$scratch/lines"
	! grep -vE '^[a-z0-9_]+ [a-z0-9-]+ [0-9]+ -?[0-9.e+-]+ [A-Za-z/%]+$' "$scratch/lines" || fail "a line has another form"
}

# has IMPL WORKERS VALUE...: there is a line for each of these values.
has() {
	local value impl=$1 workers=$2
	shift 2
	for value in "$@"; do
		grep -q "^$value $impl $workers [0-9-]" "$scratch/lines" || fail "no line of $value, $impl, $workers"
	done
}

# The rows inside of one process, with a hundredth of the work.
in_process() {
	lines -q -r switch,yield2,yield1k,yield100k,spawn_join,park,park_deep
	has sley 1 switch yield2 yield1k yield100k spawn_join park_create park_rss park_wakejoin park_deep_create park_deep_rss
	has sley 2 yield2 yield1k yield100k spawn_join park_create park_rss park_wakejoin
}

# What tasks do together.
together() {
	local rows="chan_pingpong chan_1x1 chan_many chan_4x1 chan_4x4 skynet mutex select select_any broadcast offload future generator timers timer_cancel"
	lines -q -r "${rows// /,}"
	has sley 1 $rows timers_cpu timers_rss
	has sley 2 $rows timers_cpu timers_rss
}

# Tasks that block their thread or compute, with the same server without them.
blocked() {
	local row
	lines -q -r stall,spin,handover
	for row in stall spin; do
		has sley 2 ${row}_rps ${row}_p50_us ${row}_p99_us ${row}_p999_us ${row}_clean_rps ${row}_clean_p99_us \
			${row}_rps_ratio ${row}_p99_ratio
	done
	has sley 1 handover_p50_us handover_p99_us handover_short_wakes handover_idle_wakes
}

# The same for pages that take their time. Without FUSE the row is left out, which is no failure.
faults() {
	lines -q -r fault 2>"$scratch/errors"
	[ -s "$scratch/lines" ] || skip "$(cat "$scratch/errors")"
	has sley 2 fault_rps fault_p50_us fault_p99_us fault_p999_us fault_clean_rps fault_rps_ratio fault_p99_ratio
}

# Each run of sley beside one with another environment: the runtime sees it there, and only there.
beside() {
	lines -q -r compute,echo_c1_cpu -b SLEY_ASSIST=off
	has sley 2 compute_step compute_switches compute_moves
	has beside 2 compute_step compute_switches compute_moves
	has ratio 2 compute_step
	has ratio 1 echo_c1_cpu
	expect 1 "$SLEY_BUILD/bench" -q -r yield2 -w 1 -b SLEY_WORKERS=none >"$scratch/lines" 2>/dev/null
	[ "$(awk '{ print $1, $2 }' "$scratch/lines")" = "yield2 sley" ]
}

# Sending without a copy, and with one.
zerocopy() {
	lines -q -r zerocopy
	has sley 1 zerocopy_4k zerocopy_64k zerocopy_256k zerocopy_1m
	has copy 1 zerocopy_4k zerocopy_64k zerocopy_256k zerocopy_1m
}

# The servers, whole: less would measure the start of their load alone.
servers() {
	lines -r echo_c64,idle_conn
	has sley 1 echo_c64_rps echo_c64_p99_ms echo_c64_cpu idle_conn_rss
	has raw 1 echo_c64_rps echo_c64_p99_ms echo_c64_cpu
}

# What asynctop costs can be measured.
observed() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	lines -q -r asynctop
	has sley 1 asynctop_echo_overhead asynctop_own_cpu
}

# What rows cost is what is known of them, and more is a failure.
counts() {
	"$SLEY_BUILD/bench" -c >"$scratch/lines"
	awk -f tests/bench/counts.awk tests/bench/counts "$scratch/lines" >"$scratch/differences" || fail "$(cat "$scratch/differences")"
	awk '{ print $1, $2, $3, $4 * ($1 == "mutex" && $5 == "locked" ? 1.1 : 1), $5 }' tests/bench/counts >"$scratch/more"
	expect 1 awk -f tests/bench/counts.awk tests/bench/counts "$scratch/more" >"$scratch/differences"
	[ "$(cut -d : -f 1 "$scratch/differences")" = mutex ] || fail "$(cat "$scratch/differences")"
	sed 1d tests/bench/counts >"$scratch/less"
	expect 1 awk -f tests/bench/counts.awk tests/bench/counts "$scratch/less" >"$scratch/differences"
	contains "$scratch/differences" "yield2 instructions: not counted"
}

# So are the stores that they make to cache lines which all workers write. This is about the trace, too: a build of its own.
shared() {
	local row="$scratch/row"
	make -s TRACE=1 BUILD="$scratch/trace" "$scratch"/trace/{bench,bench-load,examples/echo,examples/httpd}
	SLEY_BUILD=$scratch/trace "$scratch/trace/bench" -s -r yield2,future,generator,echo_c1 >"$scratch/lines"
	awk -f tests/bench/bounds.awk tests/bench/bounds "$scratch/lines" >"$scratch/differences" || fail "$(cat "$scratch/differences")"
	"$scratch/trace/bench" -S -r chan_4x4 >"$row"
	contains "$row" "lock_word_take"
	sed 's/yield2 shared 8 [0-9.]* all/yield2 shared 8 1 all/' "$scratch/lines" >"$scratch/more"
	expect 1 awk -f tests/bench/bounds.awk tests/bench/bounds "$scratch/more" >"$scratch/differences"
	contains "$scratch/differences" "yield2: 1 all, 0.75 at most"
	sed /yield2/d "$scratch/lines" >"$scratch/less"
	expect 1 awk -f tests/bench/bounds.awk tests/bench/bounds "$scratch/less" >"$scratch/differences"
	contains "$scratch/differences" "yield2 all: not counted"
	expect 1 "$SLEY_BUILD/bench" -s -r yield2 2>"$scratch/errors"
	contains "$scratch/errors" "TRACE=1"
}

# README.md's table is made of a whole measurement, and of nothing less.
figures() {
	local value workers
	for workers in 1 2; do
		for value in switch yield2 yield1k yield100k park_create park_rss park_wakejoin spawn_join chan_pingpong chan_1x1 \
			select mutex generator future skynet echo_c64_rps echo_c1000_rps http_rps asynctop_echo_overhead asynctop_own_cpu \
			handover_p50_us handover_p99_us {stall,fault,spin}_{,clean_}{rps,p99_us} {stall,fault,spin}_{rps,p99}_ratio; do
			printf '%s %s %s 123456 x\n' $value sley $workers $value raw $workers $value ucontext $workers
		done
	done >"$scratch/lines"
	awk -v day=1999-12-31 -f tests/bench/figures.awk "$scratch/lines" README.md >"$scratch/README.md"
	contains "$scratch/README.md" "Measured on 1999-12-31."
	sed '/^<!-- figures: begin/,/^<!-- figures: end/d' README.md >"$scratch/rest"
	sed '/^<!-- figures: begin/,/^<!-- figures: end/d' "$scratch/README.md" | cmp - "$scratch/rest"
	[ "$(sed -n '/^<!-- figures: begin/,/^<!-- figures: end/p' "$scratch/README.md" | grep -c '^|.*123')" = 25 ]
	contains "$scratch/README.md" "| echo_c1000 | 123,500 | | 123,500: 1.00 |"
	grep -v '^mutex sley 2' "$scratch/lines" >"$scratch/less"
	expect 1 awk -f tests/bench/figures.awk "$scratch/less" README.md >"$scratch/README.md" 2>/dev/null
}

# Rows and workers can be chosen; an unknown row is a matter of usage.
choice() {
	"$SLEY_BUILD/bench" -q -n 1 -r yield1k,spawn_join -w 1,2 >"$scratch/lines"
	[ "$(awk '{ print $1, $2, $3 }' "$scratch/lines" | sort | tr '\n' ',')" = \
		"spawn_join sley 1,spawn_join sley 2,yield1k sley 1,yield1k sley 2," ]
	expect 2 "$SLEY_BUILD/bench" -r none 2>/dev/null
}

run_suite in_process together blocked faults beside zerocopy servers observed counts shared figures choice
