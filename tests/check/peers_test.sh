# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# What is measured beside the peers (tests/bench/peers/) is run in turns, and becomes the right medians, table and
# plot. No peer needs to be installed.

. tests/check/suite.sh

peers=tests/bench/peers

# fake FILE: a program in the place of bench or of a peer, with the commands that come on standard input.
fake() {
	mkdir -p "$(dirname "$scratch/$1")"
	{
		echo '#!/bin/bash'
		cat
	} >"$scratch/$1"
	chmod +x "$scratch/$1"
}

# run_peers STATUS ARGUMENT...: with the fake programs.
run_peers() {
	local status=$1
	shift
	SLEY_BUILD=$scratch expect "$status" $peers/run.sh "$@" >"$scratch/raw" 2>"$scratch/errors"
}

# Each round runs each of them once, and another one begins; of a peer that is not there the packages are named.
turns() {
	fake bench <<<'while getopts n:r:w: o; do [ $o != w ] || echo "yield2 sley $OPTARG 10 ns/switch"; done'
	fake peers/go <<<'[ "$1" = version ] && echo 1.2.3 || echo "$1 go $2 20 ns/switch"'
	fake peers/boost <<<'[ "$1" = version ] && echo 4.5.6 || exit 77'
	run_peers 0 -r yield2 -n 2
	contains "$scratch/raw" "# go 1.2.3"
	contains "$scratch/raw" "# boost 4.5.6"
	contains "$scratch/errors" "tokio is left out"
	contains "$scratch/errors" "rustc, cargo, librust-tokio-dev and librust-async-channel-dev"
	! grep -qE 'go is left|boost is left|failed' "$scratch/errors" || fail "$(cat "$scratch/errors")"
	[ "$(grep -v '^#' "$scratch/raw" | cut -d ' ' -f 2,3 | tr '\n' ,)" = \
		"sley 1,sley 2,go 1,go 2,sley 2,go 1,go 2,sley 1," ] || fail "$(cat "$scratch/raw")"
	rm -r "$scratch/peers"
	run_peers 0 -r yield2 -n 1
	contains "$scratch/errors" "the package golang-go"
	contains "$scratch/errors" "libboost-fiber-dev"
}

# A run that fails is said, the others are there; an unknown row is a matter of usage, as is a round too few.
failures() {
	fake bench <<<'echo "mutex sley 1 10 ns/op"'
	fake peers/go <<<'[ "$1" = version ] && echo 1.2.3 || exit 3'
	run_peers 1 -r mutex -n 1
	contains "$scratch/errors" "peers: mutex go 2: failed"
	[ "$(grep -c '^mutex sley' "$scratch/raw")" = 2 ]
	run_peers 2 -r none
	run_peers 2 -n 0
	rm "$scratch/bench"
	run_peers 1 -r mutex
	contains "$scratch/errors" "bench is not there"
}

# fake_servers ERRORS: servers and a load that say where they run and with what, and a load of known results.
fake_servers() {
	local server
	for server in examples/echo examples/httpd bench-raw-echo peers/go; do
		fake $server <<-EOF
			[ "\$1" != version ] || exec echo 1.2.3
			echo "$server \$* on\$(taskset -cp \$\$ | sed 's/.*://')" >>"$scratch/started"
			echo "server: listening on 127.0.0.1:4711"
			exec sleep 1000
		EOF
	done
	fake bench-load <<-EOF
		echo "\$(sed 's/--server [0-9]*/--server PID/' <<<"\$*") on\$(taskset -cp \$\$ | sed 's/.*://')" >>"$scratch/started"
		printf '%s\n' "errors $1" "rps 1000" "p50_us 100" "p99_us 2000" "p99.9_us 3000" "B.rps 10" "server_cpu_s_per_m 5"
	EOF
	fake bench <<<'echo "stall_rps sley 2 5 requests/s"'
}

