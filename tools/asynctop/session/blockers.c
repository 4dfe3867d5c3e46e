/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Keeping pictures of the longest blocks. */
#include "session/blockers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "model/verdict.h"
#include "source/look.h"
#include "source/target.h"

/*
 * Bounds on the memory that a process can make asynctop use for its blocks: 94 KiB of pictures for each of the first
 * PICTURED_MOST kinds, and 8 KiB for each of at most BLOCKERS_MOST kinds that the kernel counts: 32 MiB in all.
 */
#define BLOCKERS_MOST 1024
#define PICTURED_MOST 256

/* A block as it was first seen. */
struct picture {
	bool taken;
	struct block_record record;
	struct model_block block;
};

struct pictures {
	struct picture shown; /* complete */
	struct picture next;  /* taken, its stack is being resolved under `key` */
	uint64_t key;
	bool unread; /* the process could not be read at that time: ask again */
};

struct blocker {
	uint32_t site;
	int32_t syscall;
	uint32_t place;
	uint32_t number; /* of this entry */
	uint32_t row;    /* index in the model */
	struct block_total total;
	uint32_t in_progress;
	int64_t in_progress_ns;
	uint64_t in_progress_delayed_tasks;
	int64_t in_progress_delayed_ns;
	struct pictures *pictures; /* NULL: there are none yet, or no room for them */
};

/* ---- pictures ---- */

static void picture_clear(struct picture *p)
{
	for (unsigned i = 0; i < p->block.arg_count; i++)
		free(p->block.args[i]);
	free(p->block.target);
	free(p->block.target_was);
	free(p->block.stack);
	memset(&p->block, 0, sizeof(p->block));
	p->taken = false;
}

static char *text_take(struct text *t)
{
	return t->data != NULL ? t->data : xstrdup("");
}

static bool is_named(const struct model_block *block)
{
	return block->target != NULL && strcmp(block->target, TARGET_CLOSED) != 0;
}

/* The name of the target, or that it is closed. */
static void look_at_target(struct blockers *b, struct picture *p)
{
	struct text name = { 0 };
	int open = look_name(b->process->pid, b->process->dir, &name, &p->record);
	char *was = open ? NULL : p->block.target_was;
	if (open < 0) /* it cannot be told: it stays as it was */
		return;
	/* A closed target is named if it was open at an earlier tick. */
	if (!open && was == NULL && is_named(&p->block))
		was = p->block.target, p->block.target = NULL;
	if (open)
		free(p->block.target_was);
	free(p->block.target);
	p->block.target_was = was;
	p->block.target = name.length > 0 ? text_take(&name) : NULL;
	if (name.length == 0)
		text_free(&name);
}

/* A socket's name is looked for once, in a list of all sockets: there may be very many. */
static void take_target(struct blockers *b, struct picture *p)
{
	if (!S_ISSOCK(p->block.fd_mode) || !is_named(&p->block) ||
	    look_same(b->process->pid, b->process->dir, &p->record) == 0)
		look_at_target(b, p);
}

/* Threads that are workers; `most`: that may be. */
static uint32_t threads_of(const struct blockers *b, const struct model *m, uint64_t *most)
{
	const struct sley_region_header *header = &b->process->region.header;
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->worker_count; i++)
		n += m->workers[i].line.thread != 0;
	*most = (uint64_t)header->target + header->max_threads;
	return n;
}

/* Why no other worker took over. */
static enum handover unhanded(const struct blockers *b, const struct model *m, const struct block_record *r)
{
	const struct sley_region_header *header = &b->process->region.header;
	uint64_t most;
	if (r->delayed_tasks == 0)
		return HANDOVER_NEEDLESS;
	if (r->begun > 0)
		return HANDOVER_OTHERS;
	if (r->queued == 0)
		return HANDOVER_PINNED;
	if (r->noted_ns == 0 && header->level < SLEY_LEVEL_TIMES && r->end_ns != 0)
		return HANDOVER_UNKNOWN; /* the process keeps no words of it */
	if (r->noted_ns == 0)
		return header->sources & ~(1u << SLEY_SOURCE_TOLD) ? HANDOVER_UNNOTICED : HANDOVER_OFF;
	return r->replacement == 0 && threads_of(b, m, &most) >= most ? HANDOVER_FULL : HANDOVER_NONE;
}

