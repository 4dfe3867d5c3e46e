# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# make figures-peers: reads the lines of summary.awk, then README.md, which it prints with the table between its
# markers made anew, of medians. Exit 1 if a figure is missing: the table is one measurement, or none.

FNR == NR && /^#/ {
	said[$2] = substr($0, length($2) + 4)
	next
}

FNR == NR {
	median[$1, $2 " " $3] = $4
	next
}

function need(name, who) {
	if ((name, who) in median)
		return median[name, who]
	print "no figure: " name " " who >"/dev/stderr"
	missing = 1
}

function version(key) {
	if (!(key in said)) {
		print "the version is not said: " key >"/dev/stderr"
		missing = 1
	}
	return said[key]
}

# Three digits tell: 146123 as 146,000.
function shown(x,    unit, text) {
	if (x < 10)
		return sprintf("%.1f", x)
	for (unit = 1; unit * 1000 <= x; unit *= 10)
		;
	x = int(x / unit + 0.5) * unit
	for (text = ""; x >= 1000; x = int(x / 1000))
		text = sprintf(",%03d", x % 1000) text
	return int(x) text
}

function takes_part(entrants, who) {
	return index("," entrants ",", "," who ",") > 0
}

# The best of these peers that take part beside sley with as many workers: above 1 sley is ahead.
function ahead(name, entrants, ours, peers, more_is_better,    who, i, n, x, best) {
	n = split(peers, who, ",")
	for (i = 1; i <= n; i++)
		if (takes_part(entrants, who[i]) && (name, who[i]) in median) {
			x = median[name, who[i]]
			best = best == "" || (more_is_better ? x > best : x < best) ? x : best
		}
	x = median[name, ours]
	if (!takes_part(entrants, ours) || best == "" || x == 0 || best == 0)
		return "–"
	return sprintf("%.2f", more_is_better ? x / best : best / x)
}

# A line of the table. entrants: those that take part, separated by commas.
function row(text, name, entrants, more_is_better,    i, line) {
	line = "| " text " |"
	for (i = 1; i <= columns; i++)
		line = line (takes_part(entrants, column[i]) ? " " shown(need(name, column[i])) " |" : " |")
	print line " " ahead(name, entrants, "sley 1", "go 1,tokio ct,tokio 1,boost 1,raw 1", more_is_better) " / " \
		ahead(name, entrants, "sley 2", "go 2,tokio 2", more_is_better) " |"
}

function table(    process, no_boost, no_tokio, server, both) {
	columns = split("sley 1,sley 2,go 1,go 2,tokio ct,tokio 1,tokio 2,boost 1,raw 1", column, ",")
	process = "sley 1,sley 2,go 1,go 2,tokio ct,tokio 1,tokio 2,boost 1"
	no_boost = "sley 1,sley 2,go 1,go 2,tokio ct,tokio 1,tokio 2"
	no_tokio = "sley 1,sley 2,go 1,go 2,boost 1"
	server = "sley 1,go 1,tokio ct,tokio 1,raw 1"
	both = "sley 2,go 2,tokio 2"
	print "Measured on " version("day") ": Go " version("go") ", Tokio " version("tokio") ", Boost.Fiber " \
		version("boost") ", on " version("machine") ".\n"
	print "| row | sley, 1 worker | 2 | Go, 1 | 2 | Tokio, current thread | 1 | 2 | Boost.Fiber | raw epoll |" \
		" ahead, 1 / 2 |"
	print "|---|---|---|---|---|---|---|---|---|---|---|"
	row("yield2, ns", "yield2", process)
	row("yield1k, ns", "yield1k", process)
	row("yield100k, ns", "yield100k", process)
	row("spawn_join, ns", "spawn_join", process)
	row("chan_pingpong, ns", "chan_pingpong", process)
	row("chan_1x1, ns", "chan_1x1", process)
	row("chan_4x1, ns", "chan_4x1", process)
	row("chan_4x4, ns", "chan_4x4", process)
	row("select, ns", "select", no_boost)
	row("future, ns", "future", process)
	row("generator, ns", "generator", no_tokio)
	row("mutex, ns", "mutex", process)
	row("skynet, ms", "skynet", process)
	row("park_create, ms", "park_create", process)
	row("park_rss, B", "park_rss", process)
	row("park_wakejoin, ms", "park_wakejoin", process)
	row("timers_cpu, ms", "timers_cpu", process)
	row("timers_rss, MiB", "timers_rss", process)
	row("echo_c64, requests/s", "echo_c64_rps", server, 1)
	row("echo_c64, CPU s per M", "echo_c64_cpu", server)
	row("echo_c1000, requests/s", "echo_c1000_rps", server, 1)
	row("echo_c1000, p99 ms", "echo_c1000_p99_ms", server)
	row("echo_c10000, requests/s", "echo_c10000_rps", server, 1)
	row("echo_c10000, p99 ms", "echo_c10000_p99_ms", server)
	row("http, requests/s (net/http: " shown(need("http_rps", "nethttp 1")) ")", "http_rps", server, 1)
	row("echo_both, requests/s", "echo_both_rps", both, 1)
	row("echo_both, CPU s per M", "echo_both_cpu", both)
	row("stall, requests/s", "stall_rps", both, 1)
	row("stall, p99 us", "stall_p99_us", both)
	row("stall_clean, requests/s", "stall_clean_rps", both, 1)
	row("stall_clean, p99 us", "stall_clean_p99_us", both)
	print "\nThe last column is the best of the others with as many workers beside sley: above 1 sley is ahead." \
		" The least and the most\nof the runs are in [`figures`](tests/bench/peers/figures), and drawn:\n"
	print "![The medians as bars on logarithmic scales](tests/bench/peers/figures.svg)"
}

/^<!-- peers: end -->/ { inside = 0 }
!inside { print }
/^<!-- peers: begin -->/ {
	inside = found = 1
	table()
}

END {
	if (!found)
		print "no place for the table" >"/dev/stderr"
	exit missing || !found
}
