# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# make bench-check: reads two files of lines of bench -c, the counts that are expected and those of now. Says what
# differs by more than 2 %, or calls by more than 0.2. Counts repeat within 1 %; calls contain those of the watchdog,
# which come with time and not with the work. Servers repeat so on a quiet machine alone: beside other programs a worker
# looks more often for requests in vain (echo_c1: by 19 %), so they may differ by 30 %, and calls by 1. Exit 1: a count
# is higher, or missing.
# The lines "whole" are not compared: they depend on the C library, and on how it copies on this processor.

{
	key = $1 ($2 == "raw" ? " raw " : " ") $5
	server = $1 ~ /^(echo|http)/
	part = server ? 0.3 : 0.02
	slack = $5 == "calls" ? (server ? 1 : 0.2) : 0
}

FNR == NR {
	expected[key] = $4
	next
}

{
	now[key] = $4
	if (!(key in expected)) {
		print $1 ": " $4 " " $5 " are not expected: the row is new"
		failed = 1
	} else if ($5 != "whole" && ($4 > expected[key] * (1 + part) + slack || $4 < expected[key] * (1 - part) - slack)) {
		printf "%s: %s %s, %s expected\n", $1, $4, $5, expected[key]
		failed += $4 > expected[key]
	}
}

END {
	for (key in expected)
		if (!(key in now)) {
			print key ": not counted"
			failed = 1
		}
	exit failed > 0
}