# Where servers and load run, with which arguments, and what becomes of the load's results.
servers() {
	fake_servers 0
	run_peers 0 -r echo_c1000,http,echo_both -n 1
	diff - "$scratch/started" <<-'EOL' || fail "other servers or loads"
		examples/echo 0 -w 1 on 0
		-t 4 -u 1 --server PID -c 1000 127.0.0.1:4711 on 1
		bench-raw-echo 0 on 0
		-t 4 -u 1 --server PID -c 1000 127.0.0.1:4711 on 1
		peers/go echo 1 on 0
		-t 4 -u 1 --server PID -c 1000 127.0.0.1:4711 on 1
		examples/httpd 0 -w 1 on 0
		-t 4 -u 1 --server PID -c 64 --http / 127.0.0.1:4711 on 1
		bench-raw-echo 0 http on 0
		-t 4 -u 1 --server PID -c 64 --http / 127.0.0.1:4711 on 1
		peers/go http 1 on 0
		-t 4 -u 1 --server PID -c 64 --http / 127.0.0.1:4711 on 1
		peers/go nethttp 1 on 0
		-t 4 -u 1 --server PID -c 64 --http / 127.0.0.1:4711 on 1
		examples/echo 0 -w 2 on 0,1
		-t 4 -u 1 --server PID -c 64 127.0.0.1:4711 on 0,1
		peers/go echo 2 on 0,1
		-t 4 -u 1 --server PID -c 64 127.0.0.1:4711 on 0,1
	EOL
	grep '^echo_c1000_.* raw' "$scratch/raw" >"$scratch/lines"
	diff - "$scratch/lines" <<-'EOL' || fail "other lines"
		echo_c1000_rps raw 1 1010 requests/s
		echo_c1000_p50_ms raw 1 0.1 ms
		echo_c1000_p99_ms raw 1 2 ms
		echo_c1000_p999_ms raw 1 3 ms
		echo_c1000_cpu raw 1 5 s/M
	EOL
	fake_servers 3
	run_peers 1 -r echo_c64 -n 1
	contains "$scratch/errors" "peers: echo_c64 raw 1: failed"
	! grep -v '^#' "$scratch/raw" || fail "figures of a load with errors"
}

# A peer's server is loaded with requests that block, and without; sley's is a part of bench.
stalls() {
	fake_servers 0
	run_peers 0 -r stall -n 1
	diff - "$scratch/started" <<-'EOL' || fail "other servers or loads"
		peers/go stall 2 on 0,1
		-t 4 -u 1 --server PID -c 64 127.0.0.1:4711 on 0,1
		peers/go stall 2 on 0,1
		-t 4 -u 1 --server PID -c 64 --block 100 127.0.0.1:4711 on 0,1
	EOL
	contains "$scratch/raw" "stall_rps sley 2 5 requests/s"
	contains "$scratch/raw" "stall_rps go 2 1010 requests/s"
	contains "$scratch/raw" "stall_clean_p99_us go 2 2000 us"
}

# lines: a raw file in two pieces. Medians of an odd and an even number of runs, a time and a rate.
lines() {
	cat <<-'EOL'
		# day 1999-12-30
		# go 1.2.3
		yield2 sley 1 30 ns/switch
		yield2 go 1 50 ns/switch
		echo_c64_rps sley 1 1000 requests/s
		echo_c64_rps raw 1 2000 requests/s
		# day 1999-12-31
		# go 1.2.3
		yield2 sley 1 10 ns/switch
		yield2 go 1 100 ns/switch
		yield2 sley 1 20 ns/switch
		yield2 tokio ct 5 ns/switch
		yield2 tokio 2 5 ns/switch
	EOL
}

# Medians, least, most, number of runs, and how many times as good sley is; figures of two versions are no
# measurement.
summary() {
	lines | awk -f $peers/summary.awk >"$scratch/figures"
	diff - "$scratch/figures" <<-'EOL' || fail "the summary is another one"
		# day 1999-12-31
		# go 1.2.3
		yield2 sley 1 20 10 30 3 - ns/switch
		yield2 go 1 75 50 100 2 3.75 ns/switch
		echo_c64_rps sley 1 1000 1000 1000 1 - requests/s
		echo_c64_rps raw 1 2000 2000 2000 1 0.50 requests/s
		yield2 tokio ct 5 5 5 1 0.25 ns/switch
		yield2 tokio 2 5 5 5 1 - ns/switch
	EOL
	{ lines && echo "# go 1.2.4"; } >"$scratch/raw"
	expect 1 awk -f $peers/summary.awk "$scratch/raw" >"$scratch/figures" 2>"$scratch/errors"
	contains "$scratch/errors" "go 1.2.3 and go 1.2.4"
}

# whole: figures of all rows: sley 10, go 20, tokio 5, the others 40; with 2 workers ten times as much.
whole() {
	local name who
	printf '# %s\n' "day 1999-12-31" "machine a wristwatch" "go 1.2.3" "tokio 4.5.6" "boost 7.8.9"
	for name in $(grep -o 'row("[^"]*", "[a-z0-9_]*"' $peers/table.awk | sed 's/.*, "//; s/"//') http_rps; do
		for who in "sley 1 10" "go 1 20" "tokio ct 5" "tokio 1 5.04" "boost 1 40" "raw 1 40" "nethttp 1 1234567" \
			"sley 2 100" "go 2 200" "tokio 2 50"; do
			echo "$name $who 1 900 5 - x"
		done
	done
}

