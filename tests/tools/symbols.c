/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The resolver on well-behaved processes: every chain of symbols.planted.c, compiled -O2 -fomit-frame-pointer in the
 * ways that a service may be, gives the function and the line that the source says.
 */
#include "symbols_target.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const plain_options[] = { "-DPLAIN", NULL };
static const char *plain; /* compiled once */
static struct symbols *symbols;
static struct symbols_answer answer;

static void assert_location(const char *function, const char *mark)
{
	target_assert_location(&answer, function, mark);
}

static void sample(const char *program, const char *chain, const char *argument)
{
	struct target t;
	target_sample(symbols, &t, program, chain, argument, &answer);
	target_kill(&t);
}

static void make_fifo(char *path, size_t size)
{
	snprintf(path, size, "%s/fifo", target_directory());
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
}

/* The chain through fopen(): no frame pointers in libc's part. */
static void sample_fopen(const char *program)
{
	struct symbols_request request;
	struct target t;
	char fifo[128];
	make_fifo(fifo, sizeof(fifo));
	target_start(&t, program, "fopen", fifo);
	target_wait_blocked(&t, SYS_openat);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
}

/* The whole chain is found, frame by frame, to where the thread began; the times are printed. */
static void whole_chain(void **state)
{
	int64_t start = test_now(), times[3];
	struct symbols_request request;
	struct target t;
	target_sample(symbols, &t, plain, "deep", NULL, &answer);
	times[0] = test_now() - start;
	assert_location("deep", "MARK deep */");
	for (int i = 1; i < 10; i++)
		target_assert_frame(&answer.frame[answer.location + i], "deep", "MARK recursion");
	target_assert_frame(&answer.frame[answer.location + 10], "run_deep", "MARK deepest");
	assert_int_equal(answer.frame[answer.frames - 1].owner, SYMBOLS_LIBC);
	assert_false(answer.truncated);
	target_capture(&t, SAMPLE, &request);
	request.registers.r15++; /* unknown to the cache of answers, and of no use to the unwinder here */
	start = test_now();
	target_ask(symbols, &request, &answer);
	times[1] = test_now() - start;
	start = test_now();
	target_ask(symbols, &request, &answer);
	times[2] = test_now() - start;
	assert_location("deep", "MARK deep */");
	target_kill(&t);
	print_message("first sample %.1f ms, target's start included; known executable %.0f us; same sample %.0f us\n",
		      (double)times[0] / 1e6, (double)times[1] / 1e3, (double)times[2] / 1e3);
}

/* More frames than an answer holds: the innermost and the outermost are there, and it says how many are not. */
static void long_chain_is_cut(void **state)
{
	struct symbols_request request;
	struct target t;
	unsigned outer = 0;
	target_start(&t, plain, "deeper", NULL);
	target_wait_blocked(&t, SYS_read);
	target_capture(&t, SYMBOLS_STACK, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
	assert_location("deep", "MARK deep */");
	assert_int_equal(answer.frames, SYMBOLS_FRAMES);
	assert_false(answer.truncated);
	target_assert_frame(&answer.frame[SYMBOLS_INNER], "deep", "MARK recursion");
	while (strcmp(answer.frame[outer].function, "run_deeper"))
		assert_true(++outer < SYMBOLS_FRAMES);
	assert_int_equal(outer + answer.left_out, (unsigned)answer.location + 40);
	assert_int_equal(answer.frame[SYMBOLS_FRAMES - 1].owner, SYMBOLS_LIBC);
}

/* A copy of 256 bytes gives the frames in it and says that it is cut; an empty one gives the address. */
static void short_copy(void **state)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, plain, "deep", NULL);
	target_wait_blocked(&t, SYS_read);
	target_capture(&t, 256, &request);
	target_ask(symbols, &request, &answer);
	assert_location("deep", "MARK deep */");
	assert_true(answer.truncated);
	assert_true(answer.frames < 8);
	request.stack_size = 0;
	target_ask(symbols, &request, &answer);
	assert_int_equal(answer.status, SYMBOLS_RESOLVED);
	assert_int_equal(answer.location, -1);
	assert_true(answer.truncated);
	target_kill(&t);
}

