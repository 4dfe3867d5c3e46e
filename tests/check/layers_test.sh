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
	planted base/planted.c '#include "sched/task.h"' 'higher layer: sched/task.h'
	planted stack/planted.h '  #  include "io/file.h"' 'higher layer: io/file.h'
	planted base/planted.c '#include <region/region.h>' 'higher layer: region/region.h'
	planted io/planted.c '#include "runtime.h"' 'higher layer: runtime.h'
}

# Nothing hides behind a relative path, a .c file or a folder that is no layer.
evasion_is_found() {
	planted base/planted.c '#include "../sched/task.h"' 'relative path'
	planted base/planted.c '#include "sched/../io/file.h"' 'relative path'
	planted sched/planted.c '#include "base/lock.c"' '.c file'
	planted base/planted.c '#include "util/list.h"' 'no layer: util/list.h'
	planted util/planted.c '#include "base/lock.h"' 'is in no layer'
}

# The own layer (by its short name too), lower ones, the public headers and the system's are legal, and for runtime.c
# everything is.
legal_is_not() {
	mkdir -p "$scratch/runtime/sched" "$scratch/runtime/io"
	printf '#include "%s"\n' sley.h sley/introspect.h base/lock.h sched/task.h >"$scratch/runtime/sched/legal.c"
	printf '#include "%s"\n' io/file.h sched/task.h >"$scratch/runtime/runtime.c"
	touch "$scratch/runtime/io/file.h"
	printf '#include %s\n' '"file.h"' '<sched.h>' '<sys/epoll.h>' >"$scratch/runtime/io/legal.c"
	expect 0 tests/check_layers.sh "$scratch/runtime"
}

run_suite runtime_keeps_layers upward_is_found evasion_is_found legal_is_not
