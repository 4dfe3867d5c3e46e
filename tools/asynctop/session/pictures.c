/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Taking pictures of blocks. */
#include "session/pictures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/memory.h"
#include "source/look.h"
#include "source/target.h"

/*
 * A bound on the memory that a process can make asynctop use: 94 KiB of pictures for each of so many kinds of block,
 * which is 24 MiB in all.
 */
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

/* ---- taking ---- */

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

char *text_take(struct text *t)
{
	return t->data != NULL ? t->data : xstrdup("");
}

static bool is_named(const struct model_block *block)
{
	return block->target != NULL && strcmp(block->target, TARGET_CLOSED) != 0;
}

/* The name of the target, or that it is closed. */
static void look_at_target(struct album *a, struct picture *p)
{
	struct text name = { 0 };
	int open = look_name(a->process->pid, a->process->dir, &name, &p->record);
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
static void take_target(struct album *a, struct picture *p)
{
	if (!S_ISSOCK(p->block.fd_mode) || !is_named(&p->block) ||
	    look_same(a->process->pid, a->process->dir, &p->record) == 0)
		look_at_target(a, p);
}

/* Threads that are workers; `most`: that may be. */
static uint32_t threads_of(const struct album *a, const struct model *m, uint64_t *most)
{
	const struct sley_region_header *header = &a->process->region.header;
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->worker_count; i++)
		n += m->workers[i].line.thread != 0;
	*most = (uint64_t)header->target + header->max_threads;
	return n;
}

/* Why no other worker took over. */
static enum handover unhanded(const struct album *a, const struct model *m, const struct block_record *r)
{
	const struct sley_region_header *header = &a->process->region.header;
	uint64_t most;
	if (r->delayed_tasks == 0)
		return HANDOVER_NEEDLESS;
	if (r->begun > 0)
		return HANDOVER_OTHERS;
	if (r->queued == 0 && r->late_tasks == 0)
		return HANDOVER_PINNED;
	if (r->noted_ns == 0 && header->level < SLEY_LEVEL_TIMES && r->end_ns != 0)
		return HANDOVER_UNKNOWN; /* the process keeps no words of it */
	if (r->noted_ns == 0)
		return header->sources & ~(1u << SLEY_SOURCE_TOLD) ? HANDOVER_UNNOTICED : HANDOVER_OFF;
	return r->replacement == 0 && threads_of(a, m, &most) >= most ? HANDOVER_FULL : HANDOVER_NONE;
}

void waker_take(struct model_waker *waker, const struct block_record *r)
{
	*waker = (struct model_waker){ 0 };
	if (r->end_ns == 0 || r->waker.kind >= WAKER_COUNT)
		return;
	waker->kind = r->waker.kind;
	if (waker->kind <= WAKER_INTERRUPT)
		return;
	waker->task = r->waker.task;
	waker->site = r->waker.site;
	waker->pid = r->waker.pid;
	waker->tid = r->waker.tid;
	snprintf(waker->name, sizeof(waker->name), "%.*s", BLOCK_NAME, r->waker.name);
}

/* What became of it, as far as it is known now. */
static void see_end(const struct album *a, struct model_block *block, const struct model *m,
		    const struct block_record *r)
{
	uint64_t most;
	block->handover = r->handed_ns ? HANDOVER_DONE : unhanded(a, m, r);
	block->threads = threads_of(a, m, &most);
	block->handed_to = r->replacement - 1;
	block->handed_after_ns = r->handed_ns > r->start_ns ? (int64_t)(r->handed_ns - r->start_ns) : 0;
	waker_take(&block->waker, r);
}

unsigned args_decode(char *args[SYSCALL_ARGS], const struct block_record *r)
{
	unsigned count = 0;
	struct text arg = { 0 };
	while (count < SYSCALL_ARGS && syscall_arg(&arg, r, count)) {
		args[count++] = text_take(&arg);
		arg = (struct text){ 0 };
	}
	text_free(&arg);
	return count;
}

static void take_picture(struct album *a, struct picture *p, const struct model *m, const struct block_record *r)
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
	see_end(a, block, m, r);
	snprintf(block->name, sizeof(block->name), "%.*s", BLOCK_NAME, r->name);
	block->arg_count = args_decode(block->args, r);
	take_target(a, p);
}

static bool same_block(const struct picture *p, const struct block_record *r)
{
	return p->taken && p->record.worker == r->worker && p->record.number == r->number;
}

/* ---- asking for the stack ---- */

