#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Checks that a tree keeps its layers: a folder is a layer, and a file includes its own layer or a lower one. Prints
# each include that goes up, or that cannot be placed, and exits 1 if there is one. The trees and their layers are in
# tests/layers.sh.
#
# usage: tests/check_layers.sh [TREE [DIRECTORY]]   (default: all trees; DIRECTORY: where the tree is, or a copy of it)
#
# All layers may include the public headers (<sley.h>, <sley/...>), the system's, and those that the tree takes from
# elsewhere. Files of the directory itself (runtime.c, main.c) stand on top of all. Nothing includes a .c file.
set -eu

. "$(dirname "$0")/layers.sh"
if [ $# = 0 ]; then
	for tree in $trees; do
		"$0" "$tree" || exit
	done
	exit 0
fi
describe "$1"
directory=${2:-$1}

[ -d "$directory" ] || {
	echo "$0: no directory $directory" >&2
	exit 2
}

find "$directory" -name '*.[chS]' -print0 | sort -z | xargs -0 -r awk -v directory="$directory" -v layers="$layers" \
	-v outside="$outside" '
BEGIN {
	n = split(outside, name, " ")
	for (i = 1; i <= n; i++)
		is_outside[name[i]] = 1
	n = split(layers, name, " ")
	for (i = 1; i <= n; i++)
		height[name[i]] = i
	top = n + 1
}

# The height of a path below the directory: "task/task.h" is as high as task.
function height_of(path) {
	if (path !~ /\//)
		return top
	sub(/\/.*/, "", path)
	return path in height ? height[path] : 0
}

function complain(text) {
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}

FNR == 1 {
	own = substr(FILENAME, length(directory) + 2)
	folder = own
	if (!sub(/\/[^\/]*$/, "", folder))
		folder = ""
	if (!height_of(own))
		complain("is in no layer")
}

function exists(file,    line, found) {
	found = (getline line < file) >= 0
	close(file)
	return found
}

# A name without a folder is looked for beside the file first, then at the top of the tree.
/^[ \t]*#[ \t]*include[ \t]*["<]/ {
	path = $0
	sub(/^[^"<]*/, "", path)
	quoted = path ~ /^"/
	path = substr(path, 2)
	sub(/[">].*/, "", path)
	layer = path
	sub(/\/.*/, "", layer)
	if (path ~ /^sley(\/|\.h$)/ || path in is_outside || !quoted && (path !~ /\// || !(layer in height)))
		next
	if (path ~ /\.c$/)
		complain("includes a .c file: " path)
	if (path ~ /(^|\/)\.\.?\//)
		complain("includes by a relative path: " path)
	else if (path !~ /\// && folder != "" && exists(directory "/" folder "/" path))
		next
	else if (!height_of(path))
		complain("includes what is in no layer: " path)
	else if (height_of(path) > height_of(own))
		complain("includes a higher layer: " path)
}

END { exit bad }
' || exit 1 # not the code of xargs
