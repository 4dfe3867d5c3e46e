# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# What README.md says: its example is extracted, built and run; its links and options exist. And that the manual has what
# asynctop has.

. tests/check/suite.sh

# build_server: from the example, without a warning.
build_server() {
	sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$scratch/server.c"
	${CC:-gcc} -O2 -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude -o "$scratch/server" "$scratch/server.c" \
		"$SLEY_BUILD/libsley.a" -pthread
}

# start_server [WRAPPER...]: tries ports until the server stays: it ends when its port is taken. Sets port and server.
start_server() {
	local tries
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + RANDOM % 12000))
		"$@" "$scratch/server" "127.0.0.1:$port" &
		server=$!
		while kill -0 $server 2>/dev/null; do
			! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
		done
	done
	fail "the server does not start"
}

# The example compiles, serves two connections at once, and ends when its port is taken.
example() {
	build_server
	start_server
	trap 'kill $server' EXIT
	exec 3<>"/dev/tcp/127.0.0.1/$port" 4<>"/dev/tcp/127.0.0.1/$port"
	echo "by the first" >&3
	echo "by the second" >&4
	read -r -t 30 answer <&4
	[ "$answer" = "by the second" ]
	read -r -t 30 answer <&3
	[ "$answer" = "by the first" ]
	expect 1 "$scratch/server" "127.0.0.1:$port"
}

# Out of descriptors it goes on, and serves who waited when others have left.
out_of_descriptors() {
	local connection last connections=() i
	build_server
	start_server bash -c 'ulimit -n 24; exec "$@"' -
	trap 'kill $server' EXIT
	for i in {1..30}; do
		exec {connection}<>"/dev/tcp/127.0.0.1/$port"
		connections+=("$connection")
	done
	last=${connections[29]}
	echo "by the last" >&"$last"
	for connection in "${connections[@]:0:29}"; do
		exec {connection}>&-
	done
	read -r -t 30 answer <&"$last"
	[ "$answer" = "by the last" ]
	kill -0 $server
}

# Every target of make that it names is one.
targets() {
	local target
	grep -o '`\?make [a-z]\+' README.md | sed 's/.*make //' | sort -u >"$scratch/targets"
	[ -s "$scratch/targets" ]
	while read -r target; do
		grep -q "^$target:" Makefile || fail "no target $target"
	done <"$scratch/targets"
}

# Every file that it links to, or names in its map, exists.
files() {
	local file
	grep -o '](\([^)#]*\))' README.md | tr -d ']()' >"$scratch/files"
	grep -o '^| `[a-z]*/` ' README.md | tr -d '|` ' >>"$scratch/files"
	[ "$(wc -l <"$scratch/files")" -ge 7 ]
	while read -r file; do
		[ -e "$file" ] || fail "no file $file"
	done <"$scratch/files"
}

# Every option of asynctop that it shows is understood.
options() {
	local option
	"$SLEY_BUILD/asynctop" --help >"$scratch/help"
	for option in -p -b -d -n --json; do
		grep -q -e "^    asynctop .*$option " README.md || fail "$option is not in README.md"
		contains "$scratch/help" "$option"
	done
}

# The manual has all options, keys and exit codes that --help lists, and no other option.
manual() {
	local word page=tools/man/asynctop.1
	"$SLEY_BUILD/asynctop" --help >"$scratch/help"
	sed 's/\\&//g; s/Fl -/Fl --/g; s/Fl \([a-zA-Z]\)/Fl -\1/g' $page >"$scratch/page"
	grep -o '^  *-[-a-zA-Z, ]*' "$scratch/help" | tr -d ',' | tr ' ' '\n' | grep '^-' | grep -v '^-*[A-Z][A-Z]' |
		sort -u >"$scratch/options"
	[ "$(wc -l <"$scratch/options")" -ge 15 ]
	while read -r word; do
		grep -q -e "^\.It .*Fl $word\( \|$\)" "$scratch/page" || fail "no option $word in $page"
	done <"$scratch/options"
	grep -o '^\.It Fl .*' "$scratch/page" | grep -o -e 'Fl -[-a-zA-Z]*' | while read -r _ word; do
		grep -qx -e "$word" "$scratch/options" || fail "asynctop has no $word"
	done
	for word in $(sed -n '/^KEY for tasks/,/^$/s/^  \([a-z_]*\) .*/\1/p' "$scratch/help"); do
		grep -q "^\.It Cm .*\b$word\b" $page || fail "no column $word in $page"
	done
	for word in 0 1 2 3 4 5; do
		grep -qx "\.It $word" $page || fail "no exit code $word in $page"
	done
}

run_suite example out_of_descriptors targets files options manual
