/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * asynctop's end of the resolver: questions that wait, answers that are ready, and the broker's life.
 *
 *   submit → [open: not sent yet → sent] → answer → [ready] → collect
 *
 * The broker answers in order, so the oldest question that was sent is the one being worked on. If no answer came for
 * longer than the broker may need, or if it is blocked (child.h), it is killed, the oldest question fails, and the
 * others are sent to the next broker. If the broker died, the oldest may be innocent and is sent once more.
 */
#include "child/abandoned.h"
#include "child/child.h"
#include "common/memory.h"
#include "symbols/answer.h"
#include "symbols/refused.h"
#include "symbols/strikes.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TIMEOUT_MS      5000
#define BROKER_SLACK_MS 1000       /* for its own work, above twice the reader's time */
#define RETRY_NS        1000000000 /* between brokers that do not live */
#define COLLECT_AT_ONCE 32         /* answers taken from the socket in one call */

struct question {
	struct question *next;
	struct symbols_request request; /* its stack is in the message */
	uint64_t digest;
	bool sent;
	bool silent; /* of symbols_lookup(): for the cache alone */
	bool retried;
	struct message_request message; /* allocated as long as it is sent */
};

struct ready {
	struct ready *next;
	struct kept_answer *answer;
};

struct symbols {
	struct child broker;
	pid_t reader;
	int reader_pidfd; /* -1: none */
	unsigned timeout_ms;
	unsigned restarts;
	bool heard;       /* this broker has said something */
	int64_t retry_ns; /* without a broker: not before */
	uint64_t ids;
	int64_t progress_ns; /* the last answer, or the first question sent after all were answered */
	struct question *open, **open_end;
	unsigned open_count;
	struct ready *ready, **ready_end;
	unsigned ready_count;
	struct strikes strikes;
	struct refused refused;
	struct answer_cache cache;
};

/* The broker's life */

static void set_reader(struct symbols *s, pid_t reader)
{
	if (s->reader_pidfd >= 0)
		close(s->reader_pidfd);
	s->reader = reader;
	s->reader_pidfd = reader > 0 ? (int)syscall(SYS_pidfd_open, reader, 0) : -1;
}

/* `because`: the process that blocks it, or 0. Its reader ends with it. */
static void stop_broker(struct symbols *s, pid_t because)
{
	pid_t broker = s->broker.pid;
	child_end(&s->broker);
	abandoned_child(broker, because);
	set_reader(s, 0);
}

static _Noreturn void broker_process(int socket, const void *timeout_ms)
{
	broker_main(socket, *(const unsigned *)timeout_ms);
}

static bool start_broker(struct symbols *s)
{
	s->heard = false;
	return child_start(&s->broker, "asynctop-broker", broker_process, &s->timeout_ms) == 0;
}

/* Questions and answers */

/* Takes `answer` over. */
static void make_ready(struct symbols *s, struct kept_answer *answer)
{
	struct ready *r = xcalloc(1, sizeof(*r));
	r->answer = answer;
	*s->ready_end = r;
	s->ready_end = &r->next;
	s->ready_count++;
}

static struct question *take_question(struct symbols *s, struct question **at)
{
	struct question *q = *at;
	*at = q->next;
	if (s->open_end == &q->next)
		s->open_end = at;
	s->open_count--;
	return q;
}

/* Ends the question at *at with that answer, which it takes over. */
static void settle_question(struct symbols *s, struct question **at, struct kept_answer *answer)
{
	struct question *q = take_question(s, at);
	cache_keep(&s->cache, q->digest, answer, message_clock());
	if (q->silent)
		free(answer);
	else
		make_ready(s, answer);
	free(q);
}

static void fail_oldest(struct symbols *s, enum symbols_status status)
{
	settle_question(s, &s->open, answer_failed(&s->open->request, status));
}

/* The same, and it is this question that did it. */
static void blame_oldest(struct symbols *s)
{
	strikes_note(&s->strikes, s->open->request.pid, message_clock());
	fail_oldest(s, SYMBOLS_FAILED);
}

static void send_questions(struct symbols *s)
{
	bool idle = !s->open || !s->open->sent;
	for (struct question *q = s->open; q && s->broker.pid; q = q->next) {
		if (q->sent)
			continue;
		if (message_send(s->broker.socket, &q->message, -1, 0))
			break; /* full: at the next tick; closed: receiving finds out */
		q->sent = true;
	}
	if (idle) {
		s->progress_ns = message_clock();
		child_expect(&s->broker);
	}
}

/* No broker is to be had for now. */
static void give_up_broker(struct symbols *s)
{
	stop_broker(s, 0);
	s->retry_ns = message_clock() + RETRY_NS;
	while (s->open)
		fail_oldest(s, SYMBOLS_FAILED);
}

