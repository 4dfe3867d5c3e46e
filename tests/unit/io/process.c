/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Child processes: what they get, how they end, and that none is left of a spawn that was given up. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "io/offload.h"

#define NO_FORK "a process with threads that qemu-user forks may hang"

#define OPTIONS(...)   (&(struct sley_process_options){ .size = sizeof(struct sley_process_options), ##__VA_ARGS__ })
#define ARGUMENTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SHELL(script)  ARGUMENTS("sh", "-c", script)

static struct sley_process spawn(const char *const *argv, const struct sley_process_options *options)
{
	struct sley_process process;
	REQUIRE(sley_process_spawn(&process, argv, options, SOON) == 0);
	REQUIRE(process.pid > 0 && process.pidfd >= 0);
	REQUIRE(fcntl(process.pidfd, F_GETFD) & FD_CLOEXEC);
	return process;
}

static int wait_for(struct sley_process *process)
{
	int status = -1;
	REQUIRE(sley_process_wait(process, &status, SOON) == 0);
	return status;
}

/* All that comes from the descriptor, as text. */
static void read_all(int fd, char *text, size_t size)
{
	ssize_t n = sley_read_full(fd, text, size - 1, SOON);
	REQUIRE(n >= 0);
	text[n] = '\0';
}

/* What the program writes to its standard output; it must go well. */
static void output_of(const char *const *argv, struct sley_process_options options, char *text, size_t size)
{
	options.out = SLEY_STDIO_PIPE;
	struct sley_process process = spawn(argv, &options);
	REQUIRE(process.in == -1 && process.err == -1 && process.out >= 0);
	read_all(process.out, text, size);
	REQUIRE(wait_for(&process) == 0);
	REQUIRE(sley_process_close(&process) == 0);
}

/* ---- ends ---- */

static int main_status(void *arg)
{
	struct sley_process process = spawn(ARGUMENTS("/bin/true"), NULL);
	int status = -1;
	REQUIRE(process.in == -1 && process.out == -1 && process.err == -1);
	REQUIRE(wait_for(&process) == 0);
	REQUIRE(sley_process_wait(&process, NULL, 0) == 0 && wait_for(&process) == 0); /* again */
	REQUIRE(sley_process_kill(&process, SIGTERM) == -ESRCH);
	REQUIRE(sley_process_close(&process) == 0 && sley_process_close(&process) == 0);
	REQUIRE(process.pidfd == -1 && wait_for(&process) == 0); /* the status is known */
	process = spawn(SHELL("exit 255"), OPTIONS());
	status = wait_for(&process);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 255);
	REQUIRE(sley_process_close(&process) == 0);
	process = spawn(SHELL("kill -TERM $$"), NULL);
	status = wait_for(&process);
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && !WCOREDUMP(status));
	REQUIRE(sley_process_close(&process) == 0);
	process = spawn(SHELL("exit 3"), NULL);
	REQUIRE(waitpid(process.pid, NULL, 0) == process.pid); /* behind our back */
	REQUIRE(sley_process_wait(&process, NULL, SOON) == -ESRCH && sley_process_kill(&process, 0) == -ESRCH);
	REQUIRE(sley_process_close(&process) == 0);
	REQUIRE(sley_process_wait(&process, NULL, SOON) == -EBADF && sley_process_kill(&process, 0) == -EBADF);
	return 0;
}

/* Exit codes and signals; a status that another has taken, and a process that was closed, are said to be so. */
TEST(status)
{
	test_need_kernel(NO_FORK);
	run(main_status, 1);
	run(main_status, 2);
}

static int waited;

static void wait_for_child(void *process)
{
	waited = sley_process_wait(process, NULL, SLEY_NEVER);
}

