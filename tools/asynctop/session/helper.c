/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The program of the runtime's source bpf, for a process that has no privilege to load it: its levels and its bell go to the
 * control page (struct sley_control), where a thread of the runtime listens.
 *
 *   the kernel ──► levels, bell ──► this process ──► control page, futex ──► the runtime's listener ──► a spare
 *
 * The process may be hostile. Its header and its lines are read as everywhere (source/region.h); what they say only makes
 * the program read other words of that process itself. The control page is written through a mapping, as a write at each
 * block would take the lock of the inode, which the process may hold. The mapping is safe: the memfd cannot shrink, which
 * is looked at. A page that the process takes away (a hole) is given anew. While it does that, this process waits, and
 * nobody else: a helper serves one process. What is written there are numbers of dispatches.
 */
#include "session/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assist.h"
#include "session/session.h"
#include "source/look.h"
#include "source/process.h"
#include "source/tracer.h"

#define LEASE_NS  3000000000LL
#define RENEW_NS  1000000000LL
#define REST_MS   100 /* between looks at the worker table while nothing rings */
#define CLOSE_MS  2   /* the same after a bell: the runtime makes spares then */
#define CLOSE_MAX 10  /* looks that are so close */

struct helper {
	struct process process;
	struct sley_control *control;
	struct assist *assist;
	const uint64_t *levels;
	int64_t lease_ns; /* that was taken last */
	uint32_t count;   /* workers */
	struct sley_region_worker lines[SLEY_REGION_WORKERS];
};

static int say_why(const struct helper *h, int code, const char *why)
{
	fprintf(stderr, "asynctop: process %d: %s\n", (int)h->process.pid, why);
	return code;
}

/* ---- the channel ---- */

static int open_channel(struct helper *h)
{
	int fd = h->process.control.fd, seals;
	struct stat status;
	char why[256];
	void *page;
	if (fd < 0) {
		snprintf(why, sizeof(why), "its control page cannot be opened for writing: %s; be its user or root",
			 strerror(h->process.control.error));
		return say_why(h, EXIT_PRIVILEGE, why);
	}
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) != 0 || status.st_size < SLEY_CONTROL_SIZE)
		return say_why(h, EXIT_TARGET, "its control page is not valid");
	page = mmap(NULL, SLEY_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return say_why(h, EXIT_RUNTIME, strerror(errno));
	h->control = page;
	if (__atomic_load_n(&h->control->helper_ns, __ATOMIC_RELAXED) > session_now() + h->process.ahead_ns)
		return say_why(h, EXIT_RUNTIME, "another helper is there, or was a moment ago");
	return EXIT_FINE;
}

static void renew(struct helper *h, int64_t now)
{
	h->lease_ns = now + LEASE_NS;
	__atomic_store_n(&h->control->helper_ns, h->lease_ns + h->process.ahead_ns, __ATOMIC_RELAXED);
}

static void ring(struct helper *h)
{
	__atomic_fetch_add(&h->control->bell, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &h->control->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void forward(struct helper *h)
{
	uint64_t *words = (void *)((char *)h->control + SLEY_CONTROL_WORDS);
	for (uint32_t i = 0; i < h->count; i++)
		__atomic_store_n(&words[i], __atomic_load_n(&h->levels[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	ring(h);
}

/* The lease is another's only if that one did not look at ours. */
static void give_back(struct helper *h)
{
	int64_t ours = h->lease_ns;
	if (!ours)
		return;
	if (__atomic_compare_exchange_n(&h->control->helper_ns, &ours, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		ring(h);
}

/* ---- the program ---- */

static int open_program(struct helper *h)
{
	const struct sley_region_header *header = &h->process.region.header;
	const struct assist_place place = {
		.lines = header->address + header->workers.offset,
		.stride = header->workers.stride,
		.poller = header->poller,
		.global_length = header->global_length,
	};
	char why[256];
	int error = sley_assist_library.open(&h->assist, h->process.pidfd, &place);
	if (error) {
		error = tracer_explain(error, why, sizeof(why));
		return say_why(h, error == -EPERM ? EXIT_PRIVILEGE : EXIT_RUNTIME, why);
	}
	h->levels = sley_assist_library.levels(h->assist);
	return EXIT_FINE;
}

/* Has new workers watched. False: the region is not to be had any more. */
static bool watch_workers(struct helper *h)
{
	int n;
	if (region_refresh(&h->process.region) != REGION_OK)
		return false;
	n = region_workers(&h->process.region, h->lines);
	if (n < 0)
		return false;
	h->count = (uint32_t)n;
	return sley_assist_library.watch(h->assist, h->lines, h->count) >= 0 || process_alive(&h->process);
}

/* ---- the loop ---- */

/* False: there is nobody to help any more. */
static bool is_due(struct helper *h, int64_t now)
{
	if (now < h->lease_ns - LEASE_NS + RENEW_NS)
		return true;
	if (!process_current(&h->process))
		return false;
	renew(h, now);
	return true;
}

static int assist_process(struct helper *h, const volatile sig_atomic_t *stop)
{
	int close_looks = 0;
	renew(h, session_now());
	while (!*stop) {
		int64_t before = session_now();
		int timeout = close_looks > 0 ? CLOSE_MS : REST_MS;
		if (!watch_workers(h) || !is_due(h, before))
			return say_why(h, EXIT_TARGET, "it has ended, or runs another program");
		if (sley_assist_library.wait(h->assist, timeout) > 0) {
			forward(h);
			close_looks = CLOSE_MAX;
		} else {
			close_looks -= close_looks > 0;
		}
	}
	return EXIT_FINE;
}

static void clean_up(struct helper *h)
{
	if (h->assist)
		sley_assist_library.close(h->assist);
	if (h->control) {
		give_back(h);
		munmap(h->control, SLEY_CONTROL_SIZE);
	}
	process_close(&h->process);
	look_close();
}

int helper_run(pid_t pid, const volatile sig_atomic_t *stop)
{
	static struct helper h;
	enum process_status opened = process_open(&h.process, pid);
	int status;
	if (opened != PROCESS_OK)
		return say_why(&h, session_exit_code(opened), h.process.why);
	status = open_channel(&h);
	if (status == EXIT_FINE)
		status = open_program(&h);
	if (status == EXIT_FINE)
		status = assist_process(&h, stop);
	clean_up(&h);
	return status;
}
