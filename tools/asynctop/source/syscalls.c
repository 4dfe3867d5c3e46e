/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Decoding of system calls. A call's arguments are a string of letters, one each:
 *
 *	d descriptor    D directory descriptor  s path           b buffer, p pointer  n size or offset
 *	i int           u unsigned              x flags, hex     o mode, octal        O open flags
 *	t timespec      T timeval, as pointer   m milliseconds   F futex operation    a socket address
 *	l flock         w whence                c clock          k signal             P process
 *	f pollfd array
 *
 * The kernel side keeps the memory of one pointer (tracer_pointers.c): the first path, address, time or pollfd array
 * of the call.
 */
#include "source/syscalls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

struct syscall_info {
	const char *name;
	const char *args;
	enum remedy remedy;
};

static const struct syscall_info table[] = {
#define SYSCALL(number, name, args, remedy) [number] = { #name, args, REMEDY_##remedy },
#include "source/syscalls_x86_64.def"
#undef SYSCALL
};

static const struct syscall_info *find_syscall(int number)
{
	static const struct syscall_info unknown = { NULL, "?", REMEDY_HAND };
	static const struct syscall_info fault = { "page fault", "", REMEDY_FAULT };
	static const struct syscall_info computing = { "computing", "", REMEDY_COMPUTE };
	if (number == SYSCALL_FAULT)
		return &fault;
	if (number == SYSCALL_COMPUTING)
		return &computing;
	if (number < 0 || (size_t)number >= sizeof(table) / sizeof(table[0]) || table[number].name == NULL)
		return &unknown;
	return &table[number];
}

const char *syscall_name(int number, char out[SYSCALL_NAME_MAX])
{
	const struct syscall_info *info = find_syscall(number);
	if (info->name != NULL)
		return info->name;
	snprintf(out, SYSCALL_NAME_MAX, "syscall %d", number);
	return out;
}

enum remedy syscall_remedy(int number)
{
	return find_syscall(number)->remedy;
}

int syscall_descriptor(int number)
{
	return find_syscall(number)->args[0] == 'd' ? 0 : -1;
}

/* ---- flags and enumerations ---- */

struct flag {
	uint64_t value;
	const char *name;
};

static const struct flag open_flags[] = {
	{ O_CREAT, "O_CREAT" },       { O_EXCL, "O_EXCL" },       { O_NOCTTY, "O_NOCTTY" },
	{ O_TRUNC, "O_TRUNC" },       { O_APPEND, "O_APPEND" },   { O_NONBLOCK, "O_NONBLOCK" },
	{ O_TMPFILE, "O_TMPFILE" },   { O_SYNC, "O_SYNC" },       { O_DSYNC, "O_DSYNC" },
	{ O_DIRECT, "O_DIRECT" },     { 0100000, "O_LARGEFILE" }, { O_DIRECTORY, "O_DIRECTORY" },
	{ O_NOFOLLOW, "O_NOFOLLOW" }, { O_NOATIME, "O_NOATIME" }, { O_CLOEXEC, "O_CLOEXEC" },
	{ O_PATH, "O_PATH" },
};

static void put_open_flags(struct text *out, uint64_t v)
{
	static const char *const mode[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "3" };
	text_puts(out, mode[v & O_ACCMODE]);
	v &= ~(uint64_t)O_ACCMODE;
	for (size_t i = 0; i < sizeof(open_flags) / sizeof(open_flags[0]); i++) {
		if ((v & open_flags[i].value) == open_flags[i].value) {
			text_printf(out, "|%s", open_flags[i].name);
			v &= ~open_flags[i].value;
		}
	}
	if (v != 0)
		text_printf(out, "|%#llx", (unsigned long long)v);
}

static void put_constant(struct text *out, const char *const *names, size_t n, uint64_t v)
{
	if (v < n && names[v] != NULL)
		text_puts(out, names[v]);
	else
		text_printf(out, "%llu", (unsigned long long)v);
}

