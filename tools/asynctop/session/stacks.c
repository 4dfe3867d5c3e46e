/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 *	tick: tasks of the pass ──> read: registers, stack ──> asked ──answer──> group
 *	                                └─ it has gone on: left out
 */
#include "session/stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"
#include "source/look.h"

#define SLICE_NS   20000000   /* of work between two looks at other things */
#define REST_NS    2000000000 /* between two passes, at least, */
#define REST_TIMES 10         /* and so many times what the last one took */

/* Tasks whose stacks have the same frames. */
struct stack_group {
	uint64_t digest;
	struct model_stack stack;
};

void stacks_init(struct stacks *s, struct album *a)
{
	*s = (struct stacks){ .album = a, .random = 1 };
}

static void free_groups(struct stacks *s)
{
	for (size_t i = 0; i < s->group_count; i++)
		free(s->groups[i].stack.frames);
	s->group_count = 0;
}

static void free_shown(struct stacks *s)
{
	for (uint32_t i = 0; i < s->shown_count; i++)
		free(s->shown[i].frames);
	free(s->shown);
	s->shown = NULL;
	s->shown_count = 0;
}

void stacks_free(struct stacks *s)
{
	free_groups(s);
	free_shown(s);
	free(s->groups);
	free(s->tasks);
	*s = (struct stacks){ 0 };
}

/* ---- a pass ---- */

bool stacks_begin(struct stacks *s, int64_t now)
{
	int64_t took = s->over_ns - s->begun_ns;
	if (s->tasks != NULL && (s->over_ns == 0 || now - s->over_ns < REST_NS || now - s->over_ns < REST_TIMES * took))
		return false;
	if (s->tasks == NULL)
		s->tasks = xcalloc(STACKS_MOST, sizeof(*s->tasks));
	free_groups(s);
	s->count = s->next = 0;
	s->parked = s->read = s->missed = 0;
	s->begun_ns = now;
	s->over_ns = 0;
	return true;
}

/* Each parked task is taken with the same probability. */
void stacks_offer(struct stacks *s, const struct sley_region_task *t)
{
	uint64_t at;
	if (t->state != SLEY_TASK_WAITING)
		return;
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	at = s->parked < STACKS_MOST ? s->parked : (s->random >> 16) % (s->parked + 1);
	s->parked++;
	if (at < STACKS_MOST)
		s->tasks[at] = t->id;
	s->count = s->parked < STACKS_MOST ? (uint32_t)s->parked : STACKS_MOST;
}

/* ---- groups ---- */

/* From the service's own innermost frame on: the runtime has several ways out of the same call. */
static uint64_t digest_of(const struct symbols_answer *a, const struct sley_region_task *t)
{
	uint64_t digest = 0xcbf29ce484222325 ^ t->wait_kind;
	if (a->frames == 0)
		digest ^= t->wait_pc << 8;
	for (unsigned i = a->location > 0 ? (unsigned)a->location : 0; i < a->frames; i++)
		digest = (digest ^ a->frame[i].address ^ (uint64_t)a->frame[i].line << 48) * 0x100000001b3;
	return digest ^ a->left_out;
}

static struct stack_group *group_of(struct stacks *s, uint64_t digest, bool *new)
{
	for (size_t i = 0; i < s->group_count; i++)
		if (s->groups[i].digest == digest)
			return *new = false, &s->groups[i];
	*new = true;
	s->groups = xgrow(s->groups, s->group_count, &s->group_room, sizeof(*s->groups));
	s->groups[s->group_count] = (struct stack_group){ .digest = digest };
	return &s->groups[s->group_count++];
}

static bool is_longer(const struct sley_region_task *a, const struct sley_region_task *b)
{
	return a->since_ns != b->since_ns ? a->since_ns < b->since_ns : a->id < b->id;
}

static void add_task(struct model_stack *stack, const struct sley_region_task *t, int64_t waited_ns)
{
	if (stack->tasks == 0 || is_longer(t, &stack->longest)) {
		stack->longest = *t;
		stack->longest_ns = waited_ns;
		stack->at_least = t->since_ns <= 0;
	}
	if (stack->tasks < MODEL_STACK_TASKS)
		stack->some[stack->tasks] = t->id;
	stack->tasks++;
}

static void add_answer(struct stacks *s, const struct sley_region_task *t, int64_t waited_ns,
		       const struct symbols_answer *a)
{
	bool new;
	struct model_stack *stack = &group_of(s, digest_of(a, t), &new)->stack;
	if (new) {
		place_from_frame(&stack->place, symbols_location(a));
		stack->frames = stack_from_answer(a, &stack->frame_count);
	}
	add_task(stack, t, waited_ns);
	s->read++;
}

