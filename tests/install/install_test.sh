# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# What `make install` puts where, and that a service can be built from it with nothing but pkg-config.

. tests/check/suite.sh

root=$scratch/root
prefix=/opt/sley
lib=$root$prefix/lib
export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root

# names FILE: the global symbols that it defines, a line each.
names() {
	nm -g --defined-only --format=posix $2 "$1" | awk 'NF > 1 && $2 != "A" { sub(/@.*/, "", $1); print $1 }' | sort -u
}

# public_names: the functions that sley.h declares as API.
public_names() {
	echo '#include <sley.h>' | ${CC:-gcc} -E -P -x c -DSLEY_API=@API@ -Iinclude - | tr -d '\n' |
		tr ';{}' '\n' | grep -o '@API@.*' | grep -o 'sley_[a-z0-9_]*(' | tr -d '(' | sort -u
}

# none PATTERN: fails if a line of the input matches.
none() {
	! grep -e "$1" || fail "there should be no '$1'"
}

# The whole list: nothing is missing, nothing else is there.
files() {
	(cd "$root" && find . ! -type d | sort) >"$scratch/found"
	{
		(cd include && find sley -name '*.h' | sed "s|^|.$prefix/include/|")
		(cd tools/man && ls *.7 | sed "s|^|.$prefix/share/man/man7/|")
		awk -v names=1 -f tools/man/pages.awk include/sley.h $(ls include/sley/*.h | grep -v introspect) |
			sed "s|^|.$prefix/share/man/man3/|"
	} >"$scratch/sub"
	sort - "$scratch/sub" >"$scratch/expected" <<-END
		.$prefix/bin/asynctop
		.$prefix/include/sley.h
		.$prefix/lib/libsley-debug.a
		.$prefix/lib/libsley-debug.so
		.$prefix/lib/libsley-debug.so.0
		.$prefix/lib/libsley-debug.so.0.1.0
		.$prefix/lib/libsley-posix.so
		.$prefix/lib/libsley-posix.so.0
		.$prefix/lib/libsley-posix.so.0.1.0
		.$prefix/lib/libsley.a
		.$prefix/lib/libsley.so
		.$prefix/lib/libsley.so.0
		.$prefix/lib/libsley.so.0.1.0
		.$prefix/lib/libsley_assist.so.0
		.$prefix/lib/pkgconfig/sley-debug.pc
		.$prefix/lib/pkgconfig/sley-posix.pc
		.$prefix/lib/pkgconfig/sley.pc
		.$prefix/share/man/man1/asynctop.1
		.$prefix/share/sley/sley-gdb.py
		.$prefix/share/sley/sley_core.py
	END
	diff "$scratch/expected" "$scratch/found"
}

# A program that needs most of the runtime.
source_text='#include <stdio.h>
#include <sley.h>

static struct sley_chan *items;

/* A name that the runtime might use too: it must not clash. */
int context_switch(void) { return 1; }
int task_new(void) { return 1; }
int slot_acquire(void) { return 1; }

static void producer(void *arg)
{
	for (int i = 1; i <= 10; i++)
		sley_chan_send(items, &i, SLEY_NEVER);
	sley_chan_close(items);
}

static int service(void *arg)
{
	int item, sum = 0;

	sley_chan_new(&items, sizeof(int), 0);
	sley_go(producer, NULL);
	while (sley_chan_recv(items, &item, SLEY_NEVER) == 0)
		sum += item;
	return sum;
}

int main(void)
{
	int sum = 0, error = sley_run(service, NULL, NULL, &sum);

	printf("%d %d\n", error, sum);
	return 0;
}'

# build FLAGS...: builds it in $scratch.
build() {
	echo "$source_text" >"$scratch/service.c"
	${CC:-gcc} -O2 -o "$scratch/service" "$scratch/service.c" "$@"
}

# The shared library by its soname, and it works.
shared() {
	build $(pkg-config --cflags --libs sley)
	readelf -d "$scratch/service" | grep -q 'NEEDED.*\[libsley\.so\.0\]'
	[ "$(LD_LIBRARY_PATH=$lib "$scratch/service")" = "0 55" ]
}

# A static program needs nothing.
static() {
	build -static $(pkg-config --static --cflags --libs sley)
	[ "$(env -u LD_LIBRARY_PATH "$scratch/service")" = "0 55" ]
	readelf -d "$scratch/service" | none NEEDED
}

# libsley.a into a dynamic program: beside libc, nothing.
archive() {
	build $(pkg-config --cflags sley) "$lib/libsley.a" -pthread
	[ "$("$scratch/service")" = "0 55" ]
	readelf -d "$scratch/service" | sed '/libc\.so/d' | none NEEDED
}

# The libraries define all that sley.h declares, and globally nothing else.
symbols() {
	public_names >"$scratch/public"
	[ "$(wc -l <"$scratch/public")" -ge 30 ] || fail "only these are in sley.h: $(cat "$scratch/public")"
	names "$lib/libsley.so" -D >"$scratch/shared"
	names "$lib/libsley.a" "" >"$scratch/static"
	diff "$scratch/public" "$scratch/shared"
	diff "$scratch/public" "$scratch/static"
}

# The debug libraries define the same, and the locks of libc.
debug_symbols() {
	local kind
	public_names >"$scratch/public"
	names "$lib/libsley-debug.so" -D >"$scratch/shared"
	names "$lib/libsley-debug.a" "" >"$scratch/static"
	for kind in shared static; do
		grep -v '^pthread_\|^mtx_\|^__cxa_guard_' "$scratch/$kind" | diff "$scratch/public" -
		grep '^pthread_\|^mtx_\|^__cxa_guard_' "$scratch/$kind" >"$scratch/$kind-locks"
		contains "$scratch/$kind-locks" pthread_mutex_lock
	done
	diff "$scratch/shared-locks" "$scratch/static-locks"
}

# A program that is linked with either says that it waits with a mutex held.
debug() {
	local source_text='#include <pthread.h>
#include <sley.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int service(void *arg)
{
	pthread_mutex_lock(&mutex);
	sley_yield();
	return pthread_mutex_unlock(&mutex);
}

int main(void)
{
	int result = 1;

	return sley_run(service, NULL, NULL, &result) || result;
}'
	build $(pkg-config --cflags --libs sley)
	LD_LIBRARY_PATH=$lib "$scratch/service" 2>"$scratch/said"
	[ ! -s "$scratch/said" ] || fail "the normal library says $(cat "$scratch/said")"
	build $(pkg-config --cflags --libs sley-debug)
	LD_LIBRARY_PATH=$lib "$scratch/service" 2>"$scratch/said"
	contains "$scratch/said" "waits at service+"
	build $(pkg-config --cflags sley-debug) "$lib/libsley-debug.a" -pthread
	"$scratch/service" 2>"$scratch/said"
	contains "$scratch/said" "waits at service+"
}

# A service that knows libc alone: on one worker the reader has to let the writer run. By LD_PRELOAD, and linked.
posix() {
	local source_text='#include <stdio.h>
#include <unistd.h>
#include <sley.h>

static int fds[2];

static void writer(void *arg)
{
	if (write(fds[1], "x", 1) != 1)
		_exit(1);
}

static int service(void *arg)
{
	char byte;

	alarm(20);
	return pipe(fds) || sley_go(writer, NULL) || read(fds[0], &byte, 1) != 1;
}

int main(void)
{
	struct sley_options one = { .size = sizeof(one), .workers = 1 };
	int result = 1;

	return sley_run(service, NULL, &one, &result) || result;
}'
	export SLEY_ASSIST=off
	build $(pkg-config --cflags --libs sley)
	LD_LIBRARY_PATH=$lib LD_PRELOAD=libsley-posix.so.0 "$scratch/service"
	build $(pkg-config --cflags --libs sley-posix)
	readelf -d "$scratch/service" | grep -q 'NEEDED.*\[libsley-posix\.so\.0\]'
	LD_LIBRARY_PATH=$lib "$scratch/service"
}

# It has a soname, stays loaded, and needs libsley and libc. Beside what sley/posix.h declares it defines the functions of
# libc that are named there, and those of locks.
posix_library() {
	readelf -d "$lib/libsley-posix.so" >"$scratch/dynamic"
	contains "$scratch/dynamic" "soname: [libsley-posix.so.0]"
	contains "$scratch/dynamic" NODELETE
	contains "$scratch/dynamic" "[libsley.so.0]"
	sed '/libsley\.so\|libc\.so\|ld-linux/d' "$scratch/dynamic" | none NEEDED
	names "$lib/libsley-posix.so" -D >"$scratch/defined"
	echo '#include <sley/posix.h>' | ${CC:-gcc} -E -P -x c -DSLEY_API=@API@ -Iinclude - | tr -d '\n' | tr ';{}' '\n' |
		grep -o '@API@.*' | grep -o 'sley_posix_[a-z0-9_]*(' | tr -d '(' | sort -u >"$scratch/declared"
	grep '^sley_' "$scratch/defined" | diff "$scratch/declared" -
	grep -v '^sley_\|^pthread_\|^mtx_\|^call_once$' "$scratch/defined" >"$scratch/names"
	[ "$(wc -l <"$scratch/names")" -ge 20 ] || fail "only these are defined: $(cat "$scratch/names")"
	while read -r name; do
		grep -qw -- "$name" include/sley/posix.h || fail "$name is not documented in sley/posix.h"
	done <"$scratch/names"
}

# Where the program contains the archive, there is no effect, and a line says so.
posix_archive() {
	build $(pkg-config --cflags sley) "$lib/libsley.a" -pthread
	[ "$(LD_LIBRARY_PATH=$lib LD_PRELOAD=libsley-posix.so.0 "$scratch/service" 2>"$scratch/said")" = "0 55" ]
	contains "$scratch/said" "two copies of sley, in the program and in $lib/libsley.so.0"
	build $(pkg-config --cflags sley) "$lib/libsley.a" -pthread -rdynamic
	[ "$(LD_LIBRARY_PATH=$lib LD_PRELOAD=libsley-posix.so.0 "$scratch/service" 2>"$scratch/said")" = "0 55" ]
	contains "$scratch/said" "libsley-posix has no effect: the program contains libsley.a"
}

# The soname; it is never unloaded; libc is all that it needs; no stack of it is executable.
library() {
	readelf -d "$lib/libsley.so" >"$scratch/dynamic"
	contains "$scratch/dynamic" "soname: [libsley.so.0]"
	contains "$scratch/dynamic" NODELETE
	sed '/libc\.so\|ld-linux/d' "$scratch/dynamic" | none NEEDED
	none TEXTREL <"$scratch/dynamic"
	readelf -lW "$lib/libsley.so" | grep 'GNU_STACK.* RW '
}

# A program built with branch targets enforced keeps that: each object of assembly says that it may run so.
branch_targets() {
	local file
	[ "$(uname -m)" = x86_64 ] || skip "the notes are looked at on x86-64"
	for file in runtime/context/*.S; do
		${CC:-gcc} -fcf-protection -Iruntime -c -o "$scratch/object.o" "$file"
		readelf -n "$scratch/object.o" >"$scratch/notes"
		contains "$scratch/notes" "x86 feature: IBT"
		none SHSTK <"$scratch/notes"
	done
}

# Every binary: its tables are read-only once it is relocated, which is before it runs; its stack cannot be executed;
# arrays on the stack have canaries, and calls of libc that are told their size check it. The tool's addresses are random.
hardened() {
	local file
	for file in "$lib/libsley.so" "$lib/libsley-debug.so" "$root$prefix/bin/asynctop"; do
		readelf -lW "$file" >"$scratch/segments"
		contains "$scratch/segments" GNU_RELRO
		grep -q 'GNU_STACK.* RW ' "$scratch/segments" || fail "$(cat "$scratch/segments")"
		readelf -dW "$file" | grep -q 'FLAGS_1.*NOW' || fail "$file binds lazily"
		readelf -hW "$file" | grep -q 'Type: *DYN' || fail "$file has a fixed address"
		nm -D --undefined-only "$file" >"$scratch/undefined"
		contains "$scratch/undefined" __stack_chk_fail
		contains "$scratch/undefined" __snprintf_chk
		[ "$(uname -m)" != x86_64 ] || objdump -d --no-show-raw-insn "$file" >"$scratch/code"
		[ "$(uname -m)" != x86_64 ] || [ "$(grep -c endbr64 "$scratch/code")" -gt 100 ] || fail "no branch targets in $file"
	done
}

# The libraries can be installed where there is neither clang nor bpftool, and a sanitized one beside the normal one.
libraries_alone() {
	commands() {
		make -n BUILD="$scratch/build" "$@" install-lib DESTDIR=/nowhere | grep -v '/flags\|/sources' |
			sed "s|'/nowhere'|/nowhere|" >"$scratch/commands"
	}
	commands CC=gcc
	contains "$scratch/commands" /nowhere/usr/local/lib/libsley.so.0.1.0
	none 'clang\|bpftool\|\.bpf\|lbpf\|llvm\|asynctop' <"$scratch/commands"
	for suffix in "address,undefined asan" "undefined ubsan" "thread tsan"; do
		set -- $suffix
		commands CC=clang SANITIZE="$1"
		contains "$scratch/commands" "-soname,libsley-$2.so.0 "
		contains "$scratch/commands" "/nowhere/usr/local/lib/libsley-$2.a"
		contains "$scratch/commands" "/nowhere/usr/local/lib/pkgconfig/sley-$2.pc"
		contains "$scratch/commands" "-lsley-$2 -fsanitize=$1'"
		none 'lib/libsley\.\|lib/pkgconfig/sley\.pc\|libsley-debug' <"$scratch/commands"
	done
}

# What was installed goes, and what is not ours stays.
uninstall() {
	local copy=$scratch/copy
	cp -r "$root" "$copy"
	touch "$copy$prefix/bin/other" "$copy$prefix/include/sley/other.h"
	make -s uninstall DESTDIR="$copy" PREFIX="$prefix"
	[ "$(cd "$copy" && find . ! -type d | sort | tr '\n' ' ')" = \
		".$prefix/bin/other .$prefix/include/sley/other.h " ] || fail "$(find "$copy" ! -type d)"
	[ ! -e "$copy$prefix/share/sley" ] || fail "a directory of ours is left"
	make -s uninstall DESTDIR="$copy" PREFIX="$prefix"
}

# Who installs with a mask for oneself alone installs for all; and DESTDIR may have spaces.
anybody() {
	local copy="$scratch/a copy"
	(umask 077 && make -s install-lib DESTDIR="$copy" PREFIX="$prefix" BUILD="$build" WERROR=1) >"$scratch/make" 2>&1 ||
		fail "$(cat "$scratch/make")"
	contains "$copy$prefix/lib/pkgconfig/sley.pc" "prefix=$prefix"
	[ -z "$(find "$copy$prefix" ! -perm -o=r)" ] || fail "not for all: $(find "$copy$prefix" ! -perm -o=r)"
	make -s uninstall DESTDIR="$copy" PREFIX="$prefix"
	[ -z "$(find "$copy" ! -type d)" ] || fail "left: $(find "$copy" ! -type d)"
}

# Built in another directory, everything has the same bytes.
reproducible() {
	local file copy="$scratch/a copy"
	[ "$build" != "$SLEY_BUILD" ] || skip "the build is outside of the tree"
	mkdir "$copy"
	cp -r Makefile include runtime bpf tools "$copy"
	make -s -j"$(nproc)" -C "$copy" WERROR=1 BUILD="$build" "$build/libsley.a" "$build/libsley.so" "$build/asynctop" \
		>"$scratch/make" 2>&1 || fail "$(cat "$scratch/make")"
	for file in libsley.a libsley.so bpf/blocked.bpf.o asynctop; do
		cmp "$SLEY_BUILD/$file" "$copy/$build/$file" || fail "$file differs"
	done
}

# So do objects with debug information, which names directories, and which packagers build.
reproducible_debug() {
	local directory file=runtime/dump.o
	for directory in a b/longer; do
		mkdir -p "$scratch/$directory"
		cp -r Makefile include runtime bpf tools "$scratch/$directory"
		CCACHE_DISABLE=1 make -s -C "$scratch/$directory" BUILD=build CFLAGS="-O2 -g" "build/obj/$file" >"$scratch/make" 2>&1 ||
			fail "$(cat "$scratch/make")"
		readelf -S "$scratch/$directory/build/obj/$file" >"$scratch/sections"
		contains "$scratch/sections" .debug_line
	done
	cmp "$scratch/a/build/obj/$file" "$scratch/b/longer/build/obj/$file" || fail "$file differs"
}

# The tool starts from there.
tool() {
	"$root$prefix/bin/asynctop" --help >"$scratch/help"
	contains "$scratch/help" "asynctop"
}

build=${SLEY_BUILD#"$PWD"/}
make -s install DESTDIR="$root" PREFIX="$prefix" BUILD="$build" WERROR=1 >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	exit 1
}
run_suite files shared static archive symbols debug_symbols debug posix posix_library posix_archive library branch_targets hardened \
	libraries_alone uninstall anybody reproducible reproducible_debug tool