/* A frame that is larger than the copy ends the chain; a larger copy has it all. */
static void wide_frame(void **state)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, plain, "wide", NULL);
	target_wait_blocked(&t, SYS_read);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	assert_location("deep", "MARK deep */");
	target_assert_frame(&answer.frame[answer.location + 1], "wide", "MARK wide */");
	assert_int_equal(answer.frames, (unsigned)answer.location + 2);
	assert_true(answer.truncated);
	target_capture(&t, SYMBOLS_STACK, &request);
	target_ask(symbols, &request, &answer);
	target_assert_frame(&answer.frame[answer.location + 2], "run_wide", "MARK widest");
	assert_false(answer.truncated);
	target_kill(&t);
}

/*
 * A copy that ends before the service's frame is extended from the process while it has not moved on: not if a byte
 * differs, and not when it is dead.
 */
static void extended_copy(void **state)
{
	struct symbols_request request;
	struct target t;
	char fifo[128];
	make_fifo(fifo, sizeof(fifo));
	target_start(&t, plain, "fopen", fifo);
	target_wait_blocked(&t, SYS_openat);
	target_capture(&t, 128, &request);
	target_ask(symbols, &request, &answer);
	assert_location("open_stream", "MARK fopen");
	((uint8_t *)request.stack)[0] ^= 1;
	target_ask(symbols, &request, &answer);
	assert_int_equal(answer.location, -1);
	assert_true(answer.truncated);
	((uint8_t *)request.stack)[0] ^= 1;
	symbols_forget(symbols, t.pid);
	target_kill(&t);
	target_ask(symbols, &request, &answer);
	assert_int_equal(answer.location, -1);
	assert_true(answer.truncated);
}

/* Frames of libc below the caller, and above a function that libc called back. */
static void through_libc(void **state)
{
	bool found = false;
	sample_fopen(plain);
	assert_location("open_stream", "MARK fopen");
	sample(plain, "qsort", NULL);
	assert_location("compare", "MARK compare");
	for (unsigned i = 0; i < answer.frames; i++) {
		if (strcmp(answer.frame[i].function, "run_qsort"))
			continue;
		target_assert_frame(&answer.frame[i], "run_qsort", "MARK qsort");
		assert_int_equal(answer.frame[i - 1].owner, SYMBOLS_LIBC);
		found = true;
	}
	assert_true(found);
}

/* Inlined functions are frames of their own, each with its line. */
static void inlined_functions(void **state)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, plain, "inlined", NULL);
	target_wait_blocked(&t, SYS_readv);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
	assert_location("inner", "MARK inner");
	target_assert_frame(&answer.frame[answer.location + 1], "middle", "MARK middle");
	target_assert_frame(&answer.frame[answer.location + 2], "run_inlined", "MARK outer");
	assert_true(answer.frame[answer.location].inlined && answer.frame[answer.location + 1].inlined);
	assert_false(answer.frame[answer.location + 2].inlined);
}

/* The loop has two lines. */
static void assert_spin(void)
{
	unsigned line = test_source_line(PLANTED, "MARK spin");
	assert_string_equal(symbols_location(&answer)->function, "run_spin");
	assert_in_range(symbols_location(&answer)->line, line, line + 1);
}

/* An address alone; and a thread that is in no call: rip is an instruction then, not a return address. */
static void addresses(void **state)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, plain, "spin", NULL);
	do /* until it is in the loop and not on the way to it */
		target_capture(&t, SAMPLE, &request), target_ask(symbols, &request, &answer);
	while (answer.location != 0);
	assert_false(request.returns);
	assert_spin();
	request = (struct symbols_request){ .pid = t.pid, .kind = SYMBOLS_ADDRESS, .address = request.registers.rip };
	target_ask(symbols, &request, &answer);
	assert_spin();
	assert_int_equal(answer.frames, 1);
	request.address = 4096;
	target_ask(symbols, &request, &answer);
	assert_int_equal(answer.status, SYMBOLS_UNKNOWN);
	assert_int_equal(answer.location, -1);
	target_kill(&t);
}

/* However the executable is linked. */
static void linked_otherwise(void **state)
{
	static const char *const no_pie[] = { "-DPLAIN", "-no-pie", NULL }, *const lto[] = { "-DPLAIN", "-flto", NULL },
				 *const fixed[] = { "-DPLAIN", "-static", "-Wl,-w", NULL },
				 *const indexless[] = { "-DPLAIN", "-gdwarf-4", "-gno-statement-frontiers", NULL };
	sample_fopen(target_compile("no-pie", no_pie));
	assert_location("open_stream", "MARK fopen");
	sample_fopen(target_compile("lto", lto));
	assert_location("open_stream", "MARK fopen");
	sample_fopen(target_compile("static", fixed));
	assert_location("open_stream", "MARK fopen");
	sample_fopen(target_compile("dwarf4", indexless));
	assert_location("open_stream", "MARK fopen");
}