static void see_handover(const struct blockers *b, struct model_block *block, const struct model *m,
			 const struct block_record *r)
{
	uint64_t most;
	block->handover = r->handed_ns ? HANDOVER_DONE : unhanded(b, m, r);
	block->threads = threads_of(b, m, &most);
	block->handed_to = r->replacement - 1;
	block->handed_after_ns = r->handed_ns > r->start_ns ? (int64_t)(r->handed_ns - r->start_ns) : 0;
}

static void take_picture(struct blockers *b, struct picture *p, const struct model *m, const struct block_record *r)
{
	struct model_block *block = &p->block;
	picture_clear(p);
	p->taken = true;
	p->record = *r;
	block->task = r->task;
	block->worker = r->worker;
	block->syscall = r->syscall;
	block->fd_mode = r->fd_mode;
	block->began_before = (r->flags & BLOCK_EARLY) != 0;
	see_handover(b, block, m, r);
	snprintf(block->name, sizeof(block->name), "%.*s", BLOCK_NAME, r->name);
	for (unsigned i = 0; i < SYSCALL_ARGS; i++) {
		struct text arg = { 0 };
		if (!syscall_arg(&arg, r, i))
			break;
		block->args[block->arg_count++] = text_take(&arg);
	}
	take_target(b, p);
}

static bool same_block(const struct picture *p, const struct block_record *r)
{
	return p->taken && p->record.worker == r->worker && p->record.number == r->number;
}

/* ---- symbols ---- */

static struct symbols_request stack_question(const struct blockers *b, const struct model *m,
					     const struct block_record *r, uint64_t key)
{
	const uint64_t *regs = r->regs;
	struct symbols_request question = {
		.key = key,
		.pid = b->process->pid,
		.kind = SYMBOLS_SAMPLE,
		.returns = r->syscall != SYSCALL_FAULT,
		.registers = { .rip = regs[BLOCK_REG_IP],
			       .rsp = regs[BLOCK_REG_SP],
			       .rbp = regs[6],
			       .rbx = regs[3],
			       .rdi = regs[5],
			       .r12 = regs[12],
			       .r13 = regs[13],
			       .r14 = regs[14],
			       .r15 = regs[15] },
		.stack = r->stack,
		.stack_size = r->stack_size < BLOCK_STACK_MAX ? r->stack_size : BLOCK_STACK_MAX,
	};
	snprintf(question.entry, sizeof(question.entry), "%s", model_site(m, r->site)->entry);
	return question;
}

static void promote(struct pictures *e)
{
	picture_clear(&e->shown);
	e->shown = e->next;
	memset(&e->next, 0, sizeof(e->next));
	e->shown.block.resolved = true;
	e->unread = false;
}

/* NULL: there is no room, and this picture is lost. */
static struct pictures *pictures_of(struct blockers *b, struct blocker *e)
{
	if (e->pictures != NULL)
		return e->pictures;
	if (b->pictured == PICTURED_MOST) {
		b->unpictured++;
		return NULL;
	}
	b->pictured++;
	return e->pictures = xcalloc(1, sizeof(*e->pictures));
}

/* False: not now. */
static bool ask(struct blockers *b, struct pictures *pictures, const struct model *m, const struct block_record *r)
{
	uint64_t key = ++*b->next_key;
	struct symbols_request question = stack_question(b, m, r, key);
	if (b->symbols != NULL && symbols_submit(b->symbols, &question) == -EAGAIN)
		return false;
	pictures->key = key;
	pictures->unread = false;
	return true;
}

static void take_next(struct blockers *b, struct pictures *pictures, const struct model *m,
		      const struct block_record *r)
{
	if (!ask(b, pictures, m, r))
		return;
	take_picture(b, &pictures->next, m, r);
	/* Without a symbol reader, or with registers it cannot use, there will be no answer. */
	if (b->symbols == NULL || r->regs[BLOCK_REG_IP] == 0)
		promote(pictures);
}

/* Takes a picture of `r` unless it is there already, or the one before is still being resolved. */
static void consider(struct blockers *b, struct blocker *e, const struct model *m, const struct block_record *r)
{
	struct pictures *pictures = pictures_of(b, e);
	if (pictures == NULL)
		return;
	if (same_block(&pictures->next, r))
		see_handover(b, &pictures->next.block, m, r);
	else if (same_block(&pictures->shown, r))
		see_handover(b, &pictures->shown.block, m, r);
	else if (!pictures->next.taken || pictures->unread)
		take_next(b, pictures, m, r);
}

