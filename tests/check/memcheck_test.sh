# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Services can run under memcheck when they are built with VALGRIND=1: it has nothing to say of stacks that are copied,
# and names the line of a mistake in a task. Without the hooks every copy to a stack is reported.

. tests/check/suite.sh

build=${SLEY_BUILD#"$PWD"/}/valgrind
planted=tests/unit/stack/memcheck.planted

# Builds the planted service.
prepare() {
	command -v valgrind >/dev/null || skip "there is no valgrind"
	make VALGRIND=1 WERROR=1 BUILD="$build" "$build/$planted" >"$scratch/make" 2>&1 || fail "$(cat "$scratch/make")"
}

# memcheck STATUS HOW: runs the planted service, whose status shall be that; what was said is in $scratch/said. The
# threads take fair turns, as one that spins keeps the others out else.
memcheck() {
	local status=0
	valgrind --fair-sched=yes --error-exitcode=9 --leak-check=full "$build/$planted" "$2" >"$scratch/said" 2>&1 ||
		status=$?
	[ "$status" = "$1" ] || fail "exit code $status instead of $1: $(head -n 100 "$scratch/said")"
}

# reports TEXT MARKER: one report in all, of that kind, in the task's function at the line of the marker; and the chain
# of callers ends where the task began.
reports() {
	local line
	line=$(grep -nF "/* the $2 */" "$planted.c" | cut -d : -f 1)
	[ -n "$line" ] || fail "no such marker"
	contains "$scratch/said" "ERROR SUMMARY: 1 errors from 1 contexts"
	grep -F -A 3 "$1" "$scratch/said" >"$scratch/report" || fail "$(cat "$scratch/said")"
	sed -n 2p "$scratch/report" >"$scratch/place"
	contains "$scratch/place" "(memcheck.planted.c:$line)"
	contains "$scratch/report" ": task_main ("
	contains "$scratch/report" ": context_entry ("
}

# Nothing is reported, and nothing leaked, of tasks that are copied and migrate; nor with private and strict stacks.
clean() {
	prepare
	memcheck 0 clean
	contains "$scratch/said" "ERROR SUMMARY: 0 errors from 0 contexts"
	contains "$scratch/said" "All heap blocks were freed"
	contains "$scratch/said" " migrations"
	! grep -q '^0 migrations' "$scratch/said" || fail "no task changed its worker"
}

# What memcheck knows of a byte that was never written is moved with it to an image and back.
uninitialised_stack() {
	prepare
	memcheck 9 uninitialised
	reports "Conditional jump or move depends on uninitialised value(s)" "uninitialised value"
}

freed_block() {
	prepare
	memcheck 9 freed
	reports "Invalid read of size 4" "freed block"
}

# requests ARCHIVE: how many requests to Valgrind are in it: rotations that amount to nothing.
requests() {
	objdump -d --no-show-raw-insn "$1" | grep -cE 'rol +\$0x33,%rdi' || :
}

# Other builds have no trace of it.
only_when_asked() {
	[ "$(uname -m)" = x86_64 ] || skip "knows the requests of x86-64 alone"
	prepare
	[ "$(requests "$build/libsley.a")" -gt 0 ] || fail "the requests are not found"
	[ "$(requests "$SLEY_BUILD/libsley.a")" = 0 ] || fail "requests to Valgrind in the ordinary library"
}

run_suite clean uninitialised_stack freed_block only_when_asked
