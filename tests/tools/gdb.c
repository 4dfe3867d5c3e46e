/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * tools/gdb/sley-gdb.py: gdb on a process with 1,000 parked tasks, and on a core of it. Every backtrace is compared with
 * the chain of calls that the planted program documents.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "tests/test.h"
#include "tool.h"

#define FRAMES 64
#define TASKS  1000
#define LATE   "\\x1b[1mlate\\x0at7" /* the name of the task that never runs, as it is to be shown */

static struct {
	pid_t pid; /* 0: none */
	int input;
} service;

static void start(const char *program, const char *tasks, const char *slots)
{
	int in[2], out[2];
	char line[16] = "";
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	service.pid = fork();
	assert_true(service.pid >= 0);
	if (service.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		setenv("SLEY_ASSIST", "off", 1); /* the last task never begins, as the worker waits in another */
		execl(program, program, tasks, slots, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	service.input = in[1];
	assert_int_equal(read(out[0], line, sizeof(line)), 6);
	assert_string_equal(line, "ready\n");
	close(out[0]);
}

static int stop(void **state)
{
	if (service.pid > 0) {
		close(service.input);
		kill(service.pid, SIGKILL);
		waitpid(service.pid, NULL, 0);
	}
	service.pid = 0;
	scratch_remove();
	return 0;
}

static const char *planted(void)
{
	return test_build_path("tests/tools/gdb.planted");
}

/* gdb with the script, on the process (core: null) or on the program and its core; then these commands. */
static void gdb(struct tool *t, const char *program, const char *core, const char *first, const char *second)
{
	const char *on = core ? core : tool_number(service.pid);
	char source[512];
	tool_program = "/usr/bin/gdb";
	if (access(tool_program, X_OK) != 0)
		test_skip("needs gdb");
	snprintf(source, sizeof(source), "source %s", test_source_path("tools/gdb/sley-gdb.py"));
	unsetenv("DEBUGINFOD_URLS");
	tool_run(t, false, "-nx", "--batch", "-iex", "set width 0", program, on, "-ex", source, "-ex", first, "-ex",
		 second, NULL);
	tool_program = NULL;
	/* what gdb says when it cannot go on */
	for (const char *const *bad =
		     (const char *const[]){ "Backtrace stopped", "corrupt stack", "previous frame", "Traceback", NULL };
	     *bad; bad++)
		if (strstr(t->out, *bad) || strstr(t->err, *bad))
			fail_msg("gdb said '%s':\n%s\n%s", *bad, t->out, t->err);
}

/* ---- reading backtraces ---- */

struct trace {
	char name[32], head[256]; /* "task ID NAME: ..." */
	char functions[FRAMES][48], arguments[FRAMES][64];
	int frames;
};

/* Takes "#3  0x... in park_in_chan (number=29) at ..." or the same without an address. */
static void take_frame(struct trace *trace, const char *line)
{
	const char *name = strstr(line, " in ");
	const char *arguments = strstr(line, " (");
	assert_in_range(trace->frames, 0, FRAMES - 1);
	assert_int_equal(atoi(line + 1), trace->frames);
	assert_non_null(arguments);
	name = name && name < arguments ? name + 4 : line + strcspn(line, " ") + strspn(line + strcspn(line, " "), " ");
	snprintf(trace->functions[trace->frames], sizeof(trace->functions[0]), "%.*s", (int)(arguments - name), name);
	snprintf(trace->arguments[trace->frames], sizeof(trace->arguments[0]), "%.*s", (int)strcspn(arguments + 2, ")"),
		 arguments + 2);
	trace->frames++;
}

/* The next backtrace in the text, which moves behind it and is cut into lines; false: there is none. */
static bool next_trace(char **text, struct trace *trace)
{
	char *line = strncmp(*text, "task ", 5) == 0 ? *text : strstr(*text, "\ntask ");
	char *rest;
	*trace = (struct trace){ 0 };
	if (!line)
		return false;
	line += *line == '\n';
	sscanf(line, "task %*d %31[^:]", trace->name);
	snprintf(trace->head, sizeof(trace->head), "%.*s", (int)strcspn(line, "\n"), line);
	for (line = strchr(line, '\n') + 1; *line == '#'; line = rest + 1) {
		rest = strchr(line, '\n');
		*rest = '\0';
		take_frame(trace, line);
	}
	*text = line;
	return true;
}

/* ---- what they must be ---- */

static int at;
static struct trace *checked;

/* The next frame of the trace is of this function, which is not the runtime's own or an inlined helper. */
static void expect_frame(const char *function)
{
	while (at < checked->frames &&
	       (strcmp(checked->functions[at], "turn") == 0 || strcmp(checked->functions[at], "park") == 0))
		at++;
	if (at == checked->frames || strcmp(checked->functions[at], function) != 0)
		fail_msg("%s: frame %d of %d is of %s, not of %s", checked->name, at, checked->frames,
			 checked->functions[at], function);
	at++;
}

/* From task_main() on, which calls the task's function: the end of every task's stack. */
static void expect_end(void)
{
	expect_frame("task_main");
	expect_frame("context_entry");
	assert_int_equal(at, checked->frames);
}

/* Task number i as the planted program documents it. */
static void check_parked(struct trace *trace, unsigned i)
{
	static const char *const ways[] = { "park_in_sleep", "park_in_chan", "park_in_mutex", "park_in_group" };
	char argument[32];
	checked = trace;
	for (at = 0; at < trace->frames && strncmp(trace->functions[at], "park_in_", 8) != 0; at++)
		; /* the runtime's */
	expect_frame(ways[i % 4]);
	snprintf(argument, sizeof(argument), "number=%u", i);
	assert_string_equal(trace->arguments[at - 1], argument); /* so the registers are right */
	for (int k = (int)(i % 7); k >= 0; k--) {
		expect_frame("go_on");
		expect_frame(i >> k & 1 ? "turn_left" : "turn_right");
	}
	expect_frame("wander");
	expect_end();
}

static void check_main(struct trace *trace)
{
	assert_non_null(strstr(trace->head, ": running on worker 0"));
	checked = trace;
	for (at = 0; at < trace->frames && strcmp(trace->functions[at], "block") != 0; at++)
		;
	expect_frame("block");
	expect_frame("run");
	expect_frame("main_entry");
	expect_end();
}

/* All are there once and right; `out`: how many of them were copied out, at least. */
static void check_all(struct tool *t, unsigned tasks, unsigned out)
{
	static bool seen[TASKS];
	unsigned number, parked = 0, copied = 0, others = 0;
	struct trace trace;
	char *text = t->out;
	assert_int_equal(t->code, 0);
	memset(seen, 0, sizeof(seen));
	while (next_trace(&text, &trace)) {
		if (sscanf(trace.name, "t%u", &number) == 1) {
			assert_in_range(number, 0, tasks - 1);
			assert_false(seen[number]);
			seen[number] = true;
			copied += strstr(trace.head, "stack copied out") != NULL;
			check_parked(&trace, number);
			parked++;
		} else if (strcmp(trace.name, "main") == 0) {
			check_main(&trace);
			others++;
		} else {
			assert_string_equal(trace.name, LATE);
			assert_int_equal(trace.frames, 0);
			assert_memory_equal(text, "it has not begun; it will call never", 36);
			others++;
		}
	}
	assert_int_equal(parked, tasks);
	assert_int_equal(others, 2);
	assert_in_range(copied, out, tasks);
}

/* ---- tests ---- */

/* A thousand tasks on four stacks: nearly all are copied out. The process goes on as if nothing had happened. */
static void test_process(void **state)
{
	struct tool t;
	start(planted(), "1000", "4");
	for (int i = 0; i < 2; i++) {
		gdb(&t, planted(), NULL, "sley bt all", "info inferiors");
		assert_non_null(strstr(t.out, "* 1 "));
		assert_null(strstr(t.out, "\n  2 ")); /* the inferior of the backtraces is gone */
		check_all(&t, 1000, 990);
		tool_free(&t);
	}
}

/* The same of a core, which is small: what the runtime has only reserved is not in it. */
static void test_core(void **state)
{
	char save[512];
	struct tool t;
	start(planted(), "1000", "4");
	scratch_make();
	const char *core = scratch_path("core");
	snprintf(save, sizeof(save), "generate-core-file %s", core);
	gdb(&t, planted(), NULL, save, "detach");
	tool_expect(&t, 0, "Saved corefile");
	tool_free(&t);
	gdb(&t, planted(), core, "sley bt all", "info inferiors");
	check_all(&t, 1000, 990);
	tool_free(&t);
	int fd = open(core, O_RDONLY | O_CLOEXEC);
	assert_in_range(lseek(fd, 0, SEEK_END), 1, 100 << 20);
	close(fd);
}

/* Tasks with a stack of their own each, by the shared library; again of the process and of a core. */
static void test_in_place(void **state)
{
	char save[512], directory[512], path[512];
	char output[4096];
	struct tool t;
	scratch_make();
	const char *core = scratch_path("core"), *program = scratch_path("service");
	snprintf(directory, sizeof(directory), "-L%s", test_build_path(""));
	snprintf(path, sizeof(path), "-Wl,-rpath,%s", test_build_path(""));
	char *compile[] = { "gcc",
			    "-O2",
			    "-g",
			    "-D_GNU_SOURCE",
			    "-Iinclude",
			    "-o",
			    (char *)(uintptr_t)program,
			    "tests/tools/gdb.planted.c",
			    directory,
			    path,
			    "-lsley",
			    "-pthread",
			    NULL };
	assert_int_equal(test_run(compile, output, sizeof(output)), 0);
	start(program, "200", "500");
	snprintf(save, sizeof(save), "generate-core-file %s", core);
	gdb(&t, program, NULL, "sley bt all", save);
	check_all(&t, 200, 0);
	tool_free(&t);
	gdb(&t, program, core, "sley bt all", "info inferiors");
	check_all(&t, 200, 0);
	tool_free(&t);
}

/* The list has them all, or those that contain a text; ids in it are what `sley bt` takes. */
static void test_list(void **state)
{
	char command[64];
	long long id = 0;
	struct tool t;

	start(planted(), "100", "4");
	gdb(&t, planted(), NULL, "sley tasks", "sley tasks t77");
	tool_expect(&t, 0, "ID");
	assert_non_null(strstr(t.out, "main             running  in place   on worker 0"));
	assert_non_null(strstr(t.out, LATE " ready    -"));
	assert_null(strchr(t.out, '\33'));
	char *line = strstr(t.out, "t77 "), *again = strstr(line + 1, "t77 ");
	assert_non_null(again);
	assert_memory_equal(line, again, strcspn(line, "\n"));
	assert_non_null(strstr(line, "waiting  copied out recv"));
	while (again[-1] != '\n')
		again--;
	assert_int_equal(sscanf(again, "%lld", &id), 1);
	tool_free(&t);
	snprintf(command, sizeof(command), "sley bt -full %lld", id);
	gdb(&t, planted(), NULL, command, "info threads");
	tool_expect(&t, 0, "number = 77, k = ");
	tool_expect(&t, 0, "* 1    Thread"); /* the selected one is what it was */
	char *text = t.out;
	struct trace trace;
	assert_true(next_trace(&text, &trace));
	assert_string_equal(trace.name, "t77");
	tool_free(&t);
}

/* A running task's thread ends at its entry for plain gdb too. */
static void test_running(void **state)
{
	struct tool t;
	start(planted(), "10", "4");
	gdb(&t, planted(), NULL, "thread 1", "bt");
	const char *last = strrchr(t.out, '#');
	assert_non_null(last);
	assert_non_null(strstr(last, "context_entry ("));
	tool_free(&t);
}

/* What cannot be done is said. */
static void test_errors(void **state)
{
	struct tool t;
	start(planted(), "10", "4");
	gdb(&t, planted(), NULL, "sley bt 123456789", "sley bt");
	tool_expect(&t, 1, "no task has the id 123456789");
	tool_free(&t);
	gdb(&t, planted(), NULL, "sley bt", "info inferiors");
	tool_expect(&t, 0, "usage: sley bt");
	tool_free(&t);
	stop(NULL);
	scratch_make();
	char *compile[] = { "gcc", "-g", "-x", "c", "-o", (char *)(uintptr_t)scratch_path("other"), "-", NULL };
	char output[64];
	FILE *source = fopen(scratch_path("other.c"), "w");
	fputs("#include <unistd.h>\nint main(void) { return write(1, \"ready\\n\", 6) != 6 || pause(); }\n", source);
	fclose(source);
	compile[6] = (char *)(uintptr_t)scratch_path("other.c");
	assert_int_equal(test_run(compile, output, sizeof(output)), 0);
	start(scratch_path("other"), NULL, NULL);
	gdb(&t, scratch_path("other"), NULL, "sley tasks", "info inferiors");
	tool_expect(&t, 0, "is this program linked with a libsley that has debug information?");
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_process, stop),  cmocka_unit_test_teardown(test_core, stop),
		cmocka_unit_test_teardown(test_in_place, stop), cmocka_unit_test_teardown(test_list, stop),
		cmocka_unit_test_teardown(test_running, stop),  cmocka_unit_test_teardown(test_errors, stop),
	};
	return cmocka_run_group_tests_name("gdb", tests, NULL, NULL);
}
