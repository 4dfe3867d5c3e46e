/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_run() where something is missing that a process usually has, each in a process of its own. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "tests/unit/refuse.h"

/* ---- standard descriptors ---- */

#define HIGHEST 100

/* The open ones of 3 and up are close-on-exec: how many there are. */
static unsigned private_descriptors(void)
{
	unsigned n = 0;
	for (int fd = 3; fd < HIGHEST; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0)
			continue;
		REQUIRE(flags & FD_CLOEXEC);
		n++;
	}
	return n;
}

static void echo(void *arg)
{
	const int *fd = arg;
	char c;
	REQUIRE(sley_read(*fd, &c, 1, SOON) == 1);
	REQUIRE(sley_write(*fd, &c, 1, SOON) == 1);
}

static void read_one(void *arg)
{
	char c;
	REQUIRE(sley_read(*(int *)arg, &c, 1, SOON) == 1);
}

static void by_pointer(void *arg)
{
}

/* Makes sley complain. */
static void complained(void *arg)
{
	int local;
	REQUIRE(sley_go(by_pointer, &local) == -EFAULT);
}

/* What a daemon does: the numbers become its log, then /dev/null. Events come all the same, and the log has no line of ours. */
static int main_daemon(void *arg)
{
	static int pair[2];
	struct stat status;
	char c = 'x';
	sigset_t set;
	int log = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	for (int fd = 0; fd < 3; fd++)
		REQUIRE(dup2(log, fd) == fd);
	sley_task task = sley_spawn(complained, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	complain("something is wrong");
	REQUIRE(fstat(log, &status) == 0 && status.st_size == 0);
	close(log);
	log = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		REQUIRE(dup2(log, fd) == fd);
	close(log);

	REQUIRE(sley_socketpair(SOCK_STREAM, pair) == 0);
	task = sley_spawn(echo, &pair[1]);
	sley_sleep(sley_in(SLEY_MS(2)));
	REQUIRE(sley_write(pair[0], &c, 1, SOON) == 1);
	REQUIRE(sley_read(pair[0], &c, 1, SOON) == 1);
	REQUIRE(sley_join(task, SOON) == 0);
	sley_close(pair[0]);
	sley_close(pair[1]);

	/* those that calls make for the service are its own standard descriptors no more than the others */
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	int signals = sley_signal_open(&set);
	REQUIRE(signals > 2);
	sley_close(signals);
	struct sley_process process;
	static const char *const argv[] = { "true", NULL };
	REQUIRE(sley_process_spawn(&process, argv, NULL, SOON) == 0 && process.pidfd > 2);
	REQUIRE(sley_process_wait(&process, NULL, SOON) == 0);
	sley_process_close(&process);
	return 0;
}

static int scenario_closed(void)
{
	sigset_t set;
	struct sley_options o = { .size = sizeof(o), .workers = 2, .signals = &set };
	int result = -1;
	for (int fd = 3; fd < HIGHEST; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* inherited ones */
	unsigned before = private_descriptors();

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sley_run(main_daemon, NULL, &o, &result) != 0 || result != 0)
		return 1;
	/* the region's two stay for the process's life */
	return private_descriptors() == before + 2 && fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0 ? 0 : 2;
}

/* Started with 0, 1 and 2 closed. */
TEST(closed)
{
	char text[4096];
	test_need_kernel("qemu-user has descriptors of its own");
	assert_int_equal(scenario_run("closed", text, sizeof(text)), 0);
}

/* ---- no memfd ---- */

static int main_unseen(void *arg)
{
	static int pair[2];
	char text[4096] = "", c = 'x';
	REQUIRE(sley_pipe(pair) == 0);
	sley_task task = sley_spawn(read_one, &pair[0]);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	FILE *file = tmpfile();
	if (file) {
		REQUIRE(sley_dump(fileno(file)) == 0);
		REQUIRE(pread(fileno(file), text, sizeof(text) - 1, 0) > 0);
		REQUIRE(occurrences(text, "read_one") > 0);
		fclose(file);
	}
	REQUIRE(sley_write(pair[1], &c, 1, SOON) == 1 && sley_join(task, SOON) == 0);
	sley_close(pair[0]);
	sley_close(pair[1]);
	return 0;
}

/* Twice: it is said once. */
static int run_unseen(void)
{
	for (int i = 0; i < 2; i++) {
		int result = -1, error = sley_run(main_unseen, NULL, NULL, &result);
		if (error || result)
			return 1;
	}
	return 0;
}

static int scenario_no_memfd(void)
{
	static const struct call memfd_create = { "memfd_create", SYS_memfd_create, 0, 0 };
	refuse(&memfd_create, atoi(getenv("REFUSED_WITH")));
	return run_unseen();
}

static int scenario_file_size(void)
{
	struct rlimit low = { 1 << 20, 1 << 20 };
	REQUIRE(setrlimit(RLIMIT_FSIZE, &low) == 0);
	return run_unseen();
}

/* However it comes that there is no memfd, the run is just not seen by tools. */
TEST(no_memfd)
{
	static const char *const errors[] = { "1" /* EPERM */, "38" /* ENOSYS */, "24" /* EMFILE */,
					      "23" /* ENFILE */ };
	char text[4096];
	test_need_kernel("qemu-user knows no filters");
	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		setenv("REFUSED_WITH", errors[i], 1);
		assert_int_equal(scenario_run("no_memfd", text, sizeof(text)), 0);
		assert_said(text, "asynctop cannot see this process", 1);
	}
	assert_int_equal(scenario_run("file_size", text, sizeof(text)), 0);
	assert_said(text, "asynctop cannot see this process", 1);
}

