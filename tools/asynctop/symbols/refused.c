/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "symbols/refused.h"

#include <stdio.h>
#include <string.h>

#include "symbols/answer.h"
#include "symbols/weight.h"

static struct refusal *find_refused(struct refused *r, pid_t pid)
{
	for (unsigned i = 0; i < REFUSED_TABLE; i++)
		if (r->entry[i].pid == pid)
			return &r->entry[i];
	return NULL;
}

void refused_note(struct refused *r, pid_t pid, const struct message_answer *answer)
{
	struct refusal *entry = find_refused(r, pid);
	char file[sizeof(answer->refused)];
	if (answer->refused_mb == 0)
		return;
	memcpy(file, answer->refused, sizeof(file));
	answer_clean(file, sizeof(file));
	if (entry == NULL)
		entry = &r->entry[r->next++ % REFUSED_TABLE];
	entry->pid = pid;
	snprintf(
		entry->why, sizeof(entry->why),
		"%s with its debug information would take %u MB of memory, more than %llu for a process; compile it with less "
		"(-g1, -gsplit-dwarf) or strip -g it",
		file, answer->refused_mb, WEIGHT_MOST >> 20);
}

const char *refused_why(const struct refused *r, pid_t pid)
{
	const struct refusal *entry = find_refused((struct refused *)r, pid);
	return entry != NULL ? entry->why : NULL;
}

void refused_forget(struct refused *r, pid_t pid)
{
	struct refusal *entry = find_refused(r, pid);
	if (entry != NULL)
		*entry = (struct refusal){ 0 };
}