void place_from_frame(struct model_place *place, const struct symbols_frame *frame)
{
	memset(place, 0, sizeof(*place));
	if (frame == NULL)
		return;
	memcpy(place->file, frame->file, sizeof(place->file) - 1);
	memcpy(place->function, frame->function, sizeof(place->function) - 1);
	place->line = frame->line;
	symbols_format(frame, place->text, sizeof(place->text));
}

/* The caller of libc: sley, or the service itself. A function without a frame that sley ran may be the service's. */
static void find_runtime(struct model_block *block, const struct symbols_answer *a)
{
	unsigned i = 0;
	while (i < a->frames && i < SYMBOLS_FRAMES && a->frame[i].owner != SYMBOLS_SLEY &&
	       a->frame[i].owner != SYMBOLS_USER)
		i++;
	if (i == a->frames || i == SYMBOLS_FRAMES || a->frame[i].owner != SYMBOLS_SLEY)
		return;
	if (a->frame[i].blind)
		block->frameless = true;
	else
		snprintf(block->runtime, sizeof(block->runtime), "%.60s", a->frame[i].function);
}

/* Whatever libc calls on the way: files, sockets, locks. */
static bool is_lookup(const struct symbols_answer *a)
{
	static const char *const names[] = { "getaddrinfo", "getnameinfo", "gethostby" };
	for (unsigned i = 0; i < a->frames && a->frame[i].owner == SYMBOLS_LIBC; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (strncmp(a->frame[i].function, names[k], strlen(names[k])) == 0)
				return true;
	return false;
}

static void use_answer(struct model_block *block, const struct symbols_answer *a)
{
	place_from_frame(&block->place, symbols_location(a));
	find_runtime(block, a);
	block->lookup = is_lookup(a);
	block->frames = 0;
	block->stack = xcalloc(a->frames + 1, sizeof(*block->stack));
	for (unsigned i = 0; i < a->frames; i++) {
		if (i == SYMBOLS_INNER && a->left_out > 0)
			snprintf(block->stack[block->frames++].text, sizeof(block->stack->text), "(%u more)",
				 a->left_out);
		place_from_frame(&block->stack[block->frames++], &a->frame[i]);
	}
}

bool blockers_answer(struct blockers *b, const struct symbols_answer *answer)
{
	for (size_t i = 0; i < b->count; i++) {
		struct pictures *e = b->entries[i]->pictures;
		if (e == NULL || !e->next.taken || e->key != answer->key)
			continue;
		if (answer->status == SYMBOLS_BLOCKED) {
			e->unread = true;
			return true;
		}
		use_answer(&e->next.block, answer);
		e->next.block.exact = symbols_location(answer) != NULL && e->next.record.place != 0 &&
				      symbols_location(answer)->address == e->next.record.place;
		b->denied = answer->status == SYMBOLS_DENIED;
		promote(e);
		return true;
	}
	return false;
}

/* ---- reading the tracer ---- */

struct reading {
	struct blockers *blockers;
	const struct model *model;
};

/* NULL: there are too many. The kernel has no room for more either, and says so. */
static struct blocker *entry_of(struct blockers *b, uint32_t site, int32_t syscall, uint32_t place)
{
	struct blocker *e;
	for (size_t i = 0; i < b->count; i++)
		if (b->entries[i]->site == site && b->entries[i]->syscall == syscall && b->entries[i]->place == place)
			return b->entries[i];
	if (b->count == BLOCKERS_MOST)
		return NULL;
	b->entries = xgrow(b->entries, b->count, &b->room, sizeof(*b->entries));
	e = xcalloc(1, sizeof(*e));
	e->site = site;
	e->syscall = syscall;
	e->place = place;
	e->number = (uint32_t)b->count;
	return b->entries[b->count++] = e;
}

uint32_t blockers_event(struct blockers *b, const struct model *m, const struct block_record *r)
{
	struct blocker *e = entry_of(b, r->site, r->syscall, (uint32_t)r->place);
	uint64_t lasted = r->end_ns - r->start_ns;
	if (e == NULL)
		return UINT32_MAX;
	if (r->end_ns >= r->start_ns && lasted > e->total.max_ns) {
		e->total.max_ns = lasted;
		consider(b, e, m, r);
	}
	return e->number;
}

static void read_total(void *context, const struct tracer_total *t)
{
	struct reading *reading = context;
	struct blocker *e = entry_of(reading->blockers, t->key.site, t->key.syscall, t->key.place);
	if (e == NULL)
		return;
	e->total = t->total;
	if (t->longest != NULL)
		consider(reading->blockers, e, reading->model, t->longest);
}

void blockers_stuck(struct blockers *b, const struct model *m, const struct block_record *r)
{
	struct blocker *e = entry_of(b, r->site, r->syscall, (uint32_t)r->place);
	int64_t lasted = m->time_ns - (int64_t)r->start_ns;
	if (e == NULL)
		return;
	if (lasted < 0)
		lasted = 0;
	e->in_progress++;
	e->in_progress_delayed_tasks += r->delayed_tasks;
	if (__builtin_add_overflow(e->in_progress_delayed_ns, (int64_t)(r->delayed_ns & INT64_MAX),
				   &e->in_progress_delayed_ns))
		e->in_progress_delayed_ns = INT64_MAX;
	if (lasted > e->in_progress_ns)
		e->in_progress_ns = lasted;
	if (lasted > (int64_t)e->total.max_ns)
		consider(b, e, m, r);
}

static void read_under_way(void *context, const struct block_record *r)
{
	struct reading *reading = context;
	blockers_stuck(reading->blockers, reading->model, r);
}

int blockers_read(struct blockers *b, struct tracer *tracer, uint32_t process, const struct model *m)
{
	struct reading reading = { b, m };
	int status = tracer_totals(tracer, process, read_total, &reading);
	return status == 0 ? tracer_blocked(tracer, process, read_under_way, &reading) : status;
}

void blockers_begin(struct blockers *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct blocker *e = b->entries[i];
		e->in_progress = 0;
		e->in_progress_ns = 0;
		e->in_progress_delayed_tasks = 0;
		e->in_progress_delayed_ns = 0;
	}
}

