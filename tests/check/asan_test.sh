# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Programs that are built with -fsanitize=address and linked with the ordinary library: AddressSanitizer has nothing to
# say of what is right, and names the line and the stack of a mistake in a task. Both compilers, either library.

. tests/check/suite.sh

source=tests/check/asan_service.c

# The sanitizers of this age do not know address spaces as random as some kernels make them.
plain=
! setarch -R true 2>/dev/null || plain="setarch -R"

# build COMPILER LIBRARY: the service as $scratch/service.
build() {
	"$1" -O1 -g -Wall -Werror -fsanitize=address -Iinclude "$source" -o "$scratch/service" "$SLEY_BUILD/$2" \
		-Wl,-rpath,"$SLEY_BUILD" -pthread
}

# service STATUS OPTIONS COMMAND...: runs it with 1, 2 and 4 workers; what was said is in $scratch/said.
service() {
	local expected=$1 options=$2 workers status
	shift 2
	for workers in 1 2 4; do
		status=0
		SLEY_WORKERS=$workers ASAN_OPTIONS=$options timeout 120 $plain "$@" >"$scratch/said" 2>&1 || status=$?
		[ "$status" = "$expected" ] ||
			fail "exit code $status instead of $expected with $workers workers: $(head -n 60 "$scratch/said")"
	done
}

# silent COMMAND...: it says nothing of a sanitizer's, with fake stacks and without.
silent() {
	local after_return
	for after_return in 0 1; do
		service 0 "detect_stack_use_after_return=$after_return" "$@"
		! grep -q -e Sanitizer -e ASan "$scratch/said" || fail "$(cat "$scratch/said")"
	done
}

# reported TEXT FUNCTION MARKER: a report of that kind, in that function at the line of the marker, on the task's stack.
reported() {
	local line
	line=$(grep -nF "/* the $3 */" "$source" | cut -d : -f 1)
	[ -n "$line" ] || fail "no such marker"
	contains "$scratch/said" "AddressSanitizer: $1"
	grep -m 1 ' #0 ' "$scratch/said" >"$scratch/place"
	contains "$scratch/place" " in $2 "
	contains "$scratch/place" "asan_service.c:$line"
	contains "$scratch/said" " in task_main "
	contains "$scratch/said" "is located in stack of thread"
}

nothing_to_report() {
	local compiler library
	for compiler in gcc clang; do
		for library in libsley.a libsley.so; do
			build "$compiler" "$library"
			silent "$scratch/service" clean
			silent "$scratch/service" abandon
		done
	done
}

# More tasks than there are stacks, of which none can be shared.
few_slots() {
	build gcc libsley.a
	SLEY_STACK_SLOTS=4 silent "$scratch/service" clean
}

mistakes() {
	local compiler after_return
	for compiler in gcc clang; do
		build "$compiler" libsley.a
		for after_return in 0 1; do
			service 1 "detect_stack_use_after_return=$after_return" "$scratch/service" overflow
			reported stack-buffer-overflow write_beyond overflow
		done
		service 1 detect_stack_use_after_return=1 "$scratch/service" use_after_return
		reported stack-use-after-return use_after_return "use after return"
	done
}

# The system calls that a call of sley's makes: what they transfer lies in the buffer, or is reported.
transfers() {
	local compiler call
	for compiler in gcc clang; do
		build "$compiler" libsley.a
		for call in read readv read_full recv recvmsg write send pread writev; do
			service 1 detect_stack_use_after_return=0 "$scratch/service" $call
			contains "$scratch/said" "AddressSanitizer: stack-buffer-overflow"
			contains "$scratch/said" " in sley_$call "
			contains "$scratch/said" " in transfer_beyond "
			contains "$scratch/said" " 'buffer' "
		done
	done
}

# The leak checker looks during a run: at the stacks of parked tasks, and of the threads that run others.
leaks() {
	local compiler
	for compiler in gcc clang; do
		build "$compiler" libsley.a
		service 0 detect_stack_use_after_return=0 "$scratch/service" keep
		service 0 detect_stack_use_after_return=0 "$scratch/service" exit
		service 1 detect_stack_use_after_return=0 "$scratch/service" lose
		contains "$scratch/said" "15 byte(s) leaked in 1 allocation(s)"
	done
}

forked_children() {
	build gcc libsley.a
	service 0 detect_leaks=0 "$scratch/service" fork
	! grep -q -e Sanitizer -e ASan "$scratch/said" || fail "$(cat "$scratch/said")"
}

exceptions() {
	local compiler
	for compiler in g++ clang++; do
		"$compiler" -O1 -g -fsanitize=address -Iinclude tests/check/asan_throw.cc -o "$scratch/throw" \
			"$SLEY_BUILD/libsley.a" -pthread
		silent "$scratch/throw"
	done
}

# The sanitizer is the program's, the library comes later.
plugins() {
	local compiler
	cat >"$scratch/host.c" <<-END
		#include <dlfcn.h>
		int main(int argc, char **argv)
		{
			void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
			return library ? ((int (*)(char *))dlsym(library, "plugin"))(argv[2]) : 9;
		}
	END
	for compiler in gcc clang; do
		"$compiler" -O1 -g -fsanitize=address "$scratch/host.c" -o "$scratch/host" -ldl
		"$compiler" -O1 -g -fsanitize=address -DPLUGIN -fPIC -shared -Iinclude "$source" -o "$scratch/plugin.so" \
			"$SLEY_BUILD/libsley.so" -Wl,-rpath,"$SLEY_BUILD" -pthread
		silent "$scratch/host" "$scratch/plugin.so" clean
	done
}

# ThreadSanitizer needs a library of its own, which is said once.
races() {
	local compiler
	cat >"$scratch/race.c" <<-END
		#include <sley.h>
		static int nothing(void *unused) { return 0; }
		int main(void) { return sley_run(nothing, 0, 0, 0) || sley_run(nothing, 0, 0, 0); }
	END
	for compiler in gcc clang; do
		"$compiler" -fsanitize=thread -Iinclude "$scratch/race.c" -o "$scratch/race" "$SLEY_BUILD/libsley.a" -pthread
		TSAN_OPTIONS=report_bugs=0 $plain "$scratch/race" >"$scratch/said" 2>&1
		[ "$(grep -c 'sley: this process uses ThreadSanitizer.* Link with libsley-tsan' "$scratch/said")" = 1 ] ||
			fail "$(cat "$scratch/said")"
	done
}

run_suite nothing_to_report few_slots mistakes transfers leaks forked_children exceptions plugins races
