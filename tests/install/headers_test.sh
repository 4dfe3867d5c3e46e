# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The public headers, as services include them: in each standard of C and C++, with the warnings that their builds may
# ask for; and what their macros become there.

. tests/check/suite.sh

warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wcast-qual -Wshadow -Wundef -Werror"
of_c="-Wstrict-prototypes -Wmissing-prototypes"
of_cxx="-Wold-style-cast -Wnon-virtual-dtor"

# compiles LANGUAGE STANDARD FILE: both compilers take it, and warn of nothing.
compiles() {
	local compiler more=$of_c
	[ "$1" = c ] || more=$of_cxx
	for compiler in gcc clang; do
		$compiler -x $1 -std=$2 $warnings $more -Iinclude -fsyntax-only "$3" || fail "$compiler -std=$2"
	done
}

# Each header stands alone in strict C and in C++, without GNU's extensions of the language or of the library; and all of
# them together in every standard.
alone() {
	local header standard
	for header in sley.h $(cd include && echo sley/*.h); do
		printf '#include <%s>\n' "$header" >"$scratch/header.c"
		compiles c c99 "$scratch/header.c"
		compiles c++ c++11 "$scratch/header.c"
	done
	printf '#include <%s>\n' sley.h sley/introspect.h >"$scratch/header.c"
	for standard in c11 c17 c2x gnu99 gnu11; do
		compiles c $standard "$scratch/header.c"
	done
	for standard in c++14 c++17 c++20 gnu++17; do
		compiles c++ $standard "$scratch/header.c"
	done
}

# Every macro, in both languages: a service's code that uses it warns of nothing either.
macros() {
	cat >"$scratch/macros.c" <<'EOF'
#include <sley.h>
static struct sley_mutex mutex = SLEY_MUTEX_INIT;
static struct sley_cond cond = SLEY_COND_INIT;
static struct sley_rwlock rwlock = SLEY_RWLOCK_INIT;
static struct sley_sem sem = SLEY_SEM_INIT(3);
static struct sley_once once = SLEY_ONCE_INIT;
static struct sley_group group = SLEY_GROUP_INIT;
static struct sley_barrier barrier = SLEY_BARRIER_INIT(2);
static struct sley_event event = SLEY_EVENT_INIT;
static const sley_time times[] = { SLEY_US(1), SLEY_MS(2.5), SLEY_SEC(1u), SLEY_NEVER };
static void task(void *arg) { (void)arg; }
static int child(void *arg) { return arg != NULL; }
static int async(void *arg, void *result) { return arg != result; }
static int then(void *arg, int error, const void *value, void *result) { return arg == value && result ? 0 : error; }
static int map(void *arg, const void *value, void *result) { return arg == value && result ? 0 : -EIO; }
static int next(void *arg, const void *value, struct sley_future **future) { return arg == value && future ? 0 : -EIO; }
int use(struct sley_future *f, struct sley_scope *s, struct sley_stream *stream, void *p, size_t n);
int use(struct sley_future *f, struct sley_scope *s, struct sley_stream *stream, void *p, size_t n)
{
	struct sley_gen *gen = NULL;
	sley_task t = sley_spawn(task, p) | sley_spawn_copy(task, p, n);
	int e = sley_go(task, p) | sley_go_copy(task, p, n);
	t |= sley_spawn_with(NULL, task, p, SLEY_BY_POINTER);
	t |= sley_scope_spawn(s, child, p) | sley_scope_spawn_copy(s, child, p, n);
	t |= sley_scope_spawn_with(s, NULL, child, p, n);
	e |= sley_async(&f, async, p, n, sizeof(int)) | sley_future_then(&f, f, then, p, n, n);
	e |= sley_future_map(&f, f, map, p, n, n) | sley_future_and_then(&f, f, next, p, n, n);
	e |= sley_future_timeout(&f, f, sley_in(SLEY_MS(n))) | sley_gen_new(&gen, child, p, n, n);
	e |= sley_stream_buffered(stream, 3, map, p, n, n, NULL) | sley_submit(task, p, n, SLEY_NEVER);
	e |= sley_run(child, p, NULL, NULL) | sley_once(&once, child, p, times[n]);
	e |= sley_mutex_lock(&mutex, 0) | sley_cond_signal(&cond) | sley_rwlock_rdlock(&rwlock, 0);
	e |= sley_sem_acquire(&sem, 1, 0) | sley_group_done(&group) | sley_barrier_wait(&barrier, 0) | sley_event_wait(&event, 0);
	errno = t > 0 || n > SLEY_OFFLOAD_MAX;
	return errno | e;
}
EOF
	local standard
	for standard in c99 c17 c2x gnu11; do
		compiles c $standard "$scratch/macros.c"
	done
	for standard in c++11 c++17 c++20; do
		compiles c++ $standard "$scratch/macros.c"
	done
}

# Durations are constants, a type is known by its name alone, also with parentheses behind it, a lambda can be given, and
# nothing of it warns.
languages() {
	cat >"$scratch/language.c" <<'EOF'
#ifdef __cplusplus
#include <new>
#endif
#include <sley.h>
static const sley_time half = SLEY_SEC(0.5), most = SLEY_SEC(INT64_MAX);
enum { few = SLEY_US(3) };
#ifdef __cplusplus
static sley_once once, zero = sley_once();
struct owner { sley_once once; owner() : once(sley_once()) {} };
static sley_once of_type(sley_once (*fn)()) { return fn ? fn() : sley_once(zero); }
static int run(void)
{
	owner o;
	zero = of_type([] { return sley_once(); });
	sley_once *made = new (&once) sley_once();
	auto named = [](void *) { return 0; };
	return sley_once(made, [](void *) { int i = 1, k[] = { i, 2, 3 }; return k[0] - i; }, NULL, sley_in(SLEY_MS(1.5f))) +
	       sley_once(&zero, named, NULL, 0) + sley_once(&o.once, [](void *) { return 0; }, NULL, 0);
}
int start(void);
int start(void) { return sley_go(([](void *) { int i = 0, j = i; (void)j; }), NULL); }
#else
static struct sley_once once = SLEY_ONCE_INIT;
static int nothing(void *arg) { return arg != NULL; }
static int run(void) { return (&sley_once)(&once, nothing, NULL, sley_in(SLEY_MS(1.5f))); }
#endif
int main(int n, char **arguments)
{
	return half == 500000000 && most == SLEY_NEVER && few == 3000 && SLEY_SEC(n++) == 1000000000 && n == 2 && arguments &&
	       run() < 0 ? 0 : 1;
}
EOF
	cp "$scratch/language.c" "$scratch/language.cc"
	local standard flags="-Wall -Wextra -Wpedantic -Wconversion -Werror -Wno-long-long -D_GNU_SOURCE -Iinclude"
	${CC:-gcc} -std=c99 $flags "$scratch/language.c" -o "$scratch/language" "$SLEY_BUILD/libsley.so"
	LD_LIBRARY_PATH=$SLEY_BUILD "$scratch/language"
	for standard in c++11 c++20; do
		clang -x c++ -std=$standard $flags "$scratch/language.cc" -o "$scratch/language" -x none "$SLEY_BUILD/libsley.so"
		LD_LIBRARY_PATH=$SLEY_BUILD "$scratch/language"
	done
}

run_suite alone macros languages