/* clang writes no index of addresses (.debug_aranges). */
static void without_aranges(void **state)
{
	char path[128];
	sample_fopen(plain);
	snprintf(path, sizeof(path), "%s/no-aranges", target_directory());
	target_tool("objcopy", "--remove-section=.debug_aranges", plain, path);
	sample_fopen(path);
	assert_location("open_stream", "MARK fopen");
}

/* Without DWARF the function is named, without symbols the module and the offset; a static libc is told apart too. */
static void stripped(void **state)
{
	static const char *const fixed[] = { "-DPLAIN", "-static", "-g0", "-Wl,-w", NULL };
	char path[128], text[128], expected[128];
	uint64_t offset;
	snprintf(path, sizeof(path), "%s/stripped", target_directory());
	target_tool("objcopy", "-g", plain, path);
	sample_fopen(path);
	assert_string_equal(symbols_location(&answer)->function, "open_stream");
	assert_int_equal(symbols_location(&answer)->line, 0);
	assert_string_equal(symbols_format(symbols_location(&answer), text, sizeof(text)), "open_stream in stripped");
	offset = symbols_location(&answer)->offset;
	unlink(path);
	target_tool("objcopy", "-S", plain, path);
	sample_fopen(path);
	assert_string_equal(symbols_location(&answer)->function, "");
	assert_int_equal(symbols_location(&answer)->offset, offset);
	snprintf(expected, sizeof(expected), "stripped+0x%lx", (unsigned long)offset);
	assert_string_equal(symbols_format(symbols_location(&answer), text, sizeof(text)), expected);
	sample_fopen(target_compile("static-g0", fixed));
	assert_string_equal(symbols_location(&answer)->function, "open_stream");
}

/* Debug information in a file next to the executable, found by .gnu_debuglink; one that does not fit is not taken. */
static void separate_debug(void **state)
{
	static const char *const others[] = { "-DPLAIN", "-O1", NULL };
	char path[128], debug[128], link[160];
	snprintf(path, sizeof(path), "%s/split", target_directory());
	snprintf(debug, sizeof(debug), "%s/split.debug", target_directory());
	snprintf(link, sizeof(link), "--add-gnu-debuglink=%s", debug);
	target_tool("objcopy", "--only-keep-debug", plain, debug);
	target_tool("objcopy", "-S", plain, path);
	target_tool("objcopy", link, path, NULL);
	sample_fopen(path);
	assert_location("open_stream", "MARK fopen");
	target_tool("objcopy", "--only-keep-debug", target_compile("other", others), debug);
	target_copy(path, target_compile("split-again", others));
	snprintf(path, sizeof(path), "%s/split-again", target_directory());
	sample_fopen(path);
	assert_string_equal(symbols_location(&answer)->function, "");
}

/* symbols_lookup(): asked once, answered from the cache, and never through symbols_collect(). */
static void lookup(void **state)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, plain, "deep", NULL);
	target_wait_blocked(&t, SYS_read);
	target_capture(&t, SAMPLE, &request);
	symbols_forget(symbols, t.pid);
	assert_int_equal(symbols_lookup(symbols, &request, &answer), 0);
	assert_int_equal(symbols_lookup(symbols, &request, &answer), 0);
	assert_int_equal(symbols_wait(symbols, 30000), 0);
	assert_int_equal(symbols_collect(symbols, &answer), 0);
	assert_int_equal(symbols_lookup(symbols, &request, &answer), 1);
	assert_location("deep", "MARK deep */");
	symbols_forget(symbols, t.pid);
	assert_int_equal(symbols_lookup(symbols, &request, &answer), 0);
	assert_int_equal(symbols_wait(symbols, 30000), 0);
	target_kill(&t);
}

