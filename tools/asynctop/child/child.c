/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Starting children, watching their sleep, ending them. */
#include "child/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child/message.h"

#define LOOK_NS 50000000 /* so often its sleep is looked at */

/*
 * The kernel's tables are mapped shared. A child that outlives asynctop because it is blocked must not keep them, so it
 * has none from the start.
 */
static void unmap_tables(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t start, end;
	char line[512];
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "anon_inode:bpf-map") && sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) == 2)
			munmap((void *)start, end - start);
	if (maps)
		fclose(maps);
}

static void reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGPIPE, SIGWINCH, SIGTTOU, SIGTTIN };
	sigset_t none;
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * For a freshly forked process: default signals (but none of the terminal's), no descriptor but `keep`, /dev/null as
 * the standard ones, and an end with its parent. Returns the number that `keep` has now, or -1.
 */
static int detach(int keep, const char *name)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	reset_signals();
	prctl(PR_SET_NAME, name);
	if (null < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -1;
	keep = fcntl(keep, F_DUPFD_CLOEXEC, 4);
	if (keep < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || dup3(keep, 3, O_CLOEXEC) < 0)
		return -1;
	return close_range(4, ~0U, 0) ? -1 : 3;
}

static _Noreturn void live(int socket, const char *name, child_body *body, const void *argument)
{
	socket = detach(socket, name);
	unmap_tables();
	if (socket >= 0)
		body(socket, argument);
	_exit(1);
}

int child_start(struct child *c, const char *name, child_body *body, const void *argument)
{
	int pair[2];
	pid_t pid;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid == 0)
		live(pair[1], name, body, argument);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	*c = (struct child){ .pid = pid, .socket = pair[0] };
	return 0;
}

void child_end(struct child *c)
{
	if (c->pid == 0)
		return;
	close(c->socket);
	kill(c->pid, SIGKILL);
	*c = (struct child){ .socket = -1 };
}

/* ---- its sleep ---- */

/* Whether it sleeps, and how often it has gone to sleep. Where this cannot be read it never sleeps. */
static bool sleeps(pid_t pid, uint64_t *times)
{
	char path[32], line[128], state = '?';
	bool found = false;
	FILE *status;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	while (status && !found && fgets(line, sizeof(line), status)) {
		(void)!sscanf(line, "State: %c", &state);
		found = sscanf(line, "voluntary_ctxt_switches: %" SCNu64, times) == 1;
	}
	if (status)
		fclose(status);
	return found && (state == 'S' || state == 'D');
}

void child_expect(struct child *c)
{
	c->asleep_ns = 0;
}

bool child_blocked(struct child *c)
{
	uint64_t times;
	if (c->pid == 0 || !sleeps(c->pid, &times)) {
		c->asleep_ns = 0;
		return false;
	}
	if (c->asleep_ns == 0 || c->sleeps != times) {
		c->sleeps = times;
		c->asleep_ns = message_clock();
	}
	return message_clock() - c->asleep_ns >= CHILD_SLEEP_NS;
}

/* ---- messages ---- */

/* When to look again whether it sleeps. */
static int64_t next_look(int64_t deadline)
{
	int64_t look = message_clock() + LOOK_NS;
	return look < deadline ? look : deadline;
}

/* The answer after a message has not got through in time; 1: try again. */
static int give_up_waiting(struct child *c, int64_t deadline)
{
	if (child_blocked(c))
		return -EDEADLK;
	return message_clock() < deadline ? 1 : -EAGAIN;
}

int child_send(struct child *c, const void *message, int descriptor, int64_t deadline)
{
	int error, again = 1;
	while (again == 1) {
		error = message_send(c->socket, message, descriptor, next_look(deadline));
		if (error != -EAGAIN)
			return error;
		again = give_up_waiting(c, deadline);
	}
	return again;
}

int child_receive(struct child *c, void *message, size_t room, int *descriptor, int64_t deadline)
{
	int got, again = 1;
	while (again == 1) {
		got = message_receive(c->socket, message, room, descriptor, next_look(deadline));
		if (got != -EAGAIN)
			return got;
		again = give_up_waiting(c, deadline);
	}
	return again;
}