/* ---- descriptors that are none ---- */

/* -EBADF, at once, and nothing is allocated for a number that is high. */
TASK_TEST(no_descriptor, 2)
{
	const int numbers[] = { -1, INT_MIN, INT_MAX, 1 << 24, 1 << 22, 5000 };
	char bytes[8];
	struct iovec v = { bytes, sizeof(bytes) };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1 };
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int fd = numbers[i];
		REQUIRE(sley_read(fd, bytes, 8, SOON) == -EBADF && sley_write(fd, bytes, 8, SOON) == -EBADF);
		REQUIRE(sley_readv(fd, &v, 1, SOON) == -EBADF && sley_writev(fd, &v, 1, SOON) == -EBADF);
		REQUIRE(sley_recv(fd, bytes, 8, 0, SOON) == -EBADF && sley_send(fd, bytes, 8, 0, SOON) == -EBADF);
		REQUIRE(sley_recvmsg(fd, &message, 0, SOON) == -EBADF);
		REQUIRE(sley_sendmsg(fd, &message, 0, SOON) == -EBADF);
		REQUIRE(sley_accept(fd, SOON) == -EBADF);
		REQUIRE(sley_poll(fd, POLLIN, SOON) == -EBADF);
		REQUIRE(sley_own(fd) == -EBADF && sley_close(fd) == -EBADF);
		REQUIRE(sley_pread(fd, bytes, 8, 0, SOON) == -EBADF && sley_fsync(fd, SOON) == -EBADF);
		REQUIRE(sley_sendfile(fd, fd, NULL, 8, SOON) == -EBADF);
		REQUIRE(sley_splice(fd, NULL, fd, NULL, 8, 0, SOON) == -EBADF);
		REQUIRE(sley_dump(fd) == -EBADF);
	}
	getrusage(RUSAGE_SELF, &after);
	REQUIRE(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB: no table was made for them */
}

/* ---- signals that writing raises ---- */

#define FILE_LIMIT 64

static void do_nothing(void *block)
{
}

