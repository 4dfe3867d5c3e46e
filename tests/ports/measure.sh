#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# What keyd costs with threads and with tasks: the figures of tools/examples/README.md. For each number of connections the two
# alternate, the server on one CPU and the load on another; medians of 5 runs. Connections are busy all the time: each asks
# for a key, waits for the answer, and asks again. Memory is resident memory with page tables, and kernel stacks beside it.
#
# usage, after make tests: tests/ports/measure.sh [CONNECTIONS ...]   (default: 64 1000 10000); RUNS=5 SECONDS_EACH=2
set -eu
cd "$(dirname "$0")/../.."

build=${SLEY_BUILD:-build}
runs=${RUNS:-5} seconds=${SECONDS_EACH:-2}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; kill $(jobs -p) 2>/dev/null || :' EXIT

# measure KIND CONNECTIONS
measure() {
	local port= server
	rm -f "$scratch/out"
	taskset -c 0 "$build/ports/keyd-$1" 127.0.0.1 0 >"$scratch/out" 2>"$scratch/errors" &
	server=$!
	until port=$(sed -n 's/^listening on .*://p' "$scratch/out" 2>/dev/null) && [ -n "$port" ]; do sleep 0.01; done
	taskset -c 1 "$build/ports/load" 127.0.0.1 "$port" "$2" "$seconds" $server >>"$scratch/$1.$2"
	kill $server
	wait $server
	[ ! -s "$scratch/errors" ] || { cat "$scratch/errors" >&2 && exit 1; }
}

# median KIND CONNECTIONS FIELD
median() {
	cut -d ' ' -f "$3" "$scratch/$1.$2" | sort -n | sed -n $(((runs + 1) / 2))p
}

[ $# -gt 0 ] || set -- 64 1000 10000
echo "connections  kind     requests/s  us of CPU a request  MiB  MiB of kernel stacks  threads"
for n; do
	for ((run = 0; run < runs; run++)); do
		measure threads "$n"
		measure tasks "$n"
	done
	for kind in threads tasks; do
		printf '%-12s %-8s %10d %20.1f %4d %21d %8d\n' "$n" $kind $(median $kind "$n" 1) \
			"$(median $kind "$n" 2 | awk '{ print $1 / 1000 }')" $(($(median $kind "$n" 3) / 1024)) \
			$(($(median $kind "$n" 4) / 1024)) "$(median $kind "$n" 5)"
	done
done
