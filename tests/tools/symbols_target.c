/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The stack is copied with ptrace here, so that the resolver is tested where no eBPF may be loaded. */
#include "symbols_target.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_NS 60000000000 /* nothing here takes long; this ends a test that would hang */

static char directory[64];

const char *target_directory(void)
{
	if (!directory[0]) {
		strcpy(directory, "/tmp/sley-symbols.XXXXXX");
		assert_non_null(mkdtemp(directory));
		assert_int_equal(chmod(directory, 0755), 0);
	}
	return directory;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void target_directory_remove(void)
{
	if (directory[0])
		nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	directory[0] = '\0';
}

static char *in_directory(const char *name)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", target_directory(), name) > 0);
	return path;
}

const char *target_compile(const char *name, const char *const *options)
{
	return target_compile_by("gcc", name, options);
}

const char *target_compile_by(const char *compiler, const char *name, const char *const *options)
{
	char *path = in_directory(name), output[4096];
	const char *argv[32] = { compiler, "-O2", "-g",   "-fomit-frame-pointer", "-pthread", "-D_GNU_SOURCE",
				 "-o",     path,  PLANTED };
	int n = 9;
	while (*options)
		argv[n++] = *options++;
	assert_int_equal(test_run((char *const *)argv, output, sizeof(output)), 0);
	return path;
}

void target_tool(const char *tool, const char *a, const char *b, const char *c)
{
	const char *argv[] = { tool, a, b, c, NULL };
	char output[4096];
	assert_int_equal(test_run((char *const *)argv, output, sizeof(output)), 0);
}

void target_copy(const char *from, const char *to)
{
	target_tool("cp", "-p", from, to);
}

static void run_program(const int in[2], const int out[2], const char *program, const char *chain, const char *argument)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in[0], STDIN_FILENO);
	dup2(out[1], STDOUT_FILENO);
	execl(program, program, chain, argument, (char *)NULL);
	_exit(127);
}

/* "TID\n" */
static pid_t read_announcement(int output)
{
	char text[32] = "";
	size_t n = 0;
	while (n < sizeof(text) - 1 && read(output, text + n, 1) == 1 && text[n] != '\n')
		n++;
	return atoi(text);
}

void target_start(struct target *t, const char *program, const char *chain, const char *argument)
{
	int in[2], out[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0)
		run_program(in, out, program, chain, argument);
	close(in[0]);
	close(out[1]);
	t->input = in[1];
	t->output = out[0];
	t->tid = read_announcement(t->output);
	assert_true(t->tid > 0);
}

/* What /proc shows of the thread's call: its number, six arguments, sp and pc. False: it is in none. */
static bool read_call(const struct target *t, int *number, unsigned long v[8])
{
	char path[64];
	FILE *f;
	int n;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)t->pid, (int)t->tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fscanf(f, "%d %lx %lx %lx %lx %lx %lx %lx %lx", number, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
		   &v[7]);
	fclose(f);
	return n == 9;
}

static bool is_blocked(const struct target *t, long call)
{
	unsigned long v[8];
	int number;
	return read_call(t, &number, v) && number == call && ((call != SYS_read && call != SYS_readv) || v[0] == 0);
}

void target_wait_blocked(const struct target *t, long call)
{
	int64_t end = test_now() + PATIENCE_NS;
	while (!is_blocked(t, call)) {
		assert_true(test_now() < end);
		sched_yield();
	}
}

void target_continue(const struct target *t)
{
	assert_int_equal(write(t->input, "x", 1), 1);
}

void target_kill(struct target *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	close(t->input);
	close(t->output);
}

static void take_registers(struct symbols_registers *to, const struct user_regs_struct *from)
{
	*to = (struct symbols_registers){
		.rip = from->rip,
		.rsp = from->rsp,
		.rbp = from->rbp,
		.rbx = from->rbx,
		.rdi = from->rdi,
		.r12 = from->r12,
		.r13 = from->r13,
		.r14 = from->r14,
		.r15 = from->r15,
	};
}