static void put_futex(struct text *out, uint64_t v)
{
	static const char *const names[] = {
		"FUTEX_WAIT",           "FUTEX_WAKE",        "FUTEX_FD",          "FUTEX_REQUEUE",
		"FUTEX_CMP_REQUEUE",    "FUTEX_WAKE_OP",     "FUTEX_LOCK_PI",     "FUTEX_UNLOCK_PI",
		"FUTEX_TRYLOCK_PI",     "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET", "FUTEX_WAIT_REQUEUE_PI",
		"FUTEX_CMP_REQUEUE_PI", "FUTEX_LOCK_PI2",
	};
	put_constant(out, names, sizeof(names) / sizeof(names[0]), v & (uint64_t)FUTEX_CMD_MASK);
	if (v & FUTEX_PRIVATE_FLAG)
		text_puts(out, "_PRIVATE");
	if (v & FUTEX_CLOCK_REALTIME)
		text_puts(out, "|FUTEX_CLOCK_REALTIME");
}

static void put_clock(struct text *out, uint64_t v)
{
	static const char *const names[] = {
		"CLOCK_REALTIME",      "CLOCK_MONOTONIC",       "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID",
		"CLOCK_MONOTONIC_RAW", "CLOCK_REALTIME_COARSE", "CLOCK_MONOTONIC_COARSE",   "CLOCK_BOOTTIME",
	};
	put_constant(out, names, sizeof(names) / sizeof(names[0]), v);
}

static void put_flock(struct text *out, uint64_t v)
{
	static const char *const names[] = { NULL, "LOCK_SH", "LOCK_EX", NULL, NULL, NULL, NULL, NULL, "LOCK_UN" };
	put_constant(out, names, sizeof(names) / sizeof(names[0]), v & ~(uint64_t)LOCK_NB);
	if (v & LOCK_NB)
		text_puts(out, "|LOCK_NB");
}

static void put_whence(struct text *out, uint64_t v)
{
	static const char *const names[] = { "SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE" };
	put_constant(out, names, sizeof(names) / sizeof(names[0]), v);
}

/* ---- what a pointer pointed to ---- */

static void put_pointer(struct text *out, uint64_t v)
{
	if (v == 0)
		text_puts(out, "NULL");
	else
		text_printf(out, "%#llx", (unsigned long long)v);
}

static size_t memory_size(const struct block_record *r)
{
	return r->memory_size < BLOCK_MEMORY_MAX ? r->memory_size : BLOCK_MEMORY_MAX;
}

static bool put_path(struct text *out, const struct block_record *r)
{
	size_t n = memory_size(r), length = strnlen((const char *)r->memory, n);
	if (n == 0)
		return false;
	text_puts(out, "\"");
	text_put(out, (const char *)r->memory, length);
	text_puts(out, length == n ? "\"..." : "\"");
	return true;
}

static bool put_timespec(struct text *out, const struct block_record *r)
{
	struct timespec t;
	char digits[16];
	int end = 9;
	if (memory_size(r) < sizeof(t))
		return false;
	memcpy(&t, r->memory, sizeof(t));
	if (t.tv_nsec < 0 || t.tv_nsec > 999999999)
		return false;
	snprintf(digits, sizeof(digits), "%09ld", t.tv_nsec);
	while (end > 0 && digits[end - 1] == '0')
		digits[--end] = '\0';
	text_printf(out, "{%lld%s%s s}", (long long)t.tv_sec, end ? "." : "", digits);
	return true;
}

static bool put_inet(struct text *out, const uint8_t *memory, size_t n, int family)
{
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	if (family == AF_INET && n >= sizeof(in)) {
		memcpy(&in, memory, sizeof(in));
		text_printf(out, "%s:%u", inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host)), ntohs(in.sin_port));
		return true;
	}
	if (family == AF_INET6 && n >= sizeof(in6)) {
		memcpy(&in6, memory, sizeof(in6));
		text_printf(out, "[%s]:%u", inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host)),
			    ntohs(in6.sin6_port));
		return true;
	}
	return false;
}

