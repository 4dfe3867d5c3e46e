# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Reads what run.sh printed, in one piece or several. Prints its "# key value" lines, and for each value a line
#
#	name impl workers median min max runs ratio unit
#
# in the order in which they came first. ratio: how many times as good sley's median is, with as many workers; that of
# one for those that have no workers to choose. Exit 1: the pieces are of different peers or machines.

/^#/ {
	key = $2
	text = $0
	if (!(key in said))
		keys[++key_count] = key
	else if (said[key] != text && key != "day") {
		print "two measurements in one file: " substr(said[key], 3) " and " substr(text, 3) >"/dev/stderr"
		failed = 1
	}
	said[key] = text
	next
}

{
	id = $1 " " $2 " " $3
	if (!(id in runs))
		ids[++id_count] = id
	value[id, ++runs[id]] = $4
	unit[id] = $5
}

function sort(id,    i, j, x) {
	for (i = 2; i <= runs[id]; i++) {
		x = value[id, i]
		for (j = i - 1; j > 0 && value[id, j] > x; j--)
			value[id, j + 1] = value[id, j]
		value[id, j + 1] = x
	}
}

function median(id,    n) {
	n = runs[id]
	return n % 2 ? value[id, (n + 1) / 2] : (value[id, n / 2] + value[id, n / 2 + 1]) / 2
}

function ratio(id,    part, sley, a, b) {
	split(id, part, " ")
	sley = part[1] " sley " (part[3] == "2" ? 2 : 1)
	if (part[2] == "sley" || !(sley in runs))
		return "-"
	a = median(sley)
	b = median(id)
	if (a == 0 || b == 0)
		return "-"
	return sprintf("%.2f", unit[id] == "requests/s" ? a / b : b / a)
}

END {
	for (i = 1; i <= key_count; i++)
		print said[keys[i]]
	for (i = 1; i <= id_count; i++)
		sort(ids[i])
	for (i = 1; i <= id_count; i++) {
		id = ids[i]
		printf "%s %.6g %.6g %.6g %d %s %s\n", id, median(id), value[id, 1], value[id, runs[id]], runs[id], \
			ratio(id), unit[id]
	}
	exit failed
}