/* A chain from a task to its end, and one from a task through the runtime into libc. */
static void assert_runtime(const char *program)
{
	struct symbols_request request;
	struct target t;
	bool runtime = false;
	sample(program, "sley", NULL);
	assert_location("deep", "MARK deep */");
	assert_string_equal(answer.frame[answer.location + 1].function, "task");
	for (unsigned i = (unsigned)answer.location + 2; i < answer.frames; i++) {
		runtime = runtime || answer.frame[i].owner == SYMBOLS_SLEY;
		assert_int_not_equal(answer.frame[i].owner, SYMBOLS_USER);
	}
	assert_true(runtime);
	target_start(&t, program, "dump", NULL);
	target_wait_blocked(&t, SYS_write);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
	assert_location("dump_main", "MARK dump");
	assert_int_equal(answer.frame[answer.location - 1].owner, SYMBOLS_SLEY);
}

/* The same of a program without lines. */
static void assert_runtime_by_names(const char *program)
{
	struct symbols_request request;
	struct target t;
	bool runtime = false;
	sample(program, "sley", NULL);
	assert_true(answer.location > 0);
	assert_string_equal(symbols_location(&answer)->function, "deep");
	assert_string_equal(answer.frame[answer.location + 1].function, "task");
	assert_int_equal(answer.frame[answer.location + 1].owner, SYMBOLS_USER);
	for (unsigned i = (unsigned)answer.location + 2; i < answer.frames; i++) {
		runtime = runtime || answer.frame[i].owner == SYMBOLS_SLEY;
		assert_int_not_equal(answer.frame[i].owner, SYMBOLS_USER);
	}
	assert_true(runtime);
	target_start(&t, program, "dump", NULL);
	target_wait_blocked(&t, SYS_write);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
	assert_true(answer.location > 0);
	assert_string_equal(symbols_location(&answer)->function, "dump_main");
	for (int i = 0; i < answer.location; i++)
		assert_int_not_equal(answer.frame[i].owner, SYMBOLS_USER);
	assert_int_equal(answer.frame[answer.location - 1].owner, SYMBOLS_SLEY);
}

/*
 * Without debug information the names of source files are gone, and so is the border between the service's local
 * functions and the runtime's: neither is taken for the other. In an executable that was stripped, in one that was made
 * from a stripped archive, and in a static one.
 */
static void the_runtime_is_told_apart_without_files(void **state)
{
	char archive[128], path[128];
	const char *bare[] = { "-Iinclude", "-g0", archive, NULL };
	const char *fixed[] = { "-Iinclude", "-g0", "-static", "-Wl,-w", archive, NULL };
	snprintf(path, sizeof(path), "%s/strip-g", target_directory());
	target_tool("objcopy", "-g", test_build_path("tests/tools/symbols.planted"), path);
	assert_runtime_by_names(path);
	snprintf(archive, sizeof(archive), "%s/bare.a", target_directory());
	target_tool("objcopy", "-g", test_build_path("libsley.a"), archive);
	assert_runtime_by_names(target_compile("bare-g0", bare));
	assert_runtime_by_names(target_compile("bare-static", fixed));
}

/* A task waits for a libc mutex. The debug library has put a function of its own before libc's: it hides nothing. */
static void assert_lock(const char *program, bool lines)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, program, "lock", NULL);
	target_wait_blocked(&t, SYS_futex);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
	if (lines)
		assert_location("take_lock", "MARK lock");
	assert_true(answer.location > 0);
	assert_string_equal(symbols_location(&answer)->function, "take_lock");
	for (int i = 0; i < answer.location; i++)
		assert_int_equal(answer.frame[i].owner, SYMBOLS_LIBC);
}

static void the_debug_library_hides_no_caller(void **state)
{
	char shared[128], path[160];
	const char *linked[] = { "-Iinclude", test_build_path("libsley-debug.a"), NULL };
	const char *dynamic[] = { "-Iinclude", "-L", shared, "-lsley-debug", path, NULL };
	assert_lock(test_build_path("tests/tools/symbols.planted"), true);
	assert_lock(target_compile("debug", linked), true);
	snprintf(path, sizeof(path), "%s/debug-strip-g", target_directory());
	target_tool("objcopy", "-g", target_compile("debug-again", linked), path);
	assert_lock(path, false);
	snprintf(shared, sizeof(shared), "%s", test_build_path(""));
	snprintf(path, sizeof(path), "-Wl,-rpath,%s", shared);
	assert_lock(target_compile("debug-dynamic", dynamic), true);
}