static int main_wait(void *arg)
{
	static struct sley_process process;
	int status;
	process = spawn(ARGUMENTS("sleep", "1000"), NULL);
	REQUIRE(sley_process_wait(&process, &status, 0) == -ETIMEDOUT);
	REQUIRE(sley_process_wait(&process, &status, sley_in(SLEY_MS(2))) == -ETIMEDOUT);
	REQUIRE(sley_process_kill(&process, 0) == 0);
	sley_task task = sley_spawn(wait_for_child, &process);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_PROCESS);
	REQUIRE(load(&record_of(task)->wait_object, relaxed) == (uint64_t)process.pidfd);
	REQUIRE(sley_process_wait(&process, &status, SOON) == -EBUSY);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && waited == -ECANCELED);
	task = sley_spawn(wait_for_child, &process);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_PROCESS);
	REQUIRE(sley_process_kill(&process, 1000) == -EINVAL);
	REQUIRE(sley_process_kill(&process, SIGINT) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && waited == 0);
	status = wait_for(&process);
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	REQUIRE(sley_process_close(&process) == 0);
	return 0;
}

/* A wait for a child ends by its end, the deadline or a cancellation, and leaves the child alone. */
TEST(wait)
{
	test_need_kernel(NO_FORK);
	run(main_wait, 1);
	run(main_wait, 2);
}

/* ---- standard descriptors ---- */

static int main_pipes(void *arg)
{
	char text[256], *large = malloc(300000), *back = malloc(300000);
	struct sley_process process = spawn(ARGUMENTS("cat"), OPTIONS(.in = SLEY_STDIO_PIPE, .out = SLEY_STDIO_PIPE));
	REQUIRE(process.in >= 0 && process.out >= 0 && process.err == -1);
	REQUIRE(fcntl(process.in, F_GETFD) & FD_CLOEXEC && fcntl(process.in, F_GETFL) & O_NONBLOCK);
	for (unsigned i = 0; i < 300000; i++)
		large[i] = (char)(i * 7 >> 4);
	for (size_t done = 0; done < 300000;) { /* as much as the pipes and the cat hold */
		size_t n = 300000 - done < 30000 ? 300000 - done : 30000;
		REQUIRE(sley_write_full(process.in, large + done, n, SOON) == (ssize_t)n);
		REQUIRE(sley_read_full(process.out, back + done, n, SOON) == (ssize_t)n);
		done += n;
	}
	REQUIRE(memcmp(large, back, 300000) == 0);
	REQUIRE(sley_close(process.in) == 0);
	process.in = -1;
	REQUIRE(sley_read(process.out, text, sizeof(text), SOON) == 0);
	REQUIRE(wait_for(&process) == 0 && sley_process_close(&process) == 0);
	free(large);
	free(back);

	process = spawn(SHELL("echo out; echo err >&2"), OPTIONS(.out = SLEY_STDIO_PIPE, .err = SLEY_STDIO_PIPE));
	read_all(process.out, text, sizeof(text));
	REQUIRE(strcmp(text, "out\n") == 0);
	read_all(process.err, text, sizeof(text));
	REQUIRE(strcmp(text, "err\n") == 0);
	REQUIRE(wait_for(&process) == 0 && sley_process_close(&process) == 0);

	output_of(SHELL("echo out; echo err >&2"), *OPTIONS(.err = SLEY_STDIO_OUT), text, sizeof(text));
	REQUIRE(strcmp(text, "out\nerr\n") == 0);
	output_of(SHELL("read x || echo end; echo lost >&2"), *OPTIONS(.in = SLEY_STDIO_NULL, .err = SLEY_STDIO_NULL),
		  text, sizeof(text));
	REQUIRE(strcmp(text, "end\n") == 0);
	return 0;
}

/* Pipes, /dev/null, and both outputs together. */
TEST(pipes)
{
	test_need_kernel(NO_FORK);
	run(main_pipes, 1);
	run(main_pipes, 2);
}

static void text_of(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);
	REQUIRE(n >= 0);
	text[n] = '\0';
}

