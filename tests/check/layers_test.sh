# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The layer check, of runtime/ and of asynctop, and that it finds what is planted.

. tests/check/suite.sh

# Every tree keeps its layers.
trees_keep_layers() {
	expect 0 tests/check_layers.sh runtime
	expect 0 tests/check_layers.sh tools/asynctop
}

# planted TREE FILE LINE TEXT: a copy of the tree in which FILE gets LINE is refused with TEXT.
planted() {
	rm -rf "$scratch/copy"
	cp -r "$1" "$scratch/copy"
	mkdir -p "$(dirname "$scratch/copy/$2")"
	echo "$3" >>"$scratch/copy/$2"
	expect 1 tests/check_layers.sh "$1" "$scratch/copy" >"$scratch/report"
	contains "$scratch/report" "$4"
	contains "$scratch/report" "$2:"
}

# An include of a higher layer is found, in a source and in a header, however it is written.
upward_is_found() {
	planted runtime base/planted.c '#include "task/task.h"' 'higher layer: task/task.h'
	planted runtime stack/planted.h '  #  include "io/file.h"' 'higher layer: io/file.h'
	planted runtime base/planted.c '#include <region/region.h>' 'higher layer: region/region.h'
	planted runtime io/planted.c '#include "runtime.h"' 'higher layer: runtime.h'
	planted tools/asynctop view/planted.c '#include "session/watch.h"' 'higher layer: session/watch.h'
	planted tools/asynctop model/planted.h '#include <view/table.h>' 'higher layer: view/table.h'
	planted tools/asynctop ui/planted.c '#include "main.h"' 'higher layer: main.h'
}

# Nothing hides behind a relative path, a .c file or a folder that is no layer.
evasion_is_found() {
	planted runtime base/planted.c '#include "../task/task.h"' 'relative path'
	planted runtime base/planted.c '#include "run/../io/file.h"' 'relative path'
	planted runtime run/planted.c '#include "base/lock.c"' '.c file'
	planted runtime base/planted.c '#include "util/list.h"' 'no layer: util/list.h'
	planted runtime util/planted.c '#include "base/lock.h"' 'is in no layer'
	planted tools/asynctop common/planted.c '#include "../ui/ui.h"' 'relative path'
	planted tools/asynctop table/planted.c '#include "common/text.h"' 'is in no layer'
}

# The own layer (by its short name too), lower ones, the public headers, the system's and those from elsewhere are legal,
# and for a file on top everything is.
legal_is_not() {
	mkdir -p "$scratch/runtime/run" "$scratch/runtime/io" "$scratch/asynctop/source"
	printf '#include "%s"\n' sley.h sley/introspect.h base/lock.h task/task.h >"$scratch/runtime/run/legal.c"
	printf '#include "%s"\n' io/file.h task/task.h >"$scratch/runtime/runtime.c"
	touch "$scratch/runtime/io/file.h"
	printf '#include %s\n' '"file.h"' '<sched.h>' '<sys/epoll.h>' >"$scratch/runtime/io/legal.c"
	expect 0 tests/check_layers.sh runtime "$scratch/runtime"
	printf '#include "%s"\n' events.h common/text.h sley/introspect.h >"$scratch/asynctop/source/legal.c"
	echo '#include "ui/ui.h"' >"$scratch/asynctop/main.c"
	expect 0 tests/check_layers.sh tools/asynctop "$scratch/asynctop"
}

# The objects keep them too, and no two files of a layer call each other in a circle.
objects_have_no_circles() {
	expect 0 tests/check_symbols.sh runtime "$SLEY_BUILD/obj/runtime"
	expect 0 tests/check_symbols.sh runtime "$SLEY_BUILD/debug/runtime"
	expect 0 tests/check_symbols.sh tools/asynctop "$SLEY_BUILD/obj/tools/asynctop"
}

# planted_object NAME TEXT: a source of that name with this code, and its object.
planted_object() {
	mkdir -p "$(dirname "$scratch/objects/$1")" "$(dirname "$scratch/sources/$1")"
	echo "$2" >"$scratch/sources/$1.c"
	${CC:-cc} -c -o "$scratch/objects/$1.o" "$scratch/sources/$1.c"
}

# references_of TREE LOW HIGH: in two layers of a tree a reference to the higher one is found that no include tells of,
# and so is a circle in one of them, also by way of a third file.
references_of() {
	local tree=$1 low=$2 high=$3
	rm -rf "$scratch/objects" "$scratch/sources"
	planted_object "$low/low" 'void up(void); void low(void) { up(); }'
	planted_object "$high/high" 'void up(void) {}'
	expect 1 tests/check_symbols.sh "$tree" "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "$low/low refers to up of the higher layer $high"
	rm -r "$scratch/objects"

	planted_object "$high/a" 'void b(void); void a(void) { b(); }'
	planted_object "$high/b" 'void c(void); void b(void) { c(); }'
	planted_object "$high/c" 'extern int word; void c(void) { word = 1; }'
	planted_object "$high/d" 'void a(void); void d(void) { a(); }'
	planted_object "$high/e" 'int word;'
	expect 0 tests/check_symbols.sh "$tree" "$scratch/objects" "$scratch/sources"
	planted_object "$high/c" 'void a(void); extern int word; void c(void) { if (word++) a(); }'
	expect 1 tests/check_symbols.sh "$tree" "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "$high/c refers to a of $high/a"
	! grep -q "$high/d" "$scratch/report" || fail "$high/d is in no circle"

	rm "$scratch/sources/$high/c.c" # what it was compiled to is left over
	expect 0 tests/check_symbols.sh "$tree" "$scratch/objects" "$scratch/sources"
}

# References that go up or around are found in every tree.
references_are_found() {
	references_of runtime base run
	references_of tools/asynctop model view
}

# A static function or variable that two files name alike is found, also if it was inlined everywhere; one of a header is
# not, and no variable of a function.
names_are_unique() {
	rm -rf "$scratch/objects" "$scratch/sources"
	mkdir -p "$scratch/sources/io"
	echo 'static inline int shared(void) { return 1; }' >"$scratch/sources/io/shared.h"
	local uses="#include \"$scratch/sources/io/shared.h\"
int (*of_SELF(void))(void) { static int calls; calls++; return shared; }"
	planted_object io/a "${uses/SELF/a}"
	planted_object io/b "${uses/SELF/b}"
	planted_object run/c 'static int inlined(void) { return 1; }
int c(void) { return inlined(); }
static int variable; int *of_c(void) { return &variable; }'
	planted_object run/d 'int d(void) { static int variable; return ++variable; }'
	expect 0 tests/check_symbols.sh runtime "$scratch/objects" "$scratch/sources"

	planted_object io/a '__attribute__((always_inline))
static inline int inlined(void) { return 2; }
int a(void) { return inlined(); }'
	expect 1 tests/check_symbols.sh runtime "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "inlined is the name of something in"
	planted_object io/a 'static int variable; int *of_a(void) { return &variable; }'
	expect 1 tests/check_symbols.sh runtime "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "variable is the name of something in"
}

run_suite trees_keep_layers upward_is_found evasion_is_found legal_is_not objects_have_no_circles references_are_found \
	names_are_unique
