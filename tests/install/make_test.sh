# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The Makefile itself: that it parses with make alone, what `make deps` does where, and that it rebuilds what it must.

. tests/check/suite.sh

build=${SLEY_BUILD#"$PWD"/}

# fake NAME TEXT: a program of that name in $scratch/bin, which says that it was called, and does TEXT.
fake() {
	mkdir -p "$scratch/bin"
	cat >"$scratch/bin/$1" <<-END
		#!/bin/sh
		printf '%s\n' "$1 \$*" >>$scratch/called
		$2
	END
	chmod 755 "$scratch/bin/$1"
}

# real NAME...: these programs in $scratch/bin as they are.
real() {
	local name
	mkdir -p "$scratch/bin"
	for name in "$@"; do
		ln -sf "$(command -v "$name")" "$scratch/bin/$name"
	done
}

called() {
	[ ! -e "$scratch/called" ] || cat "$scratch/called"
}

# deps [COMMAND...]: `make deps` of a bare copy of the Makefile, with the programs of $scratch/bin only, by COMMAND.
# Its output is in $scratch/output.
deps() {
	mkdir "$scratch/tree"
	cp Makefile "$scratch/tree"
	chmod 755 "${scratch%/*}" "$scratch" "$scratch/tree"
	touch "$scratch/called"
	chmod 666 "$scratch/called"
	real make id grep sh
	"$@" env PATH="$scratch/bin" make -C "$scratch/tree" deps >"$scratch/output" 2>&1
}

as_nobody() {
	[ "$(id -u)" != 0 ] || set -- setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	"$@"
}

# Parsing starts no program: not a compiler, not pkg-config, nothing.
parses_with_make_alone() {
	local name
	for name in gcc cc clang pkg-config bpftool uname find ls dpkg-query nproc; do
		fake $name 'exit 1'
	done
	real make
	PATH=$scratch/bin expect 0 make -n clean >"$scratch/output" 2>&1
	[ "$(cat "$scratch/output")" = "rm -rf build" ] || fail "$(cat "$scratch/output")"
	[ -z "$(called)" ] || fail "called: $(called)"
}

# All there: dpkg is asked, and nothing else is done or said.
deps_without_need() {
	fake dpkg-query 'echo installed'
	fake apt-get 'exit 1'
	fake sudo 'exit 1'
	expect 0 deps
	[ -z "$(grep -v '^dpkg-query -W -f ' "$scratch/called")" ] || fail "called: $(called)"
	[ -z "$(grep -v 'directory' "$scratch/output")" ] || fail "$(cat "$scratch/output")"
}

# A package that was removed but left its configuration is missing.
deps_of_removed() {
	fake dpkg-query 'echo config-files'
	expect 2 deps as_nobody
	contains "$scratch/output" "apt-get install"
}

# Somebody who is neither root nor has sudo is told the command, and it fails.
deps_without_rights() {
	fake dpkg-query '[ "$4" = gcc ] && echo installed'
	fake apt-get 'exit 1'
	expect 2 deps as_nobody
	contains "$scratch/output" "Error 1"
	contains "$scratch/output" "apt-get update && apt-get install -y --no-install-recommends libc6-dev clang"
	! grep apt-get "$scratch/called" || fail "apt-get was called"
}

# By sudo, just what is missing.
deps_by_sudo() {
	fake dpkg-query '[ "$4" != llvm ] && echo installed'
	fake sudo 'exit 0'
	expect 0 deps as_nobody
	contains "$scratch/called" "sudo apt-get update"
	contains "$scratch/called" "apt-get install -y --no-install-recommends llvm"
}

# By root, without sudo; a failure of apt is one of make.
deps_by_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	fake dpkg-query '[ "$4" != llvm ] && echo installed'
	fake apt-get '[ "$1" = update ]'
	real env
	expect 2 deps
	contains "$scratch/called" "apt-get install -y --no-install-recommends llvm"
	contains "$scratch/output" "run it by hand"
}

# Each option has a directory of its own.
variants() {
	local directory options
	cp Makefile "$scratch"
	while read -r directory options; do
		make -s -C "$scratch" $options "$directory/flags" || fail "$options does not build in $directory"
	done <<-END
		build
		build/clang CC=clang
		build/gcc-ucontext CONTEXT=ucontext
		build/clang-ucontext CC=clang CONTEXT=ucontext
		build/gcc-address-undefined SANITIZE=address,undefined
		build/clang-thread SANITIZE=thread CC=clang-14
		build/gcc-debug DEBUG=1
		build/gcc-aarch64 CROSS=aarch64-linux-gnu-
	END
	expect 2 make -n CONTEXT=other clean
}

# Nothing is built twice, and a changed header rebuilds what includes it, and that only.
rebuilds() {
	make -n BUILD="$build" WERROR=1 >"$scratch/again"
	! grep -e ' -o ' "$scratch/again" | cut -c 1-80 | head -n 3 | grep . || fail "this would be built again"
	make -n BUILD="$build" WERROR=1 -W bpf/events.h | grep -e ' -o ' >"$scratch/events"
	contains "$scratch/events" "bpf/blocked.bpf.c"
	contains "$scratch/events" "-o $build/asynctop "
	! grep -e '-o .*runtime/.*\.c$' "$scratch/events" || fail "the runtime does not include events.h"
}

