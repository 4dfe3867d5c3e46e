# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The layer check of runtime/, and that it finds what is planted.

. tests/check/suite.sh

# The runtime keeps its layers.
runtime_keeps_layers() {
	expect 0 tests/check_layers.sh runtime
}

# planted FILE LINE TEXT: a copy of the runtime in which FILE gets LINE is refused with TEXT.
planted() {
	rm -rf "$scratch/runtime"
	cp -r runtime "$scratch/runtime"
	mkdir -p "$(dirname "$scratch/runtime/$1")"
	echo "$2" >>"$scratch/runtime/$1"
	expect 1 tests/check_layers.sh "$scratch/runtime" >"$scratch/report"
	contains "$scratch/report" "$3"
	contains "$scratch/report" "$1:"
}

# An include of a higher layer is found, in a source and in a header, however it is written.
upward_is_found() {
	planted base/planted.c '#include "task/task.h"' 'higher layer: task/task.h'
	planted stack/planted.h '  #  include "io/file.h"' 'higher layer: io/file.h'
	planted base/planted.c '#include <region/region.h>' 'higher layer: region/region.h'
	planted io/planted.c '#include "runtime.h"' 'higher layer: runtime.h'
}

# Nothing hides behind a relative path, a .c file or a folder that is no layer.
evasion_is_found() {
	planted base/planted.c '#include "../task/task.h"' 'relative path'
	planted base/planted.c '#include "run/../io/file.h"' 'relative path'
	planted run/planted.c '#include "base/lock.c"' '.c file'
	planted base/planted.c '#include "util/list.h"' 'no layer: util/list.h'
	planted util/planted.c '#include "base/lock.h"' 'is in no layer'
}

# The own layer (by its short name too), lower ones, the public headers and the system's are legal, and for runtime.c
# everything is.
legal_is_not() {
	mkdir -p "$scratch/runtime/run" "$scratch/runtime/io"
	printf '#include "%s"\n' sley.h sley/introspect.h base/lock.h task/task.h >"$scratch/runtime/run/legal.c"
	printf '#include "%s"\n' io/file.h task/task.h >"$scratch/runtime/runtime.c"
	touch "$scratch/runtime/io/file.h"
	printf '#include %s\n' '"file.h"' '<sched.h>' '<sys/epoll.h>' >"$scratch/runtime/io/legal.c"
	expect 0 tests/check_layers.sh "$scratch/runtime"
}

# The objects keep them too, and no two files of a layer call each other in a circle.
runtime_has_no_circles() {
	expect 0 tests/check_symbols.sh "$SLEY_BUILD/obj/runtime"
	expect 0 tests/check_symbols.sh "$SLEY_BUILD/debug/runtime"
}

# planted_object NAME TEXT: a source of that name with this code, and its object.
planted_object() {
	mkdir -p "$(dirname "$scratch/objects/$1")" "$(dirname "$scratch/sources/$1")"
	echo "$2" >"$scratch/sources/$1.c"
	${CC:-cc} -c -o "$scratch/objects/$1.o" "$scratch/sources/$1.c"
}

# A reference to a higher layer is found that no include tells of, and so is a circle, also by way of a third file.
references_are_found() {
	planted_object base/low 'void up(void); void low(void) { up(); }'
	planted_object task/high 'void up(void) {}'
	expect 1 tests/check_symbols.sh "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "base/low refers to up of the higher layer task"
	rm -r "$scratch/objects"

	planted_object run/a 'void b(void); void a(void) { b(); }'
	planted_object run/b 'void c(void); void b(void) { c(); }'
	planted_object run/c 'extern int word; void c(void) { word = 1; }'
	planted_object run/d 'void a(void); void d(void) { a(); }'
	planted_object run/e 'int word;'
	expect 0 tests/check_symbols.sh "$scratch/objects" "$scratch/sources"
	planted_object run/c 'void a(void); extern int word; void c(void) { if (word++) a(); }'
	expect 1 tests/check_symbols.sh "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "run/c refers to a of run/a"
	! grep -q run/d "$scratch/report" || fail "run/d is in no circle"

	rm "$scratch/sources/run/c.c" # what it was compiled to is left over
	expect 0 tests/check_symbols.sh "$scratch/objects" "$scratch/sources"
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
	expect 0 tests/check_symbols.sh "$scratch/objects" "$scratch/sources"

	planted_object io/a '__attribute__((always_inline))
static inline int inlined(void) { return 2; }
int a(void) { return inlined(); }'
	expect 1 tests/check_symbols.sh "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "inlined is the name of something in"
	planted_object io/a 'static int variable; int *of_a(void) { return &variable; }'
	expect 1 tests/check_symbols.sh "$scratch/objects" "$scratch/sources" >"$scratch/report"
	contains "$scratch/report" "variable is the name of something in"
}

run_suite runtime_keeps_layers upward_is_found evasion_is_found legal_is_not runtime_has_no_circles references_are_found \
	names_are_unique
