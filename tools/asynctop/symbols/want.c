/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Asking for files, and weighing them. */
#include "symbols/want.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "symbols/weight.h"

struct reader reader;

int reader_want(const struct module *m, enum want how, const char *name, unsigned nth)
{
	static union message reply;
	struct message_want w = {
		.head = { .type = MESSAGE_WANT, .size = sizeof(w), .id = reader.request_id },
		.index = m->index,
		.how = how,
		.nth = nth,
	};
	int fd = -1;
	if (strlen(name) >= sizeof(w.name))
		return -ENOENT;
	memcpy(w.name, name, strlen(name));
	if (message_send(reader.broker, &w, -1, MESSAGE_FOREVER) ||
	    message_receive(reader.broker, &reply, sizeof(reply), &fd, MESSAGE_FOREVER) != 1 ||
	    reply.head.type != MESSAGE_FILE)
		_exit(1);
	return reply.file.end ? -ENOENT : fd;
}

/* The weight of the other spaces. The broker sends their images again when they are asked for. */
static uint64_t other_weight(const struct space *own)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < IMAGE_SLOTS; i++)
		if (reader.slots[i] && reader.slots[i] != own)
			sum += reader.slots[i]->weight;
	return sum;
}

/* If the other spaces leave no room for it, this reader ends: the next one starts without them. */
bool reader_affords(const struct module *m, int fd)
{
	struct space *s = m->space;
	uint64_t weight = weight_of(fd), mb = (weight + (1 << 20) - 1) >> 20;
	if (weight <= WEIGHT_MOST && s->weight <= WEIGHT_MOST - weight) {
		if (other_weight(s) > WEIGHT_MOST - weight - s->weight)
			_exit(0);
		s->weight += weight;
		return true;
	}
	if (s->refused_mb == 0) {
		s->refused_mb = mb < UINT32_MAX ? (uint32_t)mb : UINT32_MAX;
		snprintf(s->refused, sizeof(s->refused), "%s", m->name);
	}
	return false;
}
