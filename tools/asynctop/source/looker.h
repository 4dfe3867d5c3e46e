/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The message between look.c and the looker. It goes with a descriptor, and comes back with the answer and perhaps
 * another descriptor.
 */
#ifndef ASYNCTOP_LOOKER_H
#define ASYNCTOP_LOOKER_H

#include "child/message.h"
#include "events.h"
#include "source/thread.h"
#include "source/throttle.h"

#define LOOK_LINK 32
#define LOOK_WHY  192
#define LOOK_TEXT 4200 /* a path, and a few words before it */

enum look_what {
	LOOK_NAMED,
	LOOK_REGION,
	LOOK_CONTROL,
	LOOK_PART,
	LOOK_CURRENT,
	LOOK_STATE,
	LOOK_COMPUTING,
	LOOK_CALL,
	LOOK_MEMORY,
	LOOK_BYTES,
	LOOK_PARKED,
	LOOK_THROTTLED,
	LOOK_NAME,
	LOOK_SAME,
	LOOK_LEASE,
	LOOK_RELEASE,
};

/* Question and answer; of each the fields that it has. */
struct look_message {
	struct message_head head;
	uint32_t what;
	int32_t result;
	uint32_t tid;
	uint32_t sample;
	uint32_t level;
	int32_t number; /* of a descriptor; 1: the event of the thread is wanted */
	uint32_t text_length;
	int64_t own_pid;
	uint64_t inode;
	uint64_t address;
	int64_t cpu_ns;  /* that the looker has used */
	int64_t took_ns; /* this look, without waiting for a CPU */
	int64_t lease_ns;
	uint32_t status; /* enum process_status */
	struct computing computing;
	struct throttled throttled;
	struct sley_region_entries entries;
	char link[LOOK_LINK];
	char why[LOOK_WHY];
	struct block_record record;
	char text[LOOK_TEXT]; /* LOOK_BYTES: the memory */
};

/* The body of the child. */
_Noreturn void looker_main(int socket, const void *unused);

#endif
