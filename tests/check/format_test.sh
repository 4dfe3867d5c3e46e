# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The layout of all sources, and that its check finds what is planted.

. tests/check/suite.sh

# Every file is laid out as .clang-format says.
tree_is_formatted() {
	expect 0 tests/check_format.sh
}

# planted STATUS TEXT: the answer to a file with this text.
planted() {
	printf "$2" >"$scratch/planted.c"
	cp .clang-format "$scratch"
	expect "$1" tests/check_format.sh "$scratch/planted.c" >"$scratch/report" 2>&1
}

# A line that is too long or indented otherwise, and a blank line after declarations, in a function and in a block.
faults_are_found() {
	planted 0 'int f(int a)\n{\n\tint b = a;\n\treturn b;\n}\n'
	planted 1 'int f(int a)\n{\n    return a;\n}\n'
	contains "$scratch/report" "planted.c:2:"
	planted 1 'int f(int a)\n{\n\tint b = a;\n\n\treturn b;\n}\n'
	contains "$scratch/report" "planted.c:4: a blank line after the declarations"
	planted 1 'void f(int a)\n{\n\tif (a) {\n\t\tstruct s *b = g(a);\n\n\t\th(b);\n\t}\n}\n'
	contains "$scratch/report" "planted.c:5: a blank line"
	planted 0 'void f(int a)\n{\n\tg(a);\n\n\th(a);\n}\n'
}

run_suite tree_is_formatted faults_are_found
