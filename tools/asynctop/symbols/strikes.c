/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A small table; the oldest entry makes room. */
#include "symbols/strikes.h"

void strikes_note(struct strikes *s, pid_t pid, int64_t now)
{
	struct strike *k = &s->entry[0];
	for (unsigned i = 0; i < STRIKE_TABLE; i++) {
		if (s->entry[i].pid == pid && s->entry[i].until_ns > now) {
			k = &s->entry[i];
			break;
		}
		if (s->entry[i].until_ns < k->until_ns)
			k = &s->entry[i];
	}
	if (k->pid != pid || k->until_ns <= now)
		*k = (struct strike){ .pid = pid };
	k->count++;
	k->until_ns = now + STRIKE_LIFE_NS;
}

bool strikes_out(const struct strikes *s, pid_t pid, int64_t now)
{
	for (unsigned i = 0; i < STRIKE_TABLE; i++) {
		const struct strike *k = &s->entry[i];
		if (k->pid == pid && k->count >= STRIKES_OUT && k->until_ns > now)
			return true;
	}
	return false;
}