/* The same of libsley-posix, which has functions of its own before libc's, too. */
static void libsley_posix_hides_no_caller(void **state)
{
	char shared[128], path[160];
	const char *dynamic[] = {
		"-Iinclude", "-Wl,--no-as-needed", "-L", shared, "-lsley-posix", "-lsley", path, NULL
	};
	snprintf(shared, sizeof(shared), "%s", test_build_path(""));
	snprintf(path, sizeof(path), "-Wl,-rpath,%s", shared);
	assert_lock(target_compile("posix-dynamic", dynamic), true);
}

/* The frames of a task with that entry function, which is `which` of the planted list. */
static void sample_jump(const char *program, const char *which, const char *entry)
{
	struct symbols_request request;
	struct target t;
	target_start(&t, program, "jump", which);
	target_wait_blocked(&t, SYS_poll);
	target_capture(&t, SAMPLE, &request);
	strcpy(request.entry, entry);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
}

static void assert_next_is_runtime(unsigned after)
{
	assert_true(answer.frames > (unsigned)answer.location + after);
	assert_int_equal(answer.frame[answer.location + (int)after].owner, SYMBOLS_SLEY);
}

/* Functions without a frame are found: the last act of the task's function, of one that it jumped to, of a caller's. */
static void assert_jumps(const char *program)
{
	sample_jump(program, "0", "poll_last");
	assert_location("poll_last", "MARK last act");
	assert_next_is_runtime(1);
	assert_false(answer.frame[answer.location + 1].blind);
	sample_jump(program, "1", "jump_on");
	assert_location("jump_to_poll", "MARK jump to poll");
	target_assert_frame(&answer.frame[answer.location + 1], "jump_on", "MARK jump on");
	assert_next_is_runtime(2);
	sample_jump(program, "3", "call_and_jump");
	assert_location("jump_to_poll", "MARK jump to poll");
	target_assert_frame(&answer.frame[answer.location + 1], "call_and_jump", "MARK no last act");
	assert_next_is_runtime(2);
	sample_jump(program, "4", "once_last");
	assert_location("once_last", "MARK once");
	assert_next_is_runtime(1);
}

static const struct symbols_frame *first_of_runtime(void)
{
	unsigned i = 0;
	while (i < answer.frames && answer.frame[i].owner != SYMBOLS_SLEY)
		i++;
	assert_true(i < answer.frames);
	return &answer.frame[i];
}

/*
 * No frame says that the runtime made the call, if it ran a function that is not known: because the entry function is
 * not, or because it is another function, which sley_once() ran.
 */
static void functions_without_frames(void **state)
{
	const char *options[] = { "-Iinclude", test_build_path("libsley.a"), NULL };
	const char *program = target_compile("jumps", options);
	char output[256], *have[] = { "clang", "--version", NULL };
	assert_jumps(program);
	assert_true(first_of_runtime()->blind);
	sample_jump(program, "2", "jump_either"); /* the function is certain, the line is not */
	assert_string_equal(symbols_location(&answer)->function, "jump_either");
	assert_int_equal(symbols_location(&answer)->line, 0);
	sample_jump(program, "0", "");
	assert_int_equal(answer.location, -1);
	assert_true(first_of_runtime()->blind);
	sample_jump(program, "0", "no_such_function");
	assert_int_equal(answer.location, -1);
	assert_true(first_of_runtime()->blind);
	if (test_run(have, output, sizeof(output)) == 0)
		assert_jumps(target_compile_by("clang", "jumps-clang", options));
}

/* The entry function has another name in a symbol table of C++. */
static void functions_without_frames_in_cxx(void **state)
{
	const char *options[] = { "-Iinclude", "-w", test_build_path("libsley.a"), NULL };
	char output[256], *have[] = { "g++", "--version", NULL };
	if (test_run(have, output, sizeof(output)))
		test_skip("needs g++");
	assert_jumps(target_compile_by("g++", "jumps-cxx", options));
}