static int main_given(void *arg)
{
	char text[64];
	int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	REQUIRE(pwrite(in, "hello\n", 6, 0) == 6);
	struct sley_process process = spawn(ARGUMENTS("cat"), OPTIONS(.in = in, .out = out));
	REQUIRE(wait_for(&process) == 0 && sley_process_close(&process) == 0);
	text_of(out, text, sizeof(text));
	REQUIRE(strcmp(text, "hello\n") == 0);
	REQUIRE(fcntl(in, F_GETFD) >= 0 && fcntl(out, F_GETFD) >= 0); /* still the caller's */
	REQUIRE(close(in) == 0 && close(out) == 0);

	/* standard output and error exchanged: each is the source of the other */
	int old[2] = { dup(1), dup(2) }, files[2] = { memfd_create("1", 0), memfd_create("2", 0) };
	fflush(NULL);
	REQUIRE(dup2(files[0], 1) == 1 && dup2(files[1], 2) == 2);
	int error = sley_process_spawn(&process, SHELL("echo out; echo err >&2"), OPTIONS(.out = 2, .err = 1), SOON);
	int ended = error ? error : sley_process_wait(&process, NULL, SOON);
	dup2(old[0], 1);
	dup2(old[1], 2);
	REQUIRE(error == 0 && ended == 0 && sley_process_close(&process) == 0);
	text_of(files[0], text, sizeof(text));
	REQUIRE(strcmp(text, "err\n") == 0);
	text_of(files[1], text, sizeof(text));
	REQUIRE(strcmp(text, "out\n") == 0);
	close(old[0]), close(old[1]), close(files[0]), close(files[1]);

	/* our own standard input is closed: the next descriptors get its number */
	int stdin_copy = dup(0);
	close(0);
	process = spawn(SHELL("read x; echo $x"), OPTIONS(.in = SLEY_STDIO_PIPE, .out = SLEY_STDIO_PIPE));
	REQUIRE(process.in > 2 && process.out > 2);
	REQUIRE(sley_write_full(process.in, "yes\n", 4, SOON) == 4);
	read_all(process.out, text, sizeof(text));
	REQUIRE(strcmp(text, "yes\n") == 0);
	REQUIRE(wait_for(&process) == 0 && sley_process_close(&process) == 0);
	if (stdin_copy >= 0) {
		REQUIRE(dup2(stdin_copy, 0) == 0);
		close(stdin_copy);
	}
	return 0;
}

/* Descriptors of ours, in every order. */
TEST(given)
{
	test_need_kernel(NO_FORK);
	run(main_given, 1);
}

/* ---- what it starts with ---- */

/* Changes of our environment, and of one that is given: set, replaced, taken out; the last for a name counts. */
static void changed_environment(char *text, size_t size)
{
	static char *const env[] = { "COLOUR=blue", "COL=1", "EMPTY=", NULL }, *const none[] = { NULL };
	static char *const changes[] = { "COLOUR=red", "NEW=a=b", "EMPTY", "NEW=c", "GONE", NULL };
	struct sley_process_options before = *OPTIONS(.env = env);
	before.size =
		offsetof(struct sley_process_options, env_changes); /* as a program that was built with it before */
	output_of(ARGUMENTS("env"), *OPTIONS(.env = env, .env_changes = changes), text, size);
	REQUIRE(strcmp(text, "COL=1\nCOLOUR=red\nNEW=c\n") == 0);
	output_of(SHELL("echo $SLEY_TEST_VARIABLE $NEW"), *OPTIONS(.env_changes = changes), text, size);
	REQUIRE(strcmp(text, "inherited c\n") == 0);
	output_of(ARGUMENTS("env"), *OPTIONS(.env = env, .env_changes = none), text, size);
	REQUIRE(strcmp(text, "COLOUR=blue\nCOL=1\nEMPTY=\n") == 0);
	output_of(ARGUMENTS("env"), before, text, size);
	REQUIRE(strcmp(text, "COLOUR=blue\nCOL=1\nEMPTY=\n") == 0);
}