# commands OPTION...: how everything would be compiled and linked, in $scratch/commands.
commands() {
	env "$@" make -n BUILD="$scratch/build" all | grep -v 'mkdir -p' >"$scratch/commands"
	[ "$(grep -c ' -c -o ' "$scratch/commands")" -gt 100 ]
}

# CPPFLAGS, CFLAGS and LDFLAGS of the environment are in every command that they are for.
flags_from_environment() {
	commands CPPFLAGS=-DTHE_CPP CFLAGS=-DTHE_C LDFLAGS=-Wl,--the-ld
	! grep -e ' -c -o ' "$scratch/commands" | grep -v -e '-target bpf' | grep -v -e ' -DTHE_CPP -DTHE_C ' ||
		fail "compiled without them"
	grep -E -e ' (-shared|-pie) ' "$scratch/commands" >"$scratch/links"
	[ "$(wc -l <"$scratch/links")" -ge 5 ]
	[ "$(grep -c -e ' -Wl,--the-ld' "$scratch/commands")" = "$(wc -l <"$scratch/links")" ] || fail "linked without them"
}

# _FORTIFY_SOURCE is given where it works, once.
fortified() {
	commands CFLAGS=-O2
	[ "$(grep -c -e '-D_FORTIFY_SOURCE=3' "$scratch/commands")" = "$(grep -e ' -c -o ' "$scratch/commands" |
		grep -vc -e '-target bpf')" ]
	commands CFLAGS=-O2 CPPFLAGS=-D_FORTIFY_SOURCE=2
	! grep -q -e '-D_FORTIFY_SOURCE=3' "$scratch/commands" || fail "over the packager's"
	commands CFLAGS="-O2 -O0"
	! grep -q -e '-D_FORTIFY_SOURCE' "$scratch/commands" || fail "without optimisation"
	make -n BUILD="$scratch/build" CC=gcc SANITIZE=address libs >"$scratch/commands"
	! grep -q -e '-D_FORTIFY_SOURCE' "$scratch/commands" || fail "with a sanitizer"
}

# A path with spaces may lead to the tree; where they cannot be it is said, and so of a relative prefix.
spaces() {
	mkdir "$scratch/a tree"
	cp -r Makefile include runtime "$scratch/a tree"
	make -s -C "$scratch/a tree" CC="${CC:-gcc}" build/obj/runtime/base/text.o
	expect 2 make BUILD="$scratch/a build" libs >"$scratch/output" 2>&1
	contains "$scratch/output" "no spaces in BUILD"
	expect 2 make PREFIX="$scratch/a prefix" install >"$scratch/output" 2>&1
	contains "$scratch/output" "no spaces in BUILD, PREFIX"
	expect 2 make -n PREFIX=here install >"$scratch/output" 2>&1
	contains "$scratch/output" "PREFIX=here: it and the other directories of the installation begin with /"
	make -n BUILD="$scratch/build" PREFIX= install >"$scratch/output"
	contains "$scratch/output" "prefix=' 'libdir=/lib'"
}

# Where the files are named in which every instruction counts, a name that fits none is refused; not without the tree.
hot_paths() {
	mkdir "$scratch/tree"
	cp -r Makefile runtime "$scratch/tree"
	rm -r "$scratch/tree/runtime/sync"
	expect 2 make -C "$scratch/tree" -n clean >"$scratch/output" 2>&1
	contains "$scratch/output" "hot: there is no runtime/sync/%"
	rm -r "$scratch/tree/runtime"
	expect 0 make -C "$scratch/tree" -n clean >"$scratch/output"
}

# With -flto the libraries have the same symbols, and the archive is machine code, for all to link with; and a test that
# is linked so passes.
link_time() {
	make -s -j"$(nproc)" BUILD="$scratch/lto" CC=gcc AR=gcc-ar CFLAGS="-O1 -flto=auto" LDFLAGS=-flto=auto WERROR=1 \
		"$scratch/lto/libsley.a" "$scratch/lto/libsley.so" "$scratch/lto/tests/unit/life/shield" >"$scratch/make" 2>&1 ||
		fail "$(cat "$scratch/make")"
	# its own report is not this one's
	"$scratch/lto/tests/unit/life/shield" >"$scratch/report" 2>&1 || fail "shield: $(grep -v '^\[' "$scratch/report")"
	nm -g --defined-only "$scratch/lto/libsley.a" >"$scratch/names"
	[ "$(grep -c ' T sley_' "$scratch/names")" -gt 100 ] || fail "$(cat "$scratch/names")"
	! grep ' [A-Z] ' "$scratch/names" | grep -v ' sley_' || fail "names of the runtime's own"
	make -n BUILD="$scratch/clang" CC=clang CFLAGS="-O2 -flto=thin" LDFLAGS="-flto=thin -fuse-ld=lld" \
		"$scratch/clang/libsley.a" | grep -- '-r -nostdlib' >"$scratch/commands"
	contains "$scratch/commands" "-fuse-ld=lld -flto=thin"
}

# Every function with an array on its stack has a canary, where the binaries alone would show that some have.
protected() {
	commands CFLAGS=-O2
	grep -e ' -c -o ' "$scratch/commands" | grep -v -e '-target bpf' >"$scratch/compiled"
	! grep -v -e ' -fstack-protector-strong ' "$scratch/compiled" | cut -c 1-300 | grep . || fail "compiled without"
}

run_suite parses_with_make_alone deps_without_need deps_of_removed deps_without_rights deps_by_sudo deps_by_root variants \
	rebuilds flags_from_environment fortified protected spaces hot_paths link_time