/* Without debug information, the entry function is named all the same. */
static void functions_without_frames_or_lines(void **state)
{
	const char *options[] = { "-Iinclude", test_build_path("libsley.a"), NULL };
	char path[128];
	snprintf(path, sizeof(path), "%s/jumps-strip-g", target_directory());
	target_tool("objcopy", "-g", target_compile("jumps-again", options), path);
	sample_jump(path, "0", "poll_last");
	assert_true(answer.location > 0);
	assert_string_equal(symbols_location(&answer)->function, "poll_last");
	sample_jump(path, "3", "call_and_jump");
	assert_true(answer.location > 0);
	assert_int_equal(strncmp(symbols_location(&answer)->function, "jump_to_poll", 12),
			 0); /* perhaps a copy of it */
	sample_jump(path, "4", "once_last");
	assert_true(first_of_runtime()->blind);
}

/* clang's unit has no index of addresses, and the runtime's units of gcc have: the line is the service's own. */
static void beside_units_with_aranges(void **state)
{
	const char *options[] = { "-Iinclude", test_build_path("libsley.a"), NULL };
	char output[256], *have[] = { "clang", "--version", NULL };
	if (test_run(have, output, sizeof(output)))
		test_skip("needs clang");
	assert_runtime(target_compile_by("clang", "clang", options));
}

/*
 * vfork() and clone3() with CLONE_VFORK: the parent sleeps where libc has moved the return address into a register, or
 * where it has no call-frame information. What is guessed there is no frame.
 */
static void waiting_for_a_child(void **state)
{
	struct symbols_request request;
	struct target t;
	char fifo[128];
	int end;
	target_start(&t, plain, "vfork", NULL);
	target_wait_blocked(&t, SYS_vfork);
	target_peek(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	target_kill(&t);
	assert_location("run_child", "MARK vfork");
	make_fifo(fifo, sizeof(fifo));
	target_start(&t, plain, "spawn", fifo);
	target_wait_blocked(&t, syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS ? SYS_clone : SYS_clone3);
	target_peek(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	end = open(fifo, O_WRONLY);
	assert_true(end >= 0);
	close(end);
	target_kill(&t);
	assert_location("start_program", "MARK posix_spawn");
	((uint64_t *)request.stack)[0] = request.registers.rsp; /* no return address: nothing is known */
	request.registers.rbp = request.registers.rsp;
	target_ask(symbols, &request, &answer);
	assert_int_equal(answer.frames, 1);
	assert_int_equal(answer.location, -1);
}

/* The runtime's frames are told apart from the service's: linked in with and without DWARF, and shared. */
static void the_runtime_is_told_apart(void **state)
{
	char archive[128], shared[128], path[160];
	const char *bare[] = { "-Iinclude", archive, NULL };
	const char *dynamic[] = { "-Iinclude", "-L", shared, "-lsley", path, NULL };
	assert_runtime(test_build_path("tests/tools/symbols.planted"));
	snprintf(archive, sizeof(archive), "%s/libsley.a", target_directory());
	target_tool("objcopy", "-g", test_build_path("libsley.a"), archive);
	assert_runtime(target_compile("bare", bare));
	snprintf(shared, sizeof(shared), "%s", test_build_path(""));
	snprintf(path, sizeof(path), "-Wl,-rpath,%s", shared);
	assert_runtime(target_compile("dynamic", dynamic));
}

static int set_up(void **state)
{
	symbols = symbols_open(NULL);
	assert_non_null(symbols);
	plain = target_compile("plain", plain_options);
	return 0;
}

static int tear_down(void **state)
{
	symbols_close(symbols);
	target_directory_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_chain),
		cmocka_unit_test(long_chain_is_cut),
		cmocka_unit_test(short_copy),
		cmocka_unit_test(wide_frame),
		cmocka_unit_test(extended_copy),
		cmocka_unit_test(through_libc),
		cmocka_unit_test(inlined_functions),
		cmocka_unit_test(addresses),
		cmocka_unit_test(linked_otherwise),
		cmocka_unit_test(without_aranges),
		cmocka_unit_test(stripped),
		cmocka_unit_test(separate_debug),
		cmocka_unit_test(lookup),
		cmocka_unit_test(the_runtime_is_told_apart),
		cmocka_unit_test(the_runtime_is_told_apart_without_files),
		cmocka_unit_test(the_debug_library_hides_no_caller),
		cmocka_unit_test(libsley_posix_hides_no_caller),
		cmocka_unit_test(functions_without_frames),
		cmocka_unit_test(functions_without_frames_in_cxx),
		cmocka_unit_test(functions_without_frames_or_lines),
		cmocka_unit_test(beside_units_with_aranges),
		cmocka_unit_test(waiting_for_a_child),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
