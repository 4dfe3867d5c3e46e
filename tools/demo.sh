#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# A service under load with a planted mistake, and what asynctop says of it. `make demo` builds and runs this.
#
# httpd serves / and /sleep to many connections; now and then somebody asks for /log, whose handler calls fsync() and so
# blocks its thread and every task queued there. asynctop watches for some seconds. Exit code: 0 only if a verdict names
# that handler's task, the call, the file and the line of the source; else 1.
#
#   LIVE=1             with a terminal: the live screen instead, until q is pressed
#   SLEY_BUILD         the build directory (build)
#   SLEY_DEMO_SECONDS  how long asynctop watches (5)
#   SLEY_DEMO_LOGS     requests for /log a second (20; 0: none, so there is nothing to find and the demo must fail)
#   SLEY_DEMO_DIR      where the log is made; it must be on a disk (the build directory)

set -u

source=tools/examples/httpd.c
planted='fsync(log_file)'
build=${SLEY_BUILD:-build}
seconds=${SLEY_DEMO_SECONDS:-5}
logs=${SLEY_DEMO_LOGS:-20}
dir=${SLEY_DEMO_DIR:-$build}
live_seconds=600
PATH=$PATH:/usr/sbin:/sbin

die() {
	echo "demo: $*" >&2
	exit 1
}

# ---- cleaning up: what was started here, and nothing else ----

pids=
scratch=
log=

clean_up() {
	trap - EXIT INT TERM HUP
	for pid in $pids; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null
	done
	[ -z "$log" ] || rm -f "$log"
	[ -z "$scratch" ] || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- before it starts ----

check_files() {
	for program in asynctop bench-load examples/httpd; do
		[ -x "$build/$program" ] || die "$build/$program is missing: run make"
	done
	[ -r "$source" ] || die "$source is missing: run this at the top of the source tree"
}

# On a file system in memory fsync() has nothing to wait for.
check_disk() {
	type=$(stat -f -c %T "$dir") || die "$dir is not there"
	case $type in
	tmpfs | ramfs) die "the log must be on a disk, and $dir is on $type: set SLEY_DEMO_DIR to a directory that is on one" ;;
	esac
}

# Seeing what blocks threads needs two capabilities: of root, or of the file.
grant() {
	[ "$(id -u)" != 0 ] || return 0
	case $(getcap "$build/asynctop" 2>/dev/null) in
	*cap_bpf*) return 0 ;;
	esac
	echo "demo: asynctop needs two capabilities: sudo setcap cap_bpf,cap_perfmon=ep $build/asynctop"
	command -v sudo >/dev/null && sudo setcap cap_bpf,cap_perfmon=ep "$build/asynctop" ||
		die "it did not get them: run the command above as root, or run the demo as root"
}

# ---- the service and its load ----

# Sets server and port. The first line says the port; the pipe then stays open for the rest.
start_service() {
	mkfifo "$scratch/lines"
	"$build/examples/httpd" 0 --log "$log" >"$scratch/lines" &
	server=$!
	pids="$server $pids"
	exec 3<"$scratch/lines"
	read -r line <&3 || die "httpd did not start"
	port=${line##*:}
	echo "demo: httpd, process $server, serves on 127.0.0.1:$port; its log is $log"
}

# load SECONDS OPTIONS...: in the background, bounded in time and in rate.
load() {
	time=$1
	shift
	"$build/bench-load" -u 0 -t "$time" "$@" "127.0.0.1:$port" >>"$scratch/load" &
	pids="$! $pids"
}

start_load() {
	load "$1" -c 32 --rate 2000 --http / --mix '/sleep?ms=20=20'
	[ "$logs" = 0 ] || load "$1" -c 2 --rate "$logs" --http /log
	echo "demo: 2,000 requests a second for / and /sleep, $logs for /log, for up to $1 s"
}

# ---- what asynctop says ----

live() {
	start_load $live_seconds
	"$build/asynctop" -p "$server"
}

# The sections with these titles, as blank lines separate them.
show() {
	awk -v RS= -v ORS='\n\n' '/^(where|verdicts)/' "$scratch/report"
}

# A verdict is one line of the last section.
is_found() {
	awk -v RS= '/^verdicts/' "$scratch/report" | grep -F '"GET /log"' | grep -F 'fsync' | grep -F "$file" |
		grep -Eq "httpd\.c:$line([^0-9]|\$)"
}

watch() {
	line=$(grep -nF "$planted" "$source" | cut -d: -f1)
	case $line in
	'' | *[!0-9]*) die "$source has $planted not once" ;;
	esac
	file=$(realpath "$log")
	start_load $((seconds + 5))
	echo "demo: asynctop watches for $seconds s"
	# In the background, or a signal would have to wait for its end.
	"$build/asynctop" -b -p "$server" -d "$seconds" -n 1 --rows 20 >"$scratch/report" &
	pids="$! $pids"
	wait $! || die "asynctop failed"
	echo
	show
	if is_found; then
		echo "demo: found: the task \"GET /log\" blocked its thread in fsync of $file at $source:$line"
	else
		echo "demo: not found: no verdict names the task \"GET /log\", fsync, $file and $source:$line" >&2
		sed -n '1,3p' "$scratch/report" >&2
		exit 1
	fi
}

check_files
check_disk
grant
scratch=$(mktemp -d) || exit 1
log=$(mktemp "$dir/demo-log.XXXXXX") || exit 1
start_service
if [ "${LIVE:-}" = 1 ] && [ -t 0 ] && [ -t 1 ]; then
	live
else
	watch
fi