static void expect_too_large(int file, const char *name)
{
	int ends[2], source = open("/proc/self/exe", O_RDONLY);
	char bytes[FILE_LIMIT] = { 0 };
	loff_t offset = FILE_LIMIT;
	REQUIRE(source >= 0 && sley_pipe(ends) == 0 && sley_write(ends[1], "x", 1, SOON) == 1);
	REQUIRE(sley_pwrite(file, bytes, sizeof(bytes), 0, SOON) == FILE_LIMIT);
	REQUIRE(sley_pwrite(file, bytes, sizeof(bytes), FILE_LIMIT, SOON) == -EFBIG);
	REQUIRE(sley_write(file, bytes, sizeof(bytes), SOON) == FILE_LIMIT);
	REQUIRE(sley_write(file, bytes, sizeof(bytes), SOON) == -EFBIG);
	REQUIRE(sley_ftruncate(file, FILE_LIMIT + 1, SOON) == -EFBIG);
	REQUIRE(sley_truncate(name, FILE_LIMIT + 1, SOON) == -EFBIG);
	REQUIRE(sley_sendfile(file, source, NULL, 1, SOON) == -EFBIG);
	REQUIRE(sley_splice(ends[0], NULL, file, &offset, 1, 0, SOON) == -EFBIG);
	sley_close(ends[0]);
	sley_close(ends[1]);
	sley_close(source);
}

static int main_raises(void *arg)
{
	char name[] = "/tmp/sley-start.XXXXXX";
	int file = mkstemp(name), broken[2];
	REQUIRE(file >= 0);
	expect_too_large(file, name);
	unlink(name);
	for (int i = 0; i < 4; i++) /* on the same thread, with the signals of all threads */
		REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
	REQUIRE(lseek(file, FILE_LIMIT, SEEK_SET) == FILE_LIMIT && sley_dump(file) == -EFBIG);
	REQUIRE(dup2(file, STDERR_FILENO) == STDERR_FILENO);
	complain("the runtime says something");
	REQUIRE(pipe(broken) == 0 && close(broken[0]) == 0 && sley_dump(broken[1]) == -EPIPE);
	REQUIRE(dup2(broken[1], STDERR_FILENO) == STDERR_FILENO);
	complain("the runtime says something");
	return 0;
}

static int scenario_raises(void)
{
	const struct rlimit low = { FILE_LIMIT, RLIM_INFINITY };
	int result = -1;
	REQUIRE(setrlimit(RLIMIT_FSIZE, &low) == 0);
	return sley_run(main_raises, NULL, NULL, &result) || result;
}

/* No write of the runtime's ends the process: by SIGXFSZ, also not later on, or by SIGPIPE; not that of a line either. */
TEST(raises)
{
	char text[4096];
	test_need_kernel("qemu-user does not know RLIMIT_FSIZE");
	assert_int_equal(scenario_run("raises", text, sizeof(text)), 0);
}

/* ---- the descriptor table ---- */

/* How many descriptors the kernel's table has room for. */
static int main_table(void *arg)
{
	char line[256];
	unsigned size = 0;
	FILE *status = fopen("/proc/self/status", "re");
	REQUIRE(status);
	while (size == 0 && fgets(line, sizeof(line), status))
		sscanf(line, "FDSize: %u", &size);
	fclose(status);
	return size >= 1024 ? 0 : 1;
}

static int scenario_table(void)
{
	struct rlimit enough = { 1024, 1024 };
	int result = -1;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &enough) == 0);
	return sley_run(main_table, NULL, NULL, &result) != 0 || result != 0;
}

/* A run makes the table as large as it may become: one that grows holds up the threads. */
TEST(table)
{
	char text[4096];
	test_need_kernel("qemu-user has descriptors of its own");
	assert_int_equal(scenario_run("table", text, sizeof(text)), 0);
}

static const struct scenario scenarios[] = {
	{ "table", scenario_table },         { "raises", scenario_raises }, { "no_memfd", scenario_no_memfd },
	{ "file_size", scenario_file_size }, { "closed", scenario_closed }, { NULL, NULL },
};

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