static bool put_address(struct text *out, const struct block_record *r)
{
	size_t n = memory_size(r), at = offsetof(struct sockaddr_un, sun_path);
	sa_family_t family;
	if (n < sizeof(family))
		return false;
	memcpy(&family, r->memory, sizeof(family));
	if (family != AF_UNIX)
		return put_inet(out, r->memory, n, family);
	text_puts(out, "unix:");
	if (n > at && r->memory[at] == '\0') {
		text_puts(out, "@");
		at++;
	}
	if (n > at)
		text_put(out, (const char *)r->memory + at, strnlen((const char *)r->memory + at, n - at));
	return true;
}

static bool put_polled(struct text *out, const struct block_record *r)
{
	static const struct flag events[] = {
		{ POLLIN, "POLLIN" },
		{ POLLPRI, "POLLPRI" },
		{ POLLOUT, "POLLOUT" },
		{ POLLRDHUP, "POLLRDHUP" },
	};
	size_t kept = memory_size(r) / sizeof(struct pollfd), n = r->args[1] < kept ? r->args[1] : kept;
	if (kept == 0)
		return false;
	text_puts(out, "[");
	for (size_t i = 0; i < n; i++) {
		struct pollfd p;
		const char *between = " ";
		memcpy(&p, r->memory + i * sizeof(p), sizeof(p));
		text_printf(out, "%s%d", i ? ", " : "", p.fd);
		for (size_t k = 0; k < sizeof(events) / sizeof(events[0]); k++) {
			if (p.events & (short)events[k].value) {
				text_printf(out, "%s%s", between, events[k].name);
				between = "|";
			}
		}
	}
	text_puts(out, n < r->args[1] ? ", ...]" : "]");
	return true;
}

#define KEPT "staf"

int syscall_kept(int number)
{
	const char *args = find_syscall(number)->args;
	size_t i = strcspn(args, KEPT);
	return args[i] != '\0' ? (int)i : -1;
}

static bool put_memory(struct text *out, const struct block_record *r, char kind)
{
	switch (kind) {
	case 's':
		return put_path(out, r);
	case 't':
		return put_timespec(out, r);
	case 'f':
		return put_polled(out, r);
	default:
		return put_address(out, r);
	}
}

/* ---- one argument ---- */

static void put_plain(struct text *out, char kind, uint64_t v)
{
	switch (kind) {
	case 'd':
	case 'i':
	case 'm':
	case 'k':
	case 'P':
		text_printf(out, "%d", (int)v);
		break;
	case 'D':
		if ((int)v == AT_FDCWD)
			text_puts(out, "AT_FDCWD");
		else
			text_printf(out, "%d", (int)v);
		break;
	case 'n':
		text_printf(out, "%lld", (long long)v);
		break;
	case 'u':
		text_printf(out, "%u", (unsigned)v);
		break;
	case 'o':
		text_printf(out, "0%o", (unsigned)v);
		break;
	case 'x':
	case '?':
		text_printf(out, v < 10 ? "%llu" : "%#llx", (unsigned long long)v);
		break;
	case 'O':
		put_open_flags(out, (unsigned)v);
		break;
	case 'F':
		put_futex(out, (unsigned)v);
		break;
	case 'c':
		put_clock(out, (unsigned)v);
		break;
	case 'l':
		put_flock(out, (unsigned)v);
		break;
	case 'w':
		put_whence(out, (unsigned)v);
		break;
	default:
		put_pointer(out, v);
	}
}

bool syscall_arg(struct text *out, const struct block_record *r, unsigned i)
{
	const char *args = find_syscall(r->syscall)->args;
	if (i >= SYSCALL_ARGS)
		return false;
	if (args[0] == '?') {
		put_plain(out, '?', r->args[i]);
		return true;
	}
	if (i >= strlen(args))
		return false;
	if (syscall_kept(r->syscall) == (int)i && r->args[i] != 0 && put_memory(out, r, args[i]))
		return true;
	put_plain(out, args[i], r->args[i]);
	return true;
}