# table_of STATUS FIGURES: the text with the table made of them.
table_of() {
	printf '%s\n' before '<!-- peers: begin -->' old '<!-- peers: end -->' after >"$scratch/text"
	expect "$1" awk -f $peers/table.awk "$2" "$scratch/text" >"$scratch/table" 2>"$scratch/errors"
}

# The table is made of whole figures, and of nothing less; the rest of README.md stays.
table() {
	whole >"$scratch/figures"
	table_of 0 "$scratch/figures"
	contains "$scratch/table" "Measured on 1999-12-31: Go 1.2.3, Tokio 4.5.6, Boost.Fiber 7.8.9, on a wristwatch."
	contains "$scratch/table" "| yield2, ns | 10 | 100 | 20 | 200 | 5.0 | 5.0 | 50 | 40 | | 0.50 / 0.50 |"
	contains "$scratch/table" "| echo_c64, requests/s | 10 | | 20 | | 5.0 | 5.0 | | | 40 | 0.25 / – |"
	contains "$scratch/table" "| http, requests/s (net/http: 1,230,000) | 10 | | 20 | | 5.0 | 5.0 | | | 40 | 0.25 / – |"
	contains "$scratch/table" "| stall, requests/s | | 100 | | 200 | | | 50 | | | – / 0.50 |"
	[ "$(grep -c '^| .* / .* |$' "$scratch/table")" = 32 ] # and the head
	[ "$(sed -n '1,2p' "$scratch/table" | tr '\n' ,)" = "before,<!-- peers: begin -->," ]
	[ "$(tail -n 2 "$scratch/table" | tr '\n' ,)" = "<!-- peers: end -->,after," ]
	! grep -q old "$scratch/table"
	grep -v '^mutex tokio 2' "$scratch/figures" >"$scratch/less"
	table_of 1 "$scratch/less"
	contains "$scratch/errors" "no figure: mutex tokio 2"
	grep -v '^# tokio' "$scratch/figures" >"$scratch/less"
	table_of 1 "$scratch/less"
	contains "$scratch/errors" "the version is not said: tokio"
}

# Bars end where their medians are between two decades, 680 points apart here, and lines go from the least to the
# most.
plot() {
	cat >"$scratch/figures" <<-'EOL'
		# go 1.2.3
		yield2 sley 1 10 5 20 5 - ns/switch
		yield2 go 1 50 50 50 5 5.00 ns/switch
		yield2_unknown go 1 100000 100000 100000 5 5.00 ns/switch
		echo_c64_rps go 1 1000000 1000000 1000000 5 - requests/s
	EOL
	awk -f $peers/plot.awk "$scratch/figures" >"$scratch/plot.svg"
	python3 - "$scratch/plot.svg" <<-'EOL' || fail "the plot is another one"
		import math, sys
		import xml.etree.ElementTree as tree
		svg = "{http://www.w3.org/2000/svg}"
		root = tree.parse(sys.argv[1]).getroot()
		bars = {bar.find(svg + "title").text: bar for bar in root.iter(svg + "rect") if len(bar)}
		assert set(bars) == {"yield2, sley, 1 worker: 10", "yield2, Go, 1: 50", "echo_c64_rps, Go, 1: 1000000"}
		def width(title):
		    return float(bars[title].get("width"))
		def place(value):
		    return 150 + 680 * math.log10(value) / 2  # from 1 to 100
		assert abs(width("yield2, sley, 1 worker: 10") - 340) < 0.1
		assert abs(width("yield2, Go, 1: 50") - 340 * math.log10(50)) < 0.1
		assert bars["yield2, sley, 1 worker: 10"].get("fill") != bars["yield2, Go, 1: 50"].get("fill")
		line = next(line for line in root.iter(svg + "line") if line.get("class") == "range")
		assert abs(float(line.get("x1")) - place(5)) < 0.1 and abs(float(line.get("x2")) - place(20)) < 0.1
		assert abs(width("echo_c64_rps, Go, 1: 1000000") - 340) < 0.1  # from 100,000 to 10 M
	EOL
}

run_suite turns failures servers stalls summary table plot
