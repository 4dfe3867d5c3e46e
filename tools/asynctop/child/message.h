/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Messages between asynctop and its children, over SOCK_SEQPACKET pairs: one message, one packet. Their contents are
 * defined in source/looker.h and symbols/proto.h.
 */
#ifndef ASYNCTOP_MESSAGE_H
#define ASYNCTOP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* Every message begins with it. */
struct message_head {
	uint32_t type;
	uint32_t size; /* of the whole message */
	uint64_t id;   /* of the request */
};

#define MESSAGE_FOREVER INT64_MAX

int64_t message_clock(void);

/*
 * Sends head.size bytes, with a descriptor unless it is -1, until `deadline` (of message_clock(); 0: now or never).
 * 0, -EAGAIN at the deadline, -EPIPE when the other end is gone, or another negative errno.
 */
int message_send(int socket, const void *message, int descriptor, int64_t deadline);

/*
 * Receives one message of at least a head, at most `room` and exactly head.size bytes. With `descriptor` it takes a
 * passed one (else -1), without it none is accepted. 1, 0 at the end of the stream, -EAGAIN at the deadline, -EPROTO,
 * or -errno.
 */
int message_receive(int socket, void *message, size_t room, int *descriptor, int64_t deadline);

#endif
