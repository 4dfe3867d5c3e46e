# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# make figures-peers: reads the lines of summary.awk, and prints an SVG of bars: medians on a logarithmic scale for
# each unit, and a line from the least to the most of the runs. Colours are of middle brightness and the ground is
# left out, so that it can be read on light and on dark.

BEGIN {
	# The entrants in the order of their bars, with names and colours.
	entrant("sley 1", "sley, 1 worker", "#1f6feb")
	entrant("sley 2", "sley, 2", "#79b8ff")
	entrant("go 1", "Go, 1", "#118a7e")
	entrant("go 2", "Go, 2", "#56c2b6")
	entrant("tokio ct", "Tokio, current thread", "#a04100")
	entrant("tokio 1", "Tokio, 1", "#e36209")
	entrant("tokio 2", "Tokio, 2", "#f5a86b")
	entrant("boost 1", "Boost.Fiber", "#9a6dd7")
	entrant("raw 1", "raw epoll", "#8b949e")
	# What is drawn, and where.
	panel("nanoseconds an operation: shorter is better", "yield2 yield1k yield100k spawn_join chan_pingpong" \
		" chan_1x1 chan_4x1 chan_4x4 select future generator mutex")
	panel("milliseconds: shorter is better", "skynet park_create park_wakejoin timers_cpu")
	panel("bytes of a parked task: shorter is better", "park_rss")
	panel("requests a second: longer is better", "echo_c64_rps echo_c1000_rps echo_c10000_rps http_rps" \
		" echo_both_rps stall_rps")
	panel("99 % are answered within, milliseconds: shorter is better", "echo_c64_p99_ms echo_c1000_p99_ms" \
		" echo_c10000_p99_ms echo_both_p99_ms")
	WIDTH = 900
	LEFT = 150
	RIGHT = 830
	BAR = 6
}

function entrant(who, name, colour) {
	entrants[++entrant_count] = who
	name_of[who] = name
	colour_of[who] = colour
}

function panel(title, names) {
	titles[++panel_count] = title
	names_of[panel_count] = names
}

/^#/ {
	said[$2] = substr($0, length($2) + 4)
	next
}

{
	who = $2 " " $3
	median[$1, who] = $4
	least[$1, who] = $5
	most[$1, who] = $6
}

function log10(x) { return log(x) / log(10) }

function put(line) { body = body line "\n" }

function text(x, y, class, words) {
	put(sprintf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>", x, y, class, words))
}

# The place of a value between the decades low and high, which are exponents.
function at(x) { return LEFT + (log10(x) - low) / (high - low) * (RIGHT - LEFT) }

function shown(x) { return x < 10 ? sprintf("%.1f", x) : sprintf("%.0f", x) }

function decade(exponent) { return exponent >= 6 ? 10 ^ (exponent - 6) " M" : 10 ^ exponent }

# Down to an integer, also below zero.
function floor(x) { return int(x) > x ? int(x) - 1 : int(x) }

# Sets low and high for n names; returns how many of them have values.
function scale(names, n,    i, j, x, least_of_all, most_of_all, have) {
	for (i = 1; i <= n; i++) {
		here = 0
		for (j = 1; j <= entrant_count; j++)
			if ((names[i], entrants[j]) in median) {
				x = least[names[i], entrants[j]]
				least_of_all = least_of_all == "" || x < least_of_all ? x : least_of_all
				x = most[names[i], entrants[j]]
				most_of_all = x > most_of_all ? x : most_of_all
				here = 1
			}
		have += here
	}
	if (have) {
		low = floor(log10(least_of_all * 0.9))
		high = floor(log10(most_of_all * 1.001)) + 1
	}
	return have
}

function bar(name, who,    x, colour) {
	x = at(median[name, who])
	put(sprintf("<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\">", LEFT, y, x - LEFT, BAR, \
		colour_of[who]) sprintf("<title>%s, %s: %s</title></rect>", name, name_of[who], median[name, who]))
	put(sprintf("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"range\"/>", at(least[name, who]), \
		at(most[name, who]), y + BAR / 2, y + BAR / 2))
	text((at(most[name, who]) > x ? at(most[name, who]) : x) + 4, y + BAR, "value", shown(median[name, who]))
	y += BAR + 2
}

function draw(p,    names, n, i, j, top, exponent) {
	n = split(names_of[p], names, " ")
	if (!scale(names, n))
		return
	text(LEFT, y + 12, "title", titles[p])
	y += 32
	top = y
	for (i = 1; i <= n; i++) {
		first = y
		for (j = 1; j <= entrant_count; j++)
			if ((names[i], entrants[j]) in median)
				bar(names[i], entrants[j])
		if (y > first) {
			text(LEFT - 8, (first + y) / 2 + 4, "name", names[i])
			y += 8
		}
	}
	for (exponent = low; exponent <= high; exponent++) {
		put(sprintf("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" class=\"grid\"/>", at(10 ^ exponent), \
			at(10 ^ exponent), top - 4, y - 4))
		text(at(10 ^ exponent), top - 8, "tick", decade(exponent))
	}
	y += 12
}

END {
	y = 44
	for (i = 1; i <= entrant_count; i++) {
		put(sprintf("<rect x=\"%d\" y=\"%d\" width=\"10\" height=\"10\" fill=\"%s\"/>", \
			12 + (i - 1) % 5 * 175, y - 9, colour_of[entrants[i]]))
		text(27 + (i - 1) % 5 * 175, y, "key", name_of[entrants[i]])
		y += i % 5 == 0 ? 18 : 0
	}
	y += 20
	for (p = 1; p <= panel_count; p++)
		draw(p)
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", \
		WIDTH, y, WIDTH, y
	print "<style>"
	print "text { font: 11px sans-serif; fill: #57606a }"
	print ".title { font-weight: bold; font-size: 12px } .value { font-size: 8px }"
	print ".name { text-anchor: end } .tick { text-anchor: middle }"
	print ".grid { stroke: #8b949e; stroke-opacity: 0.3 } .range { stroke: #6e7781; stroke-width: 1.5 }"
	print "@media (prefers-color-scheme: dark) { text { fill: #adbac7 } .range { stroke: #cdd9e5 } }"
	print "</style>"
	printf "<text x=\"12\" y=\"20\">sley beside Go %s, Tokio %s and Boost.Fiber %s: medians, and least to most;" \
		" %s, %s</text>\n", said["go"], said["tokio"], said["boost"], said["machine"], said["day"]
	printf "%s", body
	print "</svg>"
}
