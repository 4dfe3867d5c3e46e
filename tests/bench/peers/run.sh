#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# usage: run.sh [-r ROW[,ROW]] [-n ROUNDS] [-q]
#
# Rows of sley beside its peers: prints each run's "name impl workers value unit" lines, as build/bench has them,
# after lines "# key value" that say what was measured. make bench-peers keeps them, and summary.awk makes medians of
# them.
#
# In a round of a row each implementation runs once, in a process of its own, and another one begins each time:
# machines drift by more than what is to be seen. Servers are loaded by bench-load: the server has CPU 0 and the load
# CPU 1; in echo_both and stall both share them, and there are 2 workers.
#
#   -r  these rows; default all
#   -n  rounds of each (5)
#   -q  quick: 1/100 of the work, only to see that the rows work
#
# A peer that is not built is left out, and said. Exit code: 0; 1: a run failed (the others are printed); 2: usage.
set -u

in_process="yield2 yield1k yield100k spawn_join chan_pingpong chan_1x1 chan_4x1 chan_4x4 select future generator mutex
	skynet park timers"
servers="echo_c64 echo_c1000 echo_c10000 http echo_both stall"

build=${SLEY_BUILD:-build}
limit=180 # seconds of a run
no_row=77 # exit code of a peer that does not have the row
rows="$in_process $servers" rounds=5 quick=
failed=0

usage() {
	sed -n 's/^# \(usage\)/\1/p' "$0" >&2
	exit 2
}

while getopts r:n:q option; do
	case $option in
	r) rows=${OPTARG//,/ } ;;
	n) rounds=$OPTARG ;;
	q) quick=-q ;;
	*) usage ;;
	esac
done
[ $OPTIND -gt $# ] || usage
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage
for row in $rows; do
	[[ " "${in_process//[$'\n\t']/ }" $servers " == *" $row "* ]] || usage
done
ulimit -n "$(ulimit -Hn)" # servers with 10,000 connections need as many descriptors
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

# ---- who takes part ----

# entrants ROW: implementations and their workers.
entrants() {
	case $1 in
	echo_both | stall) echo sley:2 go:2 tokio:2 ;;
	http) echo sley:1 raw:1 go:1 nethttp:1 tokio:ct tokio:1 ;;
	echo_*) echo sley:1 raw:1 go:1 tokio:ct tokio:1 ;;
	*) echo sley:1 sley:2 go:1 go:2 tokio:ct tokio:1 tokio:2 boost:1 ;;
	esac
}

# program IMPL: its file.
program() {
	case $1 in
	sley) echo "$build/bench" ;;
	raw) echo "$build/bench-raw-echo" ;;
	nethttp) echo "$build/peers/go" ;;
	*) echo "$build/peers/$1" ;;
	esac
}

is_there() {
	[ -x "$(program "$1")" ]
}

say_missing() {
	local impl packages
	for impl in go tokio boost; do
		case $impl in
		go) packages="the package golang-go" ;;
		tokio) packages="the packages rustc, cargo, librust-tokio-dev and librust-async-channel-dev" ;;
		boost) packages="the packages g++ and libboost-fiber-dev" ;;
		esac
		is_there $impl ||
			echo "peers: $impl is left out, $(program $impl) is not there: make peers builds it, from $packages" >&2
	done
}

say_what() {
	local impl
	echo "# day $(date +%F)"
	echo "# machine $(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo), $(nproc) CPUs, Linux $(uname -r | cut -d - -f 1)"
	for impl in go tokio boost; do
		! is_there $impl || echo "# $impl $("$(program $impl)" version)"
	done
}

# ---- one run ----

# run_in_process ROW IMPL WORKERS
run_in_process() {
	if [ "$2" = sley ]; then
		timeout $limit "$build/bench" -n 1 -r "$1" -w "$3" $quick
	else
		timeout $limit "$build/peers/$2" "$1" "$3" ${quick:+100}
	fi
}