static int main_surroundings(void *arg)
{
	static char *const env[] = { "COLOUR=blue", "EMPTY=", NULL };
	char text[4096];
	int leaky = open("/dev/null", O_RDONLY), expected = 0; /* not close-on-exec */
	REQUIRE(leaky > 2);
	output_of(SHELL("echo $COLOUR${EMPTY-none}$HOME; pwd"), *OPTIONS(.env = env, .cwd = "/usr/bin"), text,
		  sizeof(text));
	REQUIRE(strcmp(text, "blue\n/usr/bin\n") == 0);
	setenv("SLEY_TEST_VARIABLE", "inherited", 1);
	output_of(SHELL("echo $SLEY_TEST_VARIABLE"), *OPTIONS(), text, sizeof(text));
	REQUIRE(strcmp(text, "inherited\n") == 0);
	changed_environment(text, sizeof(text));
	output_of(ARGUMENTS("ls", "/proc/self/fd"), *OPTIONS(), text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		expected += atoi(line) <= 3 ? 1 : 100; /* 3 is the directory itself */
	REQUIRE(expected == 4);
	close(leaky);
	output_of(ARGUMENTS("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"), *OPTIONS(), text, sizeof(text));
	REQUIRE(strstr(text, "SigBlk:\t0000000000000000\n") != NULL);
	unsigned long long ignored = strtoull(strstr(text, "SigIgn:") + 7, NULL, 16);
	REQUIRE(!(ignored & 1ull << (SIGPIPE - 1)) && ignored & 1ull << (SIGHUP - 1));

	struct sley_process process = spawn(SHELL("sleep 1000 & wait"), OPTIONS(.group = 1));
	REQUIRE(getpgid(process.pid) == process.pid);
	REQUIRE(kill(-process.pid, SIGKILL) == 0);
	REQUIRE(WIFSIGNALED(wait_for(&process)) && sley_process_close(&process) == 0);
	process = spawn(ARGUMENTS("sleep", "1000"), NULL);
	REQUIRE(getpgid(process.pid) == getpgid(0));
	REQUIRE(sley_process_kill(&process, SIGKILL) == 0);
	REQUIRE(WIFSIGNALED(wait_for(&process)) && sley_process_close(&process) == 0);
	return 0;
}

/* Environment, directory, descriptors, signals and process group. */
TEST(surroundings)
{
	test_need_kernel(NO_FORK);
	sigset_t set;
	struct sley_options o = { .size = sizeof(o), .workers = 2, .signals = &set };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, pipe_before, hup_before;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1); /* blocked in all threads, and still not in the child */
	sigaction(SIGPIPE, &ignore, &pipe_before);
	sigaction(SIGHUP, &ignore, &hup_before);
	run_with(main_surroundings, NULL, &o);
	sigaction(SIGPIPE, &pipe_before, NULL);
	sigaction(SIGHUP, &hup_before, NULL);
}

/* ---- errors ---- */

static int fails(const char *const *argv, const struct sley_process_options *options)
{
	struct sley_process process = { .pid = 1, .pidfd = 1, .in = 1, .out = 1, .err = 1 };
	int error = sley_process_spawn(&process, argv, options, SOON);
	REQUIRE(error < 0);
	REQUIRE(process.pid == 0 && process.pidfd == -1 && process.in == -1 && process.out == -1 && process.err == -1);
	return error;
}

