/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The row of sending without a copy, by size of the piece: sley_send_zerocopy() against sley_write_full(), over
 * loopback TCP to a process that throws the bytes away. What is measured is the CPU time of the sender, in
 * milliseconds per GB: sending, copying, and with zerocopy pinning the pages and taking the notifications too.
 *
 * Over loopback the kernel makes the copy after all, when the bytes arrive (SO_EE_CODE_ZEROCOPY_COPIED), in the
 * sender's time. So this is what the threshold of an automatic choice would have to be found from on this machine.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sley.h>

#define SIZES   4
#define TOTAL   ((size_t)1 << 30) /* bytes sent of each size */
#define WINDOW  ((size_t)4 << 20) /* bytes that may be unreleased */
#define LARGEST ((size_t)1 << 20)

static const size_t sizes[SIZES] = { 4 << 10, 64 << 10, 256 << 10, LARGEST };

struct zerocopy {
	char address[32];
	char *buffer;
	bool copies;
	size_t total;
	double *values;
};

/* Takes one connection after the other and throws away what comes, without copying it. */
__attribute__((noreturn)) static void discard(int listener)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		while (recv(fd, NULL, LARGEST, MSG_TRUNC) > 0)
			;
		close(fd);
	}
}

static double cpu_ms(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* Sends pieces of a size: 0, or an error. */
static int send_pieces(const struct zerocopy *z, int fd, size_t size)
{
	size_t unreleased = 0;
	for (size_t sent = 0; sent < z->total; sent += size) {
		ssize_t n = z->copies ? sley_write_full(fd, z->buffer, size, SLEY_NEVER)
				      : sley_send_zerocopy(fd, z->buffer, size, SLEY_NEVER);
		if (n < 0)
			return (int)n;
		unreleased += z->copies ? 0 : size;
		if (unreleased >= WINDOW) {
			int error = sley_zerocopy_wait(fd, SLEY_NEVER);
			if (error < 0)
				return error;
			unreleased = 0;
		}
	}
	return unreleased > 0 && sley_zerocopy_wait(fd, SLEY_NEVER) < 0 ? -EIO : 0;
}

static int zerocopy_main(void *arg)
{
	const struct zerocopy *z = arg;
	for (unsigned i = 0; i < SIZES; i++) {
		int fd = sley_dial(z->address, SLEY_NEVER);
		double before = cpu_ms();
		int error = fd < 0 ? fd : send_pieces(z, fd, sizes[i]);
		z->values[i] = (cpu_ms() - before) / ((double)z->total / 1e9);
		if (error < 0)
			return -error;
		sley_close(fd);
	}
	return 0;
}

static void run_zerocopy(const struct bench_run *run, double *values)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	struct zerocopy z = {
		.copies = strcmp(run->impl, "copy") == 0,
		.total = run->quick ? TOTAL / 64 : TOTAL,
		.values = values,
		.buffer = aligned_alloc(4096, LARGEST),
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (!z.buffer || bind(listener, (struct sockaddr *)&a, size) || listen(listener, SIZES) ||
	    getsockname(listener, (struct sockaddr *)&a, &size))
		bench_fail("no listener, or no memory");
	memset(z.buffer, 1, LARGEST);
	snprintf(z.address, sizeof(z.address), "127.0.0.1:%u", ntohs(a.sin_port));
	pid_t child = fork();
	if (child < 0)
		bench_fail("no child process");
	if (child == 0)
		discard(listener);
	bench_in_tasks(run, zerocopy_main, &z);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	free(z.buffer);
}

static const struct bench_row row_zerocopy = {
	.name = "zerocopy",
	.impls = { "sley", "copy" },
	.values = { { "zerocopy_4k", "ms/GB" },
		    { "zerocopy_64k", "ms/GB" },
		    { "zerocopy_256k", "ms/GB" },
		    { "zerocopy_1m", "ms/GB" } },
	.kind = BENCH_ONE_CPU,
	.run = run_zerocopy,
};

const struct bench_row *const bench_zerocopy_rows[] = { &row_zerocopy, NULL };