# start CPUS COMMAND...: a server that says where it listens; sets server and address.
start() {
	local output line
	exec {output}< <(exec taskset -c "$@")
	server=$!
	read -r -t 30 line <&"$output"
	exec {output}<&-
	address=${line##* }
}

# load NAME IMPL WORKERS UNIT CPUS ARGUMENT...: the lines of the server's run under this load.
load() {
	local name=$1 impl=$2 workers=$3 unit=$4 times="-t 4 -u 1" status=0
	[ -z "$quick" ] || times="-t 0.2 -u 0.1"
	timeout $limit taskset -c "$5" "$build/bench-load" $times --server "$server" "${@:6}" "$address" \
		>"$scratch/load" || status=1
	kill "$server" && wait "$server" 2>/dev/null
	server=
	[ $status = 0 ] || {
		echo "peers: $name: no load, or no request was answered" >&2
		return 1
	}
	awk -v name="$name" -v who="$impl $workers" -v unit="$unit" '
		{ value[$1] = $2 }
		function out(what, x, unit) { printf "%s_%s %s %.6g %s\n", name, what, who, x, unit }
		function latency(what, key) { out(what "_" unit, value[key] / (unit == "ms" ? 1000 : 1), unit) }
		END {
			if (value["errors"] > 0)
				exit 1
			out("rps", value["rps"] + value["B.rps"], "requests/s")
			latency("p50", "p50_us")
			latency("p99", "p99_us")
			latency("p999", "p99.9_us")
			out("cpu", value["server_cpu_s_per_m"], "s/M")
		}' "$scratch/load"
}

# server_of ROW IMPL WORKERS: sets command.
server_of() {
	local kind=${1%%_*}
	case $2 in
	sley) command=("$build/examples/${kind/http/httpd}" 0 -w "$3") ;;
	raw) command=("$build/bench-raw-echo" 0) && [ "$kind" != http ] || command+=(http) ;;
	nethttp) command=("$build/peers/go" nethttp "$3") ;;
	*) command=("$build/peers/$2" "$kind" "$3") ;;
	esac
}

# One request in 100 blocks its thread for 10 ms; stall_clean: none. sley's server is a part of bench, which does the
# same.
run_stall() {
	if [ "$2" = sley ]; then
		timeout $limit "$build/bench" -n 1 -r stall -w "$3" $quick
		return
	fi
	server_of "$@"
	start 0,1 "${command[@]}" && load stall_clean "$2" "$3" us 0,1 -c 64 &&
		start 0,1 "${command[@]}" && load stall "$2" "$3" us 0,1 -c 64 --block 100
}

# run_server ROW IMPL WORKERS
run_server() {
	server_of "$@"
	case $1 in
	echo_both) start 0,1 "${command[@]}" && load "$@" ms 0,1 -c 64 ;;
	http) start 0 "${command[@]}" && load "$@" ms 1 -c 64 --http / ;;
	echo_c*) start 0 "${command[@]}" && load "$@" ms 1 -c "${1#echo_c}" ;;
	esac
}

# run ROW IMPL WORKERS
run() {
	local status=0
	case $1 in
	stall) run_stall "$@" ;;
	echo_* | http) run_server "$@" ;;
	*) run_in_process "$@" ;;
	esac >"$scratch/lines" || status=$?
	case $status in
	0) cat "$scratch/lines" ;;
	"$no_row") ;;
	*)
		echo "peers: $*: failed" >&2
		failed=1
		;;
	esac
}

# ---- all runs ----

is_there sley || {
	echo "peers: $(program sley) is not there: make bench" >&2
	exit 1
}
say_missing
say_what
for row in $rows; do
	echo "peers: $row" >&2
	entrants=($(entrants "$row"))
	n=${#entrants[@]}
	for ((i = 0; i < rounds * n; i++)); do
		entrant=${entrants[(i + i / n) % n]}
		! is_there "${entrant%:*}" || run "$row" "${entrant%:*}" "${entrant#*:}"
	done
done
exit $failed