static int fails_without_descriptors(const char *const *argv, const struct sley_process_options *options)
{
	struct rlimit old, low;
	int next = dup(2);
	REQUIRE(close(next) == 0 && getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	low.rlim_cur = (rlim_t)next;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
	int error = fails(argv, options);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	return error;
}

/* An executable file that is no program, not even a script: its name. */
static void make_no_program(char name[32])
{
	strcpy(name, "/tmp/sley-test-XXXXXX");
	int fd = mkstemp(name);

	REQUIRE(fd >= 0 && write(fd, "\x7f", 1) == 1 && fchmod(fd, 0700) == 0 && close(fd) == 0);
}

static int main_errors(void *arg)
{
	struct sley_process process;
	struct sley_process_options wrong = *OPTIONS();
	const char *const *true_argv = ARGUMENTS("true");
	char *large = malloc((8 << 20) + 1), long_name[5000];
	char script[32];
	int closed = dup(2);
	make_no_program(script);

	close(closed);
	wrong.size--;
	memset(large, 'x', 8 << 20);
	large[8 << 20] = '\0';
	memset(long_name, '/', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	unsigned before = open_descriptors();
	REQUIRE(sley_process_spawn(NULL, true_argv, NULL, SOON) == -EFAULT);
	REQUIRE(sley_process_spawn(&process, NULL, NULL, SOON) == -EFAULT);
	REQUIRE(fails((const char *const[]){ NULL }, NULL) == -EINVAL);
	REQUIRE(fails(true_argv, &wrong) == -EINVAL);
	REQUIRE(fails(true_argv, OPTIONS(.in = -3)) == -EINVAL && fails(true_argv, OPTIONS(.out = -3)) == -EINVAL);
	REQUIRE(fails(true_argv, OPTIONS(.err = -4)) == -EINVAL);
	REQUIRE(fails(true_argv, OPTIONS(.in = closed)) == -EBADF &&
		fails(true_argv, OPTIONS(.err = INT32_MAX)) == -EBADF);
	REQUIRE(fails(ARGUMENTS("sley-no-such-program"), OPTIONS(.in = SLEY_STDIO_PIPE)) == -ENOENT);
	REQUIRE(fails(ARGUMENTS("/dev/null"), OPTIONS(.out = SLEY_STDIO_NULL)) == -EACCES);
	REQUIRE(fails(ARGUMENTS(""), NULL) == -ENOENT);
	REQUIRE(fails(true_argv, OPTIONS(.cwd = "/nonexistent")) == -ENOENT);
	REQUIRE(fails(true_argv, OPTIONS(.cwd = long_name)) == -ENAMETOOLONG);
	REQUIRE(fails(ARGUMENTS("true", large), NULL) == -E2BIG);
	REQUIRE(fails(true_argv, OPTIONS(.env_changes = (char *const[]){ large, NULL })) == -E2BIG);
	large[4 << 20] = '\0';
	REQUIRE(fails(ARGUMENTS("true", large), NULL) == -E2BIG); /* the kernel's own limit */
	REQUIRE(fails(true_argv, OPTIONS(.env = (char *const[]){ large, large + 100, NULL })) == -E2BIG);
	REQUIRE(fails(ARGUMENTS(script), NULL) == -ENOEXEC);
	REQUIRE(fails_without_descriptors(true_argv, OPTIONS(.in = SLEY_STDIO_PIPE)) == -EMFILE);
	REQUIRE(fails_without_descriptors(true_argv, NULL) == -EMFILE); /* it was started by then, and is killed */
	REQUIRE(sley_process_spawn(&process, true_argv, NULL, 0) == -ETIMEDOUT && process.pidfd == -1);
	REQUIRE(sley_process_wait(NULL, NULL, SOON) == -EFAULT && sley_process_kill(NULL, 0) == -EFAULT);
	REQUIRE(sley_process_close(NULL) == -EFAULT);
	REQUIRE(open_descriptors() == before);
	REQUIRE(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD); /* no child is left of all that */
	REQUIRE(unlink(script) == 0);
	free(large);
	return 0;
}

/* Each error is the caller's to see, and leaves neither descriptors nor children. */
TEST(errors)
{
	test_need_kernel(NO_FORK);
	struct sley_process process = { .pidfd = -1 };

	run(main_errors, 1);
	assert_int_equal(sley_process_spawn(&process, ARGUMENTS("true"), NULL, SOON), -EDEADLK);
	assert_int_equal(sley_process_wait(&process, NULL, SOON), -EDEADLK);
	assert_int_equal(sley_process_kill(&process, 0), -ENOTCONN);
	assert_int_equal(sley_process_close(&process), -ENOTCONN);
}

/* As another user, in this thread alone (setresuid(2) would do it in all). */
static int kill_as_nobody(const struct sley_process *process)
{
	REQUIRE(syscall(SYS_setresuid, 65534, 65534, 0) == 0);
	int error = sley_process_kill(process, SIGKILL);
	REQUIRE(syscall(SYS_setresuid, 0, 0, 0) == 0);
	return error;
}

static int main_not_allowed(void *arg)
{
	struct sley_process process = spawn(ARGUMENTS("cat"), OPTIONS(.in = SLEY_STDIO_PIPE));
	REQUIRE(kill_as_nobody(&process) == -EPERM);
	REQUIRE(sley_close(process.in) == 0);
	process.in = -1;
	REQUIRE(wait_for(&process) == 0);
	REQUIRE(sley_process_close(&process) == 0);
	return 0;
}

/* Who may not signal the child gets -EPERM, and nothing has happened to it. */
TEST(not_allowed)
{
	test_need_kernel(NO_FORK);
	test_need_root();
	run(main_not_allowed, 1);
}

/* ---- many, and given up ---- */

static void run_child(void *arg)
{
	char text[64], script[64];
	int number = (int)(intptr_t)arg;
	snprintf(script, sizeof(script), "read x; echo $x; exit %d", number);
	struct sley_process process = spawn(SHELL(script), OPTIONS(.in = SLEY_STDIO_PIPE, .out = SLEY_STDIO_PIPE));
	int n = snprintf(script, sizeof(script), "line %d\n", number);
	REQUIRE(sley_write_full(process.in, script, (size_t)n, SOON) == n);
	read_all(process.out, text, sizeof(text));
	REQUIRE(strcmp(text, script) == 0);
	int status = wait_for(&process);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == number);
	REQUIRE(sley_process_close(&process) == 0);
}

static int main_many(void *arg)
{
	enum { CHILDREN = 40 };
	sley_task tasks[CHILDREN];
	unsigned before = open_descriptors();
	for (intptr_t i = 0; i < CHILDREN; i++)
		tasks[i] = sley_spawn(run_child, (void *)i);
	for (unsigned i = 0; i < CHILDREN; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(open_descriptors() == before);
	return 0;
}

/* Many children at once: each is the one that its task talks to. */
TEST(many)
{
	test_need_kernel(NO_FORK);
	run(main_many, 1);
	run(main_many, 2);
}

/*
 * Deadlines against the spawn. Whatever wins, in the end no child is left, dead or alive, and no descriptor.
 */
static int main_race(void *arg)
{
	unsigned successes = 0;
	long n = test_scale(400);
	sley_time deadline = SOON;
	unsigned before = open_descriptors();
	for (long i = 0; i < n; i++) {
		struct sley_process process;
		int error = sley_process_spawn(&process, ARGUMENTS("sleep", "1000"), OPTIONS(.in = SLEY_STDIO_PIPE),
					       sley_in(SLEY_US(i * 37 % 2000)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		if (error)
			continue;
		successes++;
		REQUIRE(sley_process_kill(&process, SIGKILL) == 0);
		REQUIRE(WIFSIGNALED(wait_for(&process)) && sley_process_close(&process) == 0);
	}
	while (offload_active() > 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(open_descriptors() == before);
	REQUIRE(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	print_message("%u of %ld succeeded\n", successes, n);
	return 0;
}

TEST(race)
{
	test_need_kernel(NO_FORK);
	run(main_race, 1);
	run(main_race, 2);
}
