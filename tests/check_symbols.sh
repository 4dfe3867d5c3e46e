#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Checks what the objects of a tree refer to: no function or variable of a higher layer, and no circle of files within
# a layer. tests/check_layers.sh sees includes; this also sees what a header declares that another file defines.
#
# Checks also that each name belongs to one file, static functions and variables included: perf and gdb show nothing else.
# Exempt are static functions of headers, of which each object may have a copy, and what is written in assembly, which may
# have a twin in C of which one is in the library. Variables of a function are not looked at.
#
# Prints each reference that goes up, the references of each circle and each name of two files, and exits 1 if there is
# one. The trees and their layers are in tests/layers.sh.
#
# usage: tests/check_symbols.sh [BUILD]   (all trees; their objects are in BUILD/obj, default: build)
#        tests/check_symbols.sh TREE [OBJECTS [SOURCES]]
#
# Objects lie in the one directory as sources do in the other. An object whose source is gone is left over in an old build,
# and not looked at.
set -eu

. "$(dirname "$0")/layers.sh"
if [ $# = 0 ] || { [ $# = 1 ] && [ -d "$1/obj" ]; }; then
	for tree in $trees; do
		"$0" "$tree" "${1:-build}/obj/$tree" || exit
	done
	exit 0
fi
describe "$1"
directory=${2:-build/obj/$1}
sources=$(realpath "${3:-$1}")

[ -d "$directory" ] || {
	echo "$0: no directory $directory" >&2
	exit 2
}

# statics DIRECTORY EXTENSION: the files with that extension, and the static functions in them. In objects those that
# were inlined everywhere are missing.
statics() {
	find "$1" -name "*.$2" -exec grep -HoE '^([A-Z_]+ )*static [^=(]*\b[a-z_0-9]+\(' {} + |
		sed -nE "s|^$1/?(.*)\.$2:.*\b([a-z_0-9]+)\($|./\1.o: \2 t|p"
}

exempt=$({
	statics "$sources" h
	statics "$(dirname "$0")/../include" h
	find "$sources" -name '*.S' -exec sed -n 's/^\t\.globl\t/of assembly: /p' {} +
} | sed 's/.*: //; s/ t$//' | tr '\n' ' ')

cd "$directory"
{
	statics "$sources" c
	find . -name '*.o' | sort | while read -r object; do
		for source in "$sources/${object%.o}".[cS]; do
			[ ! -e "$source" ] || printf '%s\0' "$object"
		done
	done | xargs -0 -r nm -A -P
} | awk -v layers="$layers" -v exempt="$exempt" '
BEGIN {
	n = split(layers, name, " ")
	for (i = 1; i <= n; i++)
		height[name[i]] = i
	top = n + 1
	n = split(exempt, name, " ")
	for (i = 1; i <= n; i++)
		exempted[name[i]] = 1
}

function layer_of(file) {
	return file ~ /\// ? substr(file, 1, index(file, "/") - 1) : "the top"
}

function height_of(file) {
	return file ~ /\// ? height[layer_of(file)] : top
}

# The name as the source has it: compilers add .part.0, .cold and the like to functions. Or "": no name of the source.
function source_name(symbol, type) {
	if (symbol ~ /^(_|\.|[at]san\.)/ || (type !~ /^[tT]$/ && symbol ~ /\./))
		return ""
	sub(/\..*/, "", symbol)
	return symbol in exempted ? "" : symbol
}

# "./task/task.o: symbol T ..." is one of task/task.
{
	file = $1
	sub(/^\.\//, "", file)
	sub(/\.o(\[.*)?:$/, "", file)
	if ($3 == "U")
		uses[file, $2] = 1
	else if ($3 ~ /^[A-VX-Z]$/) # global, and not weak
		home[$2] = file
	if ($3 ~ /^[tTdDbBrR]$/ && (symbol = source_name($2, $3)) != "") {
		if (!(symbol in owner))
			owner[symbol] = file
		else if (owner[symbol] != file && !named[symbol, file]++)
			twice[symbol] = twice[symbol] " and " file
	}
}

END {
	for (use in uses) {
		split(use, part, SUBSEP)
		from = part[1]
		to = home[part[2]]
		if (to == "" || to == from)
			continue
		if (height_of(to) > height_of(from)) {
			printf "%s refers to %s of the higher layer %s\n", from, part[2], layer_of(to)
			bad = 1
		} else if (height_of(to) == height_of(from)) {
			edge[from, to] = edge[from, to] " " part[2]
		}
	}
	# what refers to nothing that is left, or is referred to by nothing that is left, is in no circle
	do {
		removed = 0
		split("", out)
		split("", into)
		for (e in edge) {
			split(e, part, SUBSEP)
			out[part[1]] = into[part[2]] = 1
		}
		for (e in edge) {
			split(e, part, SUBSEP)
			if (!(part[2] in out) || !(part[1] in into)) {
				delete edge[e]
				removed = 1
			}
		}
	} while (removed)
	for (e in edge) {
		split(e, part, SUBSEP)
		printf "in a circle: %s refers to%s of %s\n", part[1], edge[e], part[2]
		bad = 1
	}
	for (symbol in twice) {
		printf "%s is the name of something in %s%s\n", symbol, owner[symbol], twice[symbol]
		bad = 1
	}
	exit bad
}
' || exit 1 # not the code of xargs