static uint8_t stack[SYMBOLS_STACK];

static void read_stack(const struct target *t, size_t size, struct symbols_request *request)
{
	struct iovec local = { .iov_base = stack, .iov_len = size }, remote = { .iov_len = size };
	ssize_t n;
	remote.iov_base = (void *)request->registers.rsp;
	n = process_vm_readv(t->pid, &local, 1, &remote, 1, 0); /* less at the stack's end */
	assert_true(n > 0);
	request->stack = stack;
	request->stack_size = (size_t)n;
}

void target_capture(const struct target *t, size_t size, struct symbols_request *request)
{
	struct user_regs_struct registers;
	*request = (struct symbols_request){ .pid = t->pid, .kind = SYMBOLS_SAMPLE };
	assert_int_equal(ptrace(PTRACE_ATTACH, t->tid, NULL, NULL), 0);
	assert_int_equal(waitpid(t->tid, NULL, __WALL), t->tid);
	assert_int_equal(ptrace(PTRACE_GETREGS, t->tid, NULL, &registers), 0);
	request->returns = (long)registers.orig_rax >= 0;
	take_registers(&request->registers, &registers);
	read_stack(t, size, request);
	assert_int_equal(ptrace(PTRACE_DETACH, t->tid, NULL, NULL), 0);
}

void target_peek(const struct target *t, size_t size, struct symbols_request *request)
{
	unsigned long v[8];
	int number;
	assert_true(read_call(t, &number, v));
	*request = (struct symbols_request){ .pid = t->pid, .kind = SYMBOLS_SAMPLE, .returns = true };
	request->registers = (struct symbols_registers){ .rip = v[7], .rsp = v[6], .rdi = v[0] };
	read_stack(t, size, request);
}

void target_ask(struct symbols *symbols, const struct symbols_request *request, struct symbols_answer *answer)
{
	struct symbols_request keyed = *request;
	static uint64_t keys;
	int64_t end = test_now() + PATIENCE_NS;
	keyed.key = ++keys;
	assert_int_equal(symbols_submit(symbols, &keyed), 0);
	while (!symbols_collect(symbols, answer)) {
		assert_true(test_now() < end);
		symbols_wait(symbols, 1000);
	}
	assert_int_equal(answer->key, keyed.key);
	assert_int_equal(answer->pid, request->pid);
}

void target_sample(struct symbols *symbols, struct target *t, const char *program, const char *chain,
		   const char *argument, struct symbols_answer *answer)
{
	struct symbols_request request;
	target_start(t, program, chain, argument);
	target_wait_blocked(t, SYS_read);
	target_capture(t, SAMPLE, &request);
	target_ask(symbols, &request, answer);
}

void target_print(const struct symbols_answer *a)
{
	char text[512];
	print_message("status %d, location %d%s\n", a->status, a->location, a->truncated ? ", truncated" : "");
	for (unsigned i = 0; i < a->frames; i++)
		print_message("  #%u %d%s %s (%s+0x%lx)\n", i, a->frame[i].owner, a->frame[i].inlined ? " inlined" : "",
			      symbols_format(&a->frame[i], text, sizeof(text)), a->frame[i].module,
			      (unsigned long)a->frame[i].offset);
}

void target_assert_frame(const struct symbols_frame *f, const char *function, const char *mark)
{
	assert_string_equal(f->function, function);
	assert_string_equal(f->file, PLANTED);
	assert_int_equal(f->line, test_source_line(PLANTED, mark));
	assert_int_equal(f->owner, SYMBOLS_USER);
}

void target_assert_location(const struct symbols_answer *a, const char *function, const char *mark)
{
	if (a->location < 0)
		target_print(a);
	assert_int_equal(a->status, SYMBOLS_RESOLVED);
	assert_true(a->location >= 0 && a->location < (int)a->frames);
	target_assert_frame(symbols_location(a), function, mark);
	for (int i = 0; i < a->location; i++)
		assert_int_not_equal(a->frame[i].owner, SYMBOLS_USER);
}
