# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# make bench-check: reads two files of lines of bench -s, those that may not be exceeded and those of now. Not all sums have a
# bound: what other processes do to the workers adds to them. Exit 1: one is higher, or missing.

{
	key = $1 " " $5
}

FNR == NR {
	bound[key] = $4
	next
}

key in bound {
	seen[key] = 1
	if ($4 > bound[key]) {
		print $1 ": " $4 " " $5 ", " bound[key] " at most"
		failed = 1
	}
}

END {
	for (key in bound)
		if (!(key in seen)) {
			print key ": not counted"
			failed = 1
		}
	exit failed
}