void blockers_end(struct blockers *b, const struct model *m)
{
	for (size_t i = 0; i < b->count; i++) {
		struct pictures *pictures = b->entries[i]->pictures;
		if (pictures != NULL && pictures->shown.taken)
			take_target(b, &pictures->shown);
		if (pictures != NULL && pictures->next.taken)
			take_target(b, &pictures->next);
		if (pictures != NULL && pictures->unread)
			ask(b, pictures, m, &pictures->next.record);
	}
}

/* ---- into the model ---- */

static char *copy_text(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

static void copy_block(struct model_block *to, const struct model_block *from)
{
	*to = *from;
	for (unsigned i = 0; i < to->arg_count; i++)
		to->args[i] = xstrdup(from->args[i]);
	to->target = copy_text(from->target);
	to->target_was = copy_text(from->target_was);
	to->stack = xcalloc(from->frames, sizeof(*to->stack));
	for (unsigned i = 0; i < from->frames; i++)
		to->stack[i] = from->stack[i];
}

/* What is shown of an entry; NULL: nothing. */
static const struct model_block *picture_of(const struct blocker *e)
{
	if (e->pictures == NULL)
		return NULL;
	if (e->pictures->shown.taken)
		return &e->pictures->shown.block;
	return e->pictures->next.taken ? &e->pictures->next.block : NULL;
}

/*
 * Whether two entries are one row: their lines are known, and the same. A line may have several return addresses, and
 * words that lie in a stack by chance may look like some.
 */
static bool same_row(const struct blocker *a, const struct blocker *b)
{
	const struct model_block *x = picture_of(a), *y = picture_of(b);
	return a->site == b->site && a->syscall == b->syscall && x != NULL && y != NULL && x->place.text[0] != '\0' &&
	       strcmp(x->place.text, y->place.text) == 0 && strcmp(x->place.file, y->place.file) == 0;
}

static int64_t longest_of(const struct blocker *e)
{
	return e->in_progress_ns > (int64_t)e->total.max_ns ? e->in_progress_ns : (int64_t)e->total.max_ns;
}

static void add_to_row(struct model_blocker *to, const struct blocker *e)
{
	const struct block_total *total = &e->total;
	to->total.count += total->count;
	to->total.total_ns += total->total_ns;
	to->total.blocked_ns += total->blocked_ns;
	to->total.cpu_ns += total->cpu_ns;
	to->total.delayed_tasks += total->delayed_tasks;
	to->total.delayed_ns += total->delayed_ns;
	to->total.handed += total->handed;
	to->total.sleeps += total->sleeps;
	if (total->max_ns > to->total.max_ns)
		to->total.max_ns = total->max_ns;
	to->in_progress += e->in_progress;
	if (e->in_progress_ns > to->in_progress_ns)
		to->in_progress_ns = e->in_progress_ns;
	to->in_progress_delayed_tasks += e->in_progress_delayed_tasks;
	if (__builtin_add_overflow(to->in_progress_delayed_ns, e->in_progress_delayed_ns, &to->in_progress_delayed_ns))
		to->in_progress_delayed_ns = INT64_MAX;
}

/* Events of one kind were at one place, if the kernel's word for it is the caller of the library. */
static void place_events(const struct blockers *b, struct model *m)
{
	for (uint32_t i = 0; i < m->event_count; i++) {
		struct model_event *event = &m->events[i];
		const struct blocker *e = event->kind < b->count ? b->entries[event->kind] : NULL;
		const struct model_block *picture = e != NULL && e->row < m->blocker_count ? picture_of(e) : NULL;
		event->blocker = picture != NULL && picture->exact ? e->row : MODEL_NO_BLOCKER;
	}
}

/* The row of an entry, a new one if it is the first; `longest`: by row, the entry that has its longest block. */
static struct model_blocker *row_of(struct model *m, const struct blocker **longest, const struct blocker *e)
{
	uint32_t i = 0;
	while (i < m->blocker_count && !same_row(longest[i], e))
		i++;
	if (i == m->blocker_count) {
		m->blockers[m->blocker_count++] =
			(struct model_blocker){ .site = e->site, .syscall = e->syscall, .place = e->place };
		longest[i] = e;
	} else if (longest_of(e) > longest_of(longest[i])) {
		longest[i] = e;
	}
	return &m->blockers[i];
}

static void finish_row(struct model_blocker *to, const struct blocker *longest, const struct model *m)
{
	const struct model_block *picture = picture_of(longest);
	struct text verdict = { 0 };
	if (picture != NULL)
		copy_block(&to->longest, picture);
	to->longest.syscall = to->syscall;
	/* Not in the picture: an event may come before the tick that reads its site. */
	if (to->longest.name[0] == '\0')
		snprintf(to->longest.name, sizeof(to->longest.name), "%s", model_site(m, to->site)->entry);
	verdict_put(&verdict, m, to);
	to->verdict = text_take(&verdict);
}

void blockers_fill(struct blockers *b, struct model *m)
{
	const struct blocker **longest = xcalloc(b->count, sizeof(const struct blocker *));
	for (uint32_t i = 0; i < m->blocker_count; i++)
		model_blocker_free(&m->blockers[i]);
	free(m->blockers);
	m->blockers = xcalloc(b->count, sizeof(*m->blockers));
	m->blocker_count = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct blocker *e = b->entries[i];
		struct model_blocker *row;
		e->row = UINT32_MAX;
		/* A block that was only sampled leaves no count when it is over. */
		if (e->total.count == 0 && e->in_progress == 0)
			continue;
		row = row_of(m, longest, e);
		add_to_row(row, e);
		e->row = (uint32_t)(row - m->blockers);
	}
	place_events(b, m);
	for (uint32_t i = 0; i < m->blocker_count; i++)
		finish_row(&m->blockers[i], longest[i], m);
	free(longest);
}

void blockers_init(struct blockers *b, struct process *p, struct symbols *s, uint64_t *next_key)
{
	*b = (struct blockers){ .process = p, .symbols = s, .next_key = next_key };
}

void blockers_free(struct blockers *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct pictures *pictures = b->entries[i]->pictures;
		if (pictures != NULL) {
			picture_clear(&pictures->shown);
			picture_clear(&pictures->next);
		}
		free(pictures);
		free(b->entries[i]);
	}
	free(b->entries);
	*b = (struct blockers){ 0 };
}