struct symbols_request stack_question(const struct album *a, const struct model *m, const struct block_record *r,
				      uint64_t key)
{
	const uint64_t *regs = r->regs;
	struct symbols_request question = {
		.key = key,
		.pid = a->process->pid,
		.kind = SYMBOLS_SAMPLE,
		.returns = r->syscall != SYSCALL_FAULT && !(r->flags & BLOCK_COMPUTES),
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

/* False: there is no room, and this picture is lost. */
static bool pictures_room(struct album *a, struct pictures **pictures)
{
	if (*pictures != NULL)
		return true;
	if (a->pictured == PICTURED_MOST) {
		a->unpictured++;
		return false;
	}
	a->pictured++;
	*pictures = xcalloc(1, sizeof(**pictures));
	return true;
}

/* False: not now. */
static bool ask(struct album *a, struct pictures *pictures, const struct model *m, const struct block_record *r)
{
	uint64_t key = ++*a->next_key;
	struct symbols_request question = stack_question(a, m, r, key);
	if (a->symbols != NULL && symbols_submit(a->symbols, &question) == -EAGAIN)
		return false;
	pictures->key = key;
	pictures->unread = false;
	return true;
}

static void take_next(struct album *a, struct pictures *pictures, const struct model *m, const struct block_record *r)
{
	if (!ask(a, pictures, m, r))
		return;
	take_picture(a, &pictures->next, m, r);
	/* Without a symbol reader, or with registers it cannot use, there will be no answer. */
	if (a->symbols == NULL || r->regs[BLOCK_REG_IP] == 0)
		promote(pictures);
}

void pictures_consider(struct album *a, struct pictures **kept, const struct model *m, const struct block_record *r)
{
	struct pictures *pictures;
	if (!pictures_room(a, kept))
		return;
	pictures = *kept;
	if (same_block(&pictures->next, r))
		see_end(a, &pictures->next.block, m, r);
	else if (same_block(&pictures->shown, r))
		see_end(a, &pictures->shown.block, m, r);
	else if (!pictures->next.taken || pictures->unread)
		take_next(a, pictures, m, r);
}

void pictures_renew(struct album *a, struct pictures *pictures, const struct model *m)
{
	if (pictures->shown.taken)
		take_target(a, &pictures->shown);
	if (pictures->next.taken)
		take_target(a, &pictures->next);
	if (pictures->unread)
		ask(a, pictures, m, &pictures->next.record);
}

/* ---- answers ---- */

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

struct model_place *stack_from_answer(const struct symbols_answer *a, unsigned *count)
{
	struct model_place *stack = xcalloc(a->frames + 1, sizeof(*stack));
	unsigned n = 0;
	for (unsigned i = 0; i < a->frames; i++) {
		if (i == SYMBOLS_INNER && a->left_out > 0)
			snprintf(stack[n++].text, sizeof(stack->text), "(%u more)", a->left_out);
		place_from_frame(&stack[n++], &a->frame[i]);
	}
	*count = n;
	return stack;
}

static void use_answer(struct model_block *block, const struct symbols_answer *a)
{
	place_from_frame(&block->place, symbols_location(a));
	find_runtime(block, a);
	block->lookup = is_lookup(a);
	block->stack = stack_from_answer(a, &block->frames);
}

bool pictures_answer(struct album *a, struct pictures *pictures, const struct symbols_answer *answer)
{
	const struct symbols_frame *location = symbols_location(answer);
	struct picture *next = &pictures->next;
	if (!next->taken || pictures->key != answer->key)
		return false;
	if (answer->status == SYMBOLS_BLOCKED) {
		pictures->unread = true;
		return true;
	}
	use_answer(&next->block, answer);
	next->block.exact = location != NULL && next->record.place != 0 && location->address == next->record.place;
	a->denied = answer->status == SYMBOLS_DENIED;
	promote(pictures);
	return true;
}

/* ---- showing ---- */

const struct model_block *pictures_shown(const struct pictures *pictures)
{
	if (pictures == NULL)
		return NULL;
	if (pictures->shown.taken)
		return &pictures->shown.block;
	return pictures->next.taken ? &pictures->next.block : NULL;
}

static char *copy_text(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

void args_copy(char *to[SYSCALL_ARGS], char *const from[SYSCALL_ARGS], unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		to[i] = xstrdup(from[i]);
}

void block_copy(struct model_block *to, const struct model_block *from)
{
	*to = *from;
	args_copy(to->args, from->args, from->arg_count);
	to->target = copy_text(from->target);
	to->target_was = copy_text(from->target_was);
	to->stack = xcalloc(from->frames, sizeof(*to->stack));
	for (unsigned i = 0; i < from->frames; i++)
		to->stack[i] = from->stack[i];
}

void pictures_free(struct pictures *pictures)
{
	if (pictures == NULL)
		return;
	picture_clear(&pictures->shown);
	picture_clear(&pictures->next);
	free(pictures);
}
