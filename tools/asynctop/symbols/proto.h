/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The messages between asynctop, the broker and the reader (child/message.h).
 *
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

#include "child/message.h"
#include "symbols/symbols.h"

#define IMAGE_SLOTS   8   /* address spaces that the reader keeps at hand */
#define IMAGE_MODULES 512 /* executable mappings of one */
#define MODULE_PATH   512
#define WANT_NAME     256

enum message_type {
	MESSAGE_REQUEST,
	MESSAGE_ANSWER,
	MESSAGE_READER,
	MESSAGE_IMAGE,
	MESSAGE_MODULE,
	MESSAGE_WANT,
	MESSAGE_FILE,
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
	char entry[SYMBOLS_ENTRY];
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
	uint32_t left_out;
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
	WANT_DWZ,      /* name: the part after /.dwz/ in .gnu_debugaltlink */
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

union message {
	struct message_head head;
	struct message_request request;
	struct message_answer answer;
	struct message_reader reader;
	struct message_image image;
	struct message_module module;
	struct message_want want;
	struct message_file file;
};

/* The whole of an answer with so many frames. */
static inline uint32_t message_answer_size(unsigned frames)
{
	return (uint32_t)(offsetof(struct message_answer, frame) + frames * sizeof(struct symbols_frame));
}

static inline uint32_t message_request_size(uint64_t stack_size)
{
	return (uint32_t)(offsetof(struct message_request, stack) + stack_size);
}

/* Whether a received REQUEST or ANSWER is as long as its counts say. */
bool message_request_ok(const struct message_request *request);
bool message_answer_ok(const struct message_answer *answer);

/* The two processes; neither returns. */
_Noreturn void broker_main(int socket, unsigned timeout_ms);
_Noreturn void reader_main(int socket);

#endif
