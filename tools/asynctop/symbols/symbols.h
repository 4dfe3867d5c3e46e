/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * From addresses and copied stacks to functions, files and lines, without ever waiting.
 *
 *      asynctop ──requests──> broker ──descriptors, requests──> reader
 *               <──answers──         <──answers────────────────
 *
 * A target's ELF and DWARF are foreign input, so a process of its own reads them, the reader. It is nobody, without
 * capabilities, behind a seccomp filter that lets it open nothing. The broker opens files for it. The broker keeps
 * asynctop's privileges, reads /proc/PID/maps, and of a file only the first four bytes. It replaces a reader that
 * crashes or exceeds the time bound; the request at fault is answered SYMBOLS_FAILED, the others as if nothing had
 * happened.
 *
 * Both make calls that may block for ever. The broker: stat of /proc/PID/exe, lookups below the process's root, opening
 * and the first bytes of its files, map_files, maps (the process's memory lock; an exec under way), its stack. The
 * reader: faults on its files' pages. A blocked reader is left by the broker, a blocked broker by asynctop (child.h);
 * the request is answered SYMBOLS_BLOCKED, and its process is not asked about again (abandoned.h).
 *
 * All calls are made by one thread. None of them waits but symbols_wait(). Strings in an answer are the target's words:
 * they are ended, valid UTF-8 and free of control characters, and no more is promised of them.
 */
#ifndef ASYNCTOP_SYMBOLS_H
#define ASYNCTOP_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYMBOLS_ENTRY   56    /* as in struct sley_region_site */
#define SYMBOLS_FRAMES  32    /* in an answer, inlined ones included */
#define SYMBOLS_INNER   24    /* of these, the innermost; the others are the outermost */
#define SYMBOLS_STACK   16384 /* bytes of a copied stack; bytes beyond are not looked at */
#define SYMBOLS_PENDING 256   /* requests not yet answered */

struct symbols;

enum symbols_kind {
	SYMBOLS_ADDRESS, /* the place of this address in the source */
	SYMBOLS_SAMPLE,  /* the frames of this stack; the innermost of the service's own is the location */
	SYMBOLS_PREPARE, /* read the process's modules ahead of its first sample; answered without frames */
};

/*
 * The user registers that the call-frame information of x86-64 may refer to: those that a call keeps, and rdi, in which
 * vfork() has its return address while the child runs.
 */
struct symbols_registers {
	uint64_t rip, rsp, rbp, rbx, rdi, r12, r13, r14, r15;
};

/*
 * If a sample ends before the service's own frame (getaddrinfo() alone has 5 KB of frames) and the process's
 * memory still begins with the same ones, more are read from there: so a block that lasts is located all the same.
 * Functions that ended with a jump to the next one (tail calls) left no frame; they are added as far as they are known.
 */
struct symbols_request {
	uint64_t key; /* the caller's, handed back in the answer */
	pid_t pid;    /* of the process, as asynctop sees it */
	enum symbols_kind kind;
	bool returns;                       /* the address is where a call returns to: look at the call before it. In a
	                                       sample: rip is (true in a system call, false in a page fault) */
	uint64_t address;                   /* SYMBOLS_ADDRESS */
	struct symbols_registers registers; /* SYMBOLS_SAMPLE */
	const void *stack;                  /* SYMBOLS_SAMPLE: bytes at registers.rsp; copied by the call (see below) */
	size_t stack_size;
	char entry
		[SYMBOLS_ENTRY]; /* SYMBOLS_SAMPLE: the function that the task runs, as it is in the source; or empty */
};

enum symbols_status {
	SYMBOLS_RESOLVED,   /* frames > 0; a frame may still lack its line (no DWARF) or its function (stripped) */
	SYMBOLS_UNKNOWN,    /* no module of the process has this address */
	SYMBOLS_NO_PROCESS, /* it is gone, and was never looked at before */
	SYMBOLS_DENIED,     /* asynctop may not read this process's maps or files */
	SYMBOLS_FAILED,     /* the reader or the broker died of this request or exceeded its time */
	SYMBOLS_BLOCKED,    /* reading this process's memory or files blocks: see abandoned_why() */
};

/* The owner of a frame's code. */
enum symbols_owner {
	SYMBOLS_USER, /* the service's, or a library's that is none of the following */
	SYMBOLS_LIBC, /* glibc or musl, libstdc++, sanitizer interceptors; dynamic or linked in */
	SYMBOLS_LOADER,
	SYMBOLS_SLEY, /* the runtime; dynamic or linked in */
	SYMBOLS_VDSO,
	SYMBOLS_NOBODY, /* no file is mapped there */
};

struct symbols_frame {
	uint64_t address;   /* in the process */
	uint64_t offset;    /* in the module, for addr2line */
	uint32_t line;      /* 0: not known */
	uint8_t owner;      /* enum symbols_owner */
	bool inlined;       /* into the next frame of the answer */
	bool blind;         /* it is the runtime's, and ran a function of the service's that left no frame */
	char module[64];    /* base name of the file; "" if none */
	char function[128]; /* "" if not known */
	char file[256];     /* "" if not known; relative to the directory of compilation where it lies in it */
};

struct symbols_answer {
	uint64_t key;
	pid_t pid;
	enum symbols_kind kind;
	enum symbols_status status;
	bool truncated;    /* the chain ended with the copied bytes, not with the stack */
	int location;      /* index of the innermost frame with owner SYMBOLS_USER, -1: none */
	unsigned left_out; /* frames after the SYMBOLS_INNER innermost that found no room; the location always does */
	unsigned frames;   /* innermost first; the address itself is frame 0 (the last of its inlined frames) */
	struct symbols_frame frame[SYMBOLS_FRAMES];
};

struct symbols_options {
	size_t size;         /* sizeof(struct symbols_options) */
	unsigned timeout_ms; /* the time bound of one request in the reader, 0: 5,000 */
};

/*
 * Starts the broker and its reader. Best called early: they are forked, and close all descriptors of the caller.
 * `options` may be NULL. Returns NULL and sets errno if no process can be started.
 */
struct symbols *symbols_open(const struct symbols_options *options);

/* Kills both, and forgets the open questions. NULL is allowed. */
void symbols_close(struct symbols *symbols);

/*
 * Asks; the answer comes from symbols_collect(), not necessarily in the order of the questions.
 * -EAGAIN: SYMBOLS_PENDING questions are open. -EINVAL: an unknown kind, or a sample without registers.rip.
 */
int symbols_submit(struct symbols *symbols, const struct symbols_request *request);

/*
 * Answers from the cache: 1, and *answer is filled. Else 0, or an error of symbols_submit(): the question is submitted,
 * unless the same one is open. Its answer goes to the cache and does not come from symbols_collect(); `key` is not
 * used. For a screen that asks the same hundred questions at each tick.
 */
int symbols_lookup(struct symbols *symbols, const struct symbols_request *request, struct symbols_answer *answer);

/* 1: *answer is the next one. 0: none yet. It also restarts a dead broker: call it at each tick. */
int symbols_collect(struct symbols *symbols, struct symbols_answer *answer);

/*
 * Waits until symbols_collect() has an answer, nothing is open, or the time is over. Returns the number of answers that
 * are still to be collected, those to open questions included.
 */
int symbols_wait(struct symbols *symbols, int timeout_ms);

/* Readable when symbols_collect() has work; changes when the broker is restarted. */
int symbols_descriptor(const struct symbols *symbols);

/* Drops the cached answers of a process, after its exec or exit. Otherwise they live for some seconds. */
void symbols_forget(struct symbols *symbols, pid_t pid);

/*
 * A sentence without its end about a file of the process that is not read because it would take too much memory, and
 * the remedy; NULL: there is none. The file's module is still named, and the other files are read.
 */
const char *symbols_refused(const struct symbols *symbols, pid_t pid);

/* The processes behind it (reader 0 while there is none), and how often they died. */
struct symbols_processes {
	pid_t broker, reader;
	unsigned restarts;
};
struct symbols_processes symbols_processes(const struct symbols *symbols);

/* The innermost frame that is the service's own, or NULL. */
static inline const struct symbols_frame *symbols_location(const struct symbols_answer *answer)
{
	return answer->location >= 0 ? &answer->frame[answer->location] : NULL;
}

/* "function at file:line", "function in module", "module+0x12ab" or "0x55..": as much as is known. Returns buffer. */
const char *symbols_format(const struct symbols_frame *frame, char *buffer, size_t size);

#endif
