/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What asynctop and its children say to each other, over SOCK_SEQPACKET pairs: one message, one packet.
 *
 *   asynctop ↔ looker   LOOK (with a descriptor; comes back with the answer, and another)
 *   asynctop → broker   REQUEST
 *   broker → asynctop   ANSWER, READER (a new reader was started)
 *   broker → reader     IMAGE (forget what the slot held), MODULE (with a descriptor), REQUEST, FILE (answers WANT)
 *   reader → broker     ANSWER, WANT
 *
 * The broker works on one request at a time. The reader may be hostile: the broker and asynctop bound each length,
 * index and string that comes from it, and accept no descriptor from it.
 */
#ifndef ASYNCTOP_SYMBOLS_PROTO_H
#define ASYNCTOP_SYMBOLS_PROTO_H

#include "events.h"
#include "symbols/symbols.h"

#define IMAGE_SLOTS   8   /* address spaces that the reader keeps at hand */
#define IMAGE_MODULES 512 /* executable mappings of one */
#define MODULE_PATH   512
#define WANT_NAME     256
#define LOOK_LINK     32
#define LOOK_WHY      192
#define LOOK_TEXT     4200 /* a path, and what may stand before it */

enum message_type {
	MESSAGE_REQUEST,
	MESSAGE_ANSWER,
	MESSAGE_READER,
	MESSAGE_IMAGE,
	MESSAGE_MODULE,
	MESSAGE_WANT,
	MESSAGE_FILE,
	MESSAGE_LOOK,
};

struct message_head {
	uint32_t type;
	uint32_t size; /* of the whole message */
	uint64_t id;   /* of the request */
};

/* Sent without the unused end of `stack`. */
struct message_request {
	struct message_head head;
	int32_t pid;
	uint32_t slot; /* set by the broker */
	uint32_t kind;
	uint32_t returns;
	uint64_t address;
	struct symbols_registers registers;
	uint64_t stack_size;
	uint8_t stack[SYMBOLS_STACK];
};

/* Sent without the unused end of `frame`. */
struct message_answer {
	struct message_head head;
	uint32_t status;
	uint32_t frames;
	int32_t location;
	uint16_t truncated;
	uint16_t uncovered;  /* an address of the chain is in no module: the maps may have changed */
	uint32_t refused_mb; /* that a file would take, which is not read; 0: none is refused */
	char refused[64];    /* its base name */
	struct symbols_frame frame[SYMBOLS_FRAMES];
};

struct message_reader {
	struct message_head head;
	int32_t pid;
};

struct message_image {
	struct message_head head;
	uint32_t slot;
};

/* One executable mapping of an image. The descriptor comes along if the file could be opened. */
struct message_module {
	struct message_head head;
	uint32_t slot;
	uint32_t index; /* of the mapping: the name of it in WANT */
	uint64_t start, end, offset;
	uint64_t device, inode;
	char path[MODULE_PATH];
};

enum want {
	WANT_BUILD_ID, /* name: the id in hexadecimal */
	WANT_LINK,     /* name: as in .gnu_debuglink, without slashes */
	WANT_DWZ,      /* name: what follows /.dwz/ in .gnu_debugaltlink */
};

/* The reader asks for separate debug information of a module of the image that the request is about. */
struct message_want {
	struct message_head head;
	uint32_t index;
	uint32_t how;
	uint32_t nth; /* of the places to look at, from 0: the previous one did not fit */
	char name[WANT_NAME];
};

struct message_file {
	struct message_head head;
	uint32_t end; /* there is no such place: do not ask for the next */
};

enum look {
	LOOK_NAMED,
	LOOK_REGION,
	LOOK_CONTROL,
	LOOK_PART,
	LOOK_CURRENT,
	LOOK_CALL,
	LOOK_MEMORY,
	LOOK_NAME,
	LOOK_LEASE,
	LOOK_RELEASE,
};

/* See look.h for what is asked; of each the fields that it has. */
struct message_look {
	struct message_head head;
	uint32_t what;
	int32_t result;
	uint32_t tid;
	uint32_t sample;
	uint32_t level;
	int32_t number; /* of a descriptor */
	uint32_t text_length;
	int64_t own_pid;
	int64_t cpu_ns;  /* that the looker has used */
	int64_t took_ns; /* this look, without waiting for a CPU */
	int64_t lease_ns;
	uint32_t status; /* enum process_status */
	char link[LOOK_LINK];
	char why[LOOK_WHY];
	struct block_record record;
	char text[LOOK_TEXT];
};

union message {
	struct message_head head;
	struct message_request request;
	struct message_answer answer;
	struct message_reader reader;
	struct message_image image;
	struct message_module module;
	struct message_want want;
	struct message_file file;
	struct message_look look;
};

#define MESSAGE_FOREVER INT64_MAX

int64_t message_clock(void);

/*
 * Sends head.size bytes, with a descriptor unless it is -1, until `deadline` (of message_clock(); 0: now or never).
 * 0, -EAGAIN at the deadline, -EPIPE when the other end is gone, or another negative errno.
 */
int message_send(int socket, const void *message, int descriptor, int64_t deadline);

/*
 * Receives one message of at least a head and exactly head.size bytes. With `descriptor` it takes a passed one (else
 * -1), without it none is accepted. 1, 0 at the end of the stream, -EAGAIN at the deadline, -EPROTO, or -errno.
 */
int message_receive(int socket, union message *message, int *descriptor, int64_t deadline);

/* The whole of an answer with so many frames. */
static inline uint32_t message_answer_size(unsigned frames)
{
	return (uint32_t)(offsetof(struct message_answer, frame) + frames * sizeof(struct symbols_frame));
}

static inline uint32_t message_request_size(uint64_t stack_size)
{
	return (uint32_t)(offsetof(struct message_request, stack) + stack_size);
}

/* Does a REQUEST or ANSWER that was received hold what its counts say? */
bool message_request_ok(const struct message_request *request);
bool message_answer_ok(const struct message_answer *answer);

/* The two processes; neither returns. */
_Noreturn void broker_main(int socket, unsigned timeout_ms);
_Noreturn void reader_main(int socket);

#endif