static void restart(struct symbols *s, pid_t because)
{
	stop_broker(s, because);
	s->restarts++;
	for (struct question *q = s->open; q; q = q->next)
		q->sent = false;
	if (!start_broker(s))
		give_up_broker(s);
}

static void broker_died(struct symbols *s)
{
	if (!s->heard) {
		give_up_broker(s);
		return;
	}
	if (s->open && s->open->sent) {
		if (s->open->retried)
			blame_oldest(s);
		else
			s->open->retried = true;
	}
	restart(s, 0);
}

/* Fails the open questions of a process, once reading it is known to block. */
static void fail_blocked(struct symbols *s)
{
	for (struct question **q = &s->open; *q;) {
		if (abandoned_why((*q)->request.pid))
			settle_question(s, q, answer_failed(&(*q)->request, SYMBOLS_BLOCKED));
		else
			q = &(*q)->next;
	}
}

static void broker_blocked(struct symbols *s)
{
	restart(s, s->open->request.pid);
	fail_blocked(s);
	send_questions(s);
}

/* The broker has left its reader for another; this is about the one before. */
static void reader_blocked(struct symbols *s, pid_t because)
{
	int pidfd = s->reader_pidfd;
	s->reader_pidfd = -1;
	set_reader(s, 0);
	abandoned_grandchild(pidfd, because);
}

static void take_answer(struct symbols *s, const struct message_answer *m)
{
	s->progress_ns = message_clock();
	child_expect(&s->broker);
	for (struct question **q = &s->open; *q; q = &(*q)->next) {
		if ((*q)->message.head.id == m->head.id) {
			if (m->status == SYMBOLS_BLOCKED)
				reader_blocked(s, (*q)->request.pid);
			if (m->status == SYMBOLS_FAILED)
				strikes_note(&s->strikes, (*q)->request.pid, s->progress_ns);
			refused_note(&s->refused, (*q)->request.pid, m);
			settle_question(s, q, answer_from(m, &(*q)->request));
			return;
		}
	}
}

static void receive_answers(struct symbols *s)
{
	union message m;
	for (int i = 0; i < COLLECT_AT_ONCE && s->broker.pid; i++) {
		int got = message_receive(s->broker.socket, &m, sizeof(m), NULL, 0);
		if (got == -EAGAIN)
			return;
		s->heard |= got == 1;
		if (got == 1 && message_answer_ok(&m.answer))
			take_answer(s, &m.answer);
		else if (got == 1 && m.head.type == MESSAGE_READER && m.head.size == sizeof(m.reader))
			set_reader(s, m.reader.pid);
		else
			broker_died(s);
	}
}

static bool is_late(const struct symbols *s)
{
	int64_t bound = (2LL * s->timeout_ms + BROKER_SLACK_MS) * 1000000;
	return s->open && s->open->sent && message_clock() - s->progress_ns > bound;
}

/* All that can be done without waiting. */
static void work(struct symbols *s)
{
	if (!s->broker.pid && message_clock() >= s->retry_ns)
		restart(s, 0);
	receive_answers(s);
	if (is_late(s)) {
		blame_oldest(s);
		restart(s, 0);
	} else if (s->open && s->open->sent && child_blocked(&s->broker)) {
		broker_blocked(s);
	}
	send_questions(s);
}

/* Public functions */

struct symbols *symbols_open(const struct symbols_options *options)
{
	struct symbols *s = xcalloc(1, sizeof(*s));
	s->reader_pidfd = -1;
	s->open_end = &s->open;
	s->ready_end = &s->ready;
	s->timeout_ms =
		options && options->size >= sizeof(*options) && options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
	if (!start_broker(s)) {
		free(s);
		return NULL;
	}
	return s;
}

void symbols_close(struct symbols *s)
{
	if (!s)
		return;
	stop_broker(s, 0);
	while (s->open)
		free(take_question(s, &s->open));
	while (s->ready) {
		struct ready *r = s->ready;
		s->ready = r->next;
		free(r->answer);
		free(r);
	}
	cache_forget(&s->cache, 0);
	free(s);
}

static int add_question(struct symbols *s, const struct symbols_request *request, uint64_t digest, bool silent)
{
	size_t stack = request->stack_size;
	struct question *q;
	if (s->open_count == SYMBOLS_PENDING)
		return -EAGAIN;
	q = xcalloc(1, offsetof(struct question, message) + message_request_size(stack));
	q->request = *request;
	q->request.stack = NULL;
	q->digest = digest;
	q->silent = silent;
	q->message.head =
		(struct message_head){ .type = MESSAGE_REQUEST, .size = message_request_size(stack), .id = ++s->ids };
	q->message.pid = request->pid;
	q->message.kind = request->kind;
	q->message.returns = request->returns;
	q->message.address = request->address;
	q->message.registers = request->registers;
	memcpy(q->message.entry, request->entry, sizeof(q->message.entry));
	q->message.stack_size = stack;
	if (stack)
		memcpy(q->message.stack, request->stack, stack);
	*s->open_end = q;
	s->open_end = &q->next;
	s->open_count++;
	work(s);
	return 0;
}

