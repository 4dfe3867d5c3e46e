#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Checks that every C and C++ file is as clang-format 14 writes it (.clang-format), and that no blank line follows the
# declarations at the beginning of a block, which clang-format does not look at. Prints each place that is not, and exits
# 1 if there is one; `clang-format -i FILE` mends the first kind. Other versions lay out some lines otherwise.
#
# usage: tests/check_format.sh [FILE ...]   (default: all)
set -eu
cd "$(dirname "$0")/.."

format=$(command -v clang-format-14 || command -v clang-format) || {
	echo "$0: clang-format is missing: apt-get install clang-format-14" >&2
	exit 2
}
"$format" --version | grep -q 'version 14\.' || {
	echo "$0: $("$format" --version): version 14 is needed: apt-get install clang-format-14" >&2
	exit 2
}
[ $# -gt 0 ] || mapfile -t files < <(find bpf include runtime tests tools -name '*.[ch]' -o -name '*.cc')
[ $# -eq 0 ] || files=("$@")

bad=0
printf '%s\0' "${files[@]}" | xargs -0 -n 40 -P "$(nproc)" "$format" --dry-run -Werror || bad=1

awk '
FNR == 1 { state = "" }
{
	indent = match($0, /[^\t]/) - 1
	text = substr($0, indent + 1)
}
state == "declarations" && $0 == "" { blank = FNR; state = "blank"; next }
state == "blank" {
	printf "%s:%d: a blank line after the declarations of a block\n", FILENAME, blank
	bad = 1
	state = ""
}
$0 == "{" || ($0 ~ /^\t.*\{$/ && $0 !~ /= \{$/) { state = "begins"; depth = indent + 1; next }
state == "begins" || state == "declarations" {
	if (indent == depth && text ~ /;( \/\*.*)?$/ &&
	    text ~ /^((const|static|struct|union|enum|unsigned|volatile) )*[A-Za-z_][A-Za-z_0-9]* \**[A-Za-z_][A-Za-z_0-9]*(\[[^]]*\])*(;|,| =)/ &&
	    text !~ /^(return|goto|else|case) /)
		state = "declarations"
	else
		state = ""
}
END { exit bad }' "${files[@]}" || bad=1
exit $bad
