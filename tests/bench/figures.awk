# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# make figures: reads the lines that bench printed, then README.md, which it prints with the table between its markers made
# anew, with the day (-v day=2026-11-28). Exit 1 if a figure is missing: the table is one measurement, or none.

FNR == NR {
	value[$1, $2, $3] = $4
	next
}

function get(name, impl, workers) {
	if (!((name, impl, workers) in value)) {
		print "no figure: " name " " impl " " workers >"/dev/stderr"
		missing = 1
	}
	return value[name, impl, workers]
}

# 146123 as 146,100: four digits tell.
function grouped(x,    digits, text) {
	x = int(x / 100 + 0.5) * 100
	for (text = ""; x >= 1000; x = int(x / 1000))
		text = sprintf(",%03d", x % 1000) text
	return x text
}

function shown(x, unit) {
	if (unit == "s")
		return sprintf("%.2f s", x / 1000)
	if (unit == "rps")
		return grouped(x)
	if (unit == "ms")
		return sprintf("%.1f ms", x / 1000)
	return sprintf(x < 10 && unit == "ns" ? "%.1f %s" : "%.0f %s", x, unit)
}

# A row with one worker and with two.
function both(text, name, unit) {
	print "| " text " | " shown(get(name, "sley", 1), unit) " | " shown(get(name, "sley", 2), unit) " | |"
}

# A row of a server beside its peer.
function server(text, name, peer,    sley, raw) {
	sley = get(name, "sley", 1)
	raw = get(name, "raw", 1)
	print "| " text " | " shown(sley, "rps") " | | " peer shown(raw, "rps") sprintf(": %.2f |", raw ? sley / raw : 0)
}

# A row of tasks that block or compute, beside the same server without such tasks: the ratio is that of pairs.
function blocked(text, row, value, unit,    ratio) {
	ratio = row "_" value "_ratio"
	sub("_us_", "_", ratio)
	print "| " text " | | " shown(get(row "_" value, "sley", 2), unit) " | without " \
		shown(get(row "_clean_" value, "sley", 2), unit) sprintf(": %.2f |", get(ratio, "sley", 2))
}

function table() {
	print "Measured on " day ".\n"
	print "| row | sley, 1 worker | 2 workers | beside it, in the same run |"
	print "|---|---|---|---|"
	print "| switch: bare context switch | " shown(get("switch", "sley", 1), "ns") " | | glibc's ucontext " \
		shown(get("switch", "ucontext", 1), "ns") " |"
	both("yield2: two tasks yield to each other", "yield2", "ns")
	both("yield1k: 1,000 tasks yield", "yield1k", "ns")
	both("yield100k: 100,000 tasks yield", "yield100k", "ns")
	both("park_create: spawn 1,000,000 tasks that park", "park_create", "s")
	both("park_rss: memory of each, page tables included", "park_rss", "B")
	both("park_wakejoin: wake and join them", "park_wakejoin", "s")
	both("spawn_join: an empty task", "spawn_join", "ns")
	both("chan_pingpong: a round trip over two unbuffered channels", "chan_pingpong", "ns")
	both("chan_1x1: an item of 8 bytes, capacity 128", "chan_1x1", "ns")
	both("select: an item by way of it", "select", "ns")
	both("mutex: lock, increment, unlock by 8 tasks", "mutex", "ns")
	both("generator: next and yield", "generator", "ns")
	both("future: async and await", "future", "ns")
	both("skynet: a tree of 1,111,111 tasks that sum by channel", "skynet", "s")
	server("echo_c64: requests/s over 64 connections", "echo_c64_rps", "single-threaded epoll server in C ")
	server("echo_c1000", "echo_c1000_rps", "")
	server("http: requests/s, parsed, over 64 connections", "http_rps", "the same server, which does not parse, ")
	blocked("stall: requests/s if one in 100 blocks its thread for 10 ms", "stall", "rps", "rps")
	blocked("stall_p99: 99 % of the others are answered within", "stall", "p99_us", "ms")
	blocked("fault: requests/s if one in 100 waits 10 ms for a page of a file", "fault", "rps", "rps")
	blocked("fault_p99", "fault", "p99_us", "ms")
	blocked("spin_p99: the same if one in 200 computes for 50 ms", "spin", "p99_us", "ms")
	print "| handover: from a block until a spare runs the next task | " \
		shown(get("handover_p50_us", "sley", 1), "us") " | | 99 % within " \
		shown(get("handover_p99_us", "sley", 1), "us") " |"
	print "| asynctop: what the echo server loses with it attached | " \
		sprintf("%.1f %%", get("asynctop_echo_overhead", "sley", 1)) " | | asynctop itself uses " \
		sprintf("%.0f ms of CPU a second |", get("asynctop_own_cpu", "sley", 1))
}

/^<!-- figures: end -->/ { inside = 0 }
!inside { print }
/^<!-- figures: begin -->/ {
	inside = 1
	table()
}

END { exit missing }