/* The request as it is sent: without the fields that its kind does not have. */
static int normalise(const struct symbols_request *in, struct symbols_request *out)
{
	*out = (struct symbols_request){ .key = in->key, .pid = in->pid, .kind = in->kind };
	if (in->pid <= 0 || (unsigned)in->kind > SYMBOLS_PREPARE || (in->kind == SYMBOLS_SAMPLE && !in->registers.rip))
		return -EINVAL;
	if (in->kind != SYMBOLS_PREPARE)
		out->returns = in->returns;
	if (in->kind == SYMBOLS_ADDRESS)
		out->address = in->address;
	if (in->kind == SYMBOLS_SAMPLE) {
		out->registers = in->registers;
		snprintf(out->entry, sizeof(out->entry), "%s", in->entry);
		out->stack = in->stack;
		out->stack_size = !in->stack ? 0 : in->stack_size < SYMBOLS_STACK ? in->stack_size : SYMBOLS_STACK;
	}
	return 0;
}

int symbols_submit(struct symbols *s, const struct symbols_request *request)
{
	const struct kept_answer *known;
	struct symbols_request r;
	uint64_t digest;
	int error = normalise(request, &r);
	if (error)
		return error;
	digest = request_digest(&r);
	known = cache_find(&s->cache, digest, r.pid, message_clock());
	if (known) {
		make_ready(s, answer_again(known, r.key));
		return 0;
	}
	if (abandoned_why(r.pid)) {
		make_ready(s, answer_failed(&r, SYMBOLS_BLOCKED));
		return 0;
	}
	if (strikes_out(&s->strikes, r.pid, message_clock())) {
		make_ready(s, answer_failed(&r, SYMBOLS_FAILED));
		return 0;
	}
	return add_question(s, &r, digest, false);
}

static bool is_asked(const struct symbols *s, uint64_t digest, pid_t pid)
{
	for (const struct question *q = s->open; q; q = q->next) {
		if (q->digest == digest && q->request.pid == pid)
			return true;
	}
	return false;
}

int symbols_lookup(struct symbols *s, const struct symbols_request *request, struct symbols_answer *answer)
{
	const struct kept_answer *known;
	struct symbols_request r;
	uint64_t digest;
	int error = normalise(request, &r);
	if (error)
		return error;
	digest = request_digest(&r);
	work(s);
	known = cache_find(&s->cache, digest, r.pid, message_clock());
	if (known) {
		answer_give(known, answer);
		return 1;
	}
	if (is_asked(s, digest, r.pid) || abandoned_why(r.pid) || strikes_out(&s->strikes, r.pid, message_clock()))
		return 0;
	return add_question(s, &r, digest, true);
}

int symbols_collect(struct symbols *s, struct symbols_answer *answer)
{
	struct ready *r;
	work(s);
	r = s->ready;
	if (!r)
		return 0;
	s->ready = r->next;
	if (!s->ready)
		s->ready_end = &s->ready;
	s->ready_count--;
	answer_give(r->answer, answer);
	free(r->answer);
	free(r);
	return 1;
}

static bool wants_to_send(const struct symbols *s)
{
	for (const struct question *q = s->open; q; q = q->next) {
		if (!q->sent)
			return true;
	}
	return false;
}

int symbols_wait(struct symbols *s, int timeout_ms)
{
	int64_t deadline = message_clock() + timeout_ms * 1000000LL;
	for (;;) {
		struct pollfd p = { .events = POLLIN };
		int64_t left_ms = (deadline - message_clock() + 999999) / 1000000;
		work(s);
		if (s->ready || !s->open || left_ms <= 0)
			return (int)(s->open_count + s->ready_count);
		p.fd = s->broker.pid ? s->broker.socket : -1;
		if (wants_to_send(s))
			p.events |= POLLOUT;
		poll(&p, 1, left_ms < 100 ? (int)left_ms : 100); /* in between, is_late() is to be asked */
	}
}

int symbols_descriptor(const struct symbols *s)
{
	return s->broker.pid ? s->broker.socket : -1;
}

void symbols_forget(struct symbols *s, pid_t pid)
{
	cache_forget(&s->cache, pid);
	refused_forget(&s->refused, pid);
}

const char *symbols_refused(const struct symbols *s, pid_t pid)
{
	return refused_why(&s->refused, pid);
}

struct symbols_processes symbols_processes(const struct symbols *s)
{
	return (struct symbols_processes){ .broker = s->broker.pid, .reader = s->reader, .restarts = s->restarts };
}