/* ---- reading and asking ---- */

static bool same_wait(const struct sley_region_task *a, const struct sley_region_task *b)
{
	return a->state == b->state && a->wait_kind == b->wait_kind && a->wait_pc == b->wait_pc &&
	       a->since_ns == b->since_ns;
}

int stack_of_parked(struct process *p, uint64_t task, struct sley_region_task *t, struct block_record *r)
{
	struct sley_region_task after;
	int error;
	memset(r, 0, offsetof(struct block_record, memory));
	if (!region_task(&p->region, task, t) || t->state != SLEY_TASK_WAITING)
		return -ESTALE;
	r->site = t->site;
	error = look_parked(p->pid, p->dir, &p->region.header.entries, task, r);
	if (!error && (!region_task(&p->region, task, &after) || !same_wait(t, &after)))
		error = -ESTALE;
	return error;
}

static struct stack_asked *free_place(struct stacks *s)
{
	for (unsigned i = 0; i < STACKS_ASKED; i++)
		if (s->asked[i].key == 0)
			return &s->asked[i];
	return NULL;
}

static int64_t waited(const struct model *m, const struct sley_region_task *t, int64_t now)
{
	int64_t since = t->since_ns > 0 ? t->since_ns : m->times_since_ns;
	if (since == MODEL_UNKNOWN)
		return MODEL_UNKNOWN;
	return since < now ? now - since : 0;
}

/* False: not now. */
static bool ask_stack(struct stacks *s, const struct model *m, uint64_t task, int64_t now)
{
	static struct block_record record;
	struct stack_asked *place = free_place(s);
	struct sley_region_task t;
	struct symbols_request question;
	int error;
	if (place == NULL)
		return false;
	error = stack_of_parked(s->album->process, task, &t, &record);
	if (error) {
		s->missed++;
		return true;
	}
	question = stack_question(s->album, m, &record, ++*s->album->next_key);
	if (s->album->symbols == NULL) {
		add_answer(s, &t, waited(m, &t, now), &(struct symbols_answer){ .location = -1 });
		return true;
	}
	error = symbols_submit(s->album->symbols, &question);
	if (error == -EAGAIN)
		return false;
	if (error) {
		s->missed++;
		return true;
	}
	*place = (struct stack_asked){ .key = question.key, .task = t, .waited_ns = waited(m, &t, now) };
	s->asked_count++;
	return true;
}

static int64_t clock_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void stacks_work(struct stacks *s, const struct model *m, int64_t now)
{
	int64_t end = clock_now() + SLICE_NS;
	if (s->tasks == NULL || s->over_ns != 0)
		return;
	while (s->next < s->count && clock_now() < end && ask_stack(s, m, s->tasks[s->next], now))
		s->next++;
	if (s->next == s->count && s->asked_count == 0)
		s->over_ns = now;
}

bool stacks_answer(struct stacks *s, const struct symbols_answer *answer)
{
	for (unsigned i = 0; i < STACKS_ASKED; i++) {
		if (s->asked[i].key == 0 || s->asked[i].key != answer->key)
			continue;
		s->asked[i].key = 0;
		s->asked_count--;
		add_answer(s, &s->asked[i].task, s->asked[i].waited_ns, answer);
		return true;
	}
	return false;
}

/* ---- showing ---- */

bool stacks_done(const struct stacks *s)
{
	return s->tasks != NULL && s->over_ns != 0;
}

static int compare_stacks(const void *a, const void *b)
{
	const struct model_stack *x = a, *y = b;
	if (x->tasks != y->tasks)
		return x->tasks < y->tasks ? 1 : -1;
	return is_longer(&x->longest, &y->longest) ? -1 : 1;
}

static void show(struct stacks *s)
{
	free_shown(s);
	s->shown = xcalloc(s->group_count, sizeof(*s->shown));
	for (size_t i = 0; i < s->group_count; i++)
		s->shown[i] = s->groups[i].stack;
	s->shown_count = (uint32_t)s->group_count;
	s->group_count = 0;
	s->shown_parked = s->parked;
	s->shown_read = s->read;
	s->shown_ns = s->begun_ns;
	qsort(s->shown, s->shown_count, sizeof(*s->shown), compare_stacks);
}

void stacks_fill(struct stacks *s, struct model *m)
{
	if (stacks_done(s) && s->shown_ns != s->begun_ns)
		show(s);
	m->stacks = s->shown;
	m->stack_count = s->shown_count;
	m->stacks_parked = s->shown_parked;
	m->stacks_read = s->shown_read;
	m->stacks_ns = s->shown_ns;
}
