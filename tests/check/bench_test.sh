# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The benchmark's rows work, and say what they measured in the form that is documented. Not how fast: that is for a
# machine without other load.

. tests/check/suite.sh

# Each line is `name impl workers value unit`, and each row of the list has one.
rows() {
	local row
	"$SLEY_BUILD/bench" -q -n 1 >"$scratch/lines"
	! grep -vE '^[a-z0-9_]+ [a-z0-9-]+ [0-9]+ -?[0-9.]+ [A-Za-z/%]+$' "$scratch/lines" || fail "a line has another form"
	for row in switch yield1k park_create park_rss echo_c64_rps echo_c1000_rps asynctop_echo_overhead; do
		grep -q "^$row sley [0-9]" "$scratch/lines" || fail "no line of row $row"
	done
	grep -q '^echo_c64_rps raw 1 ' "$scratch/lines" || fail "no line of the raw server"
}

# Rows and workers can be chosen; an unknown row is a matter of usage.
choice() {
	"$SLEY_BUILD/bench" -q -n 1 -r yield1k,spawn_join -w 1,2 >"$scratch/lines"
	[ "$(awk '{ print $1, $2, $3 }' "$scratch/lines" | sort | tr '\n' ',')" = \
		"spawn_join sley 1,spawn_join sley 2,yield1k sley 1,yield1k sley 2," ]
	expect 2 "$SLEY_BUILD/bench" -r none 2>/dev/null
}

run_suite rows choice
