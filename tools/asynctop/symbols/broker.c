/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The broker: between asynctop and the reader, one request at a time.
 *
 *   request → process (still the same program?) → its maps (new, old, or too old?) → image (has the reader got it?)
 *           → reader, with a time bound, opening debug information as it asks → answer
 *
 * If the chain has an address outside the maps, something was mapped since (dlopen): the maps are read again and, if
 * they changed, the question is put again. A reader that dies is replaced and the question put once more, since the
 * reader may have been killed from outside. A reader that exceeds the time is replaced and the question given up.
 */
#include "symbols/broker.h"
#include "symbols/jail.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAPS_AGE_NS      2000000000 /* a file in the place of another (dlclose(), dlopen()) is noticed after this */
#define MAPS_INTERVAL_NS 50000000   /* maps are not read more often, however wild the addresses */
#define SAME_STACK       128        /* bytes that must agree before a stack is taken for the same */

static void forget_images(struct broker *b)
{
	for (unsigned i = 0; i < IMAGE_SLOTS; i++) {
		free(b->image[i].key);
		b->image[i] = (struct image){ 0 };
	}
}

static void reader_stop(struct broker *b)
{
	if (!b->reader.pid)
		return;
	child_end(&b->reader);
	forget_images(b);
}

static _Noreturn void reader_process(int socket, const void *unused)
{
	(void)unused;
	if (!jail_enter())
		_exit(1);
	reader_main(socket);
}

static void tell_reader(struct broker *b)
{
	struct message_reader m = { .head = { .type = MESSAGE_READER, .size = sizeof(m) }, .pid = b->reader.pid };
	message_send(b->socket, &m, -1, MESSAGE_FOREVER);
}

static int reader_start(struct broker *b)
{
	int error;
	if (b->reader.pid)
		return 0;
	error = child_start(&b->reader, "asynctop-reader", reader_process, NULL);
	if (!error)
		tell_reader(b);
	return error;
}

static int send_module(struct broker *b, unsigned slot, uint32_t i, const struct process *p,
		       const struct new_image *image, int64_t deadline)
{
	const struct file_key *key = &image->key->file[i];
	struct message_module m = {
		.head = { .type = MESSAGE_MODULE, .size = sizeof(m) },
		.slot = slot,
		.index = i,
		.start = key->start,
		.end = key->end,
		.offset = key->offset,
		.device = key->device,
		.inode = key->inode,
	};
	memcpy(m.path, p->map[i].path, sizeof(m.path));
	return child_send(&b->reader, &m, image->descriptor[i], deadline);
}

static int send_image(struct broker *b, unsigned slot, const struct process *p, const struct new_image *image,
		      int64_t deadline)
{
	struct message_image m = { .head = { .type = MESSAGE_IMAGE, .size = sizeof(m) }, .slot = slot };
	int error = child_send(&b->reader, &m, -1, deadline);
	for (uint32_t i = 0; i < p->mappings && !error; i++)
		error = send_module(b, slot, i, p, image, deadline);
	return error;
}

/* Gives the reader the process's image unless it has it. 0, an error of readers_fault(), or one of /proc. */
static int load_image(struct broker *b, struct process *p, int64_t age, int64_t deadline)
{
	struct new_image *image = NULL;
	bool have;
	int error = process_refresh(b, p, age, &image);
	if (error || !image)
		return error;
	p->slot = image_find(b, image->key, &have);
	if (!have) {
		free(b->image[p->slot].key);
		b->image[p->slot] = (struct image){ 0 };
		error = send_image(b, p->slot, p, image, deadline);
	}
	if (!have && !error) {
		b->image[p->slot] = (struct image){ .serial = ++b->clock, .key = image->key };
		image->key = NULL;
	}
	p->serial = b->image[p->slot].serial;
	new_image_free(image);
	return error;
}

static int answer_want(struct broker *b, const struct process *p, const struct message_want *want, int64_t deadline)
{
	struct message_file m = { .head = { .type = MESSAGE_FILE, .size = sizeof(m) } };
	int fd = -ENOENT, error;
	if (want->index < p->mappings && want->how <= WANT_DWZ && memchr(want->name, 0, sizeof(want->name)))
		fd = target_open_debug(&p->files, p->map[want->index].path, want->how, want->name, want->nth);
	m.end = fd == -ENOENT;
	error = child_send(&b->reader, &m, fd < 0 ? -1 : fd, deadline);
	if (fd >= 0)
		close(fd);
	return error;
}

/*
 * Puts the question to the reader. 0 and *answer, -EPIPE: it died, -EAGAIN: it is late, -EDEADLK: its target blocks it,
 * -EPROTO: its message is not valid.
 */
static int ask_reader(struct broker *b, const struct process *p, struct message_request *request, union message *answer,
		      int64_t deadline)
{
	int error;
	request->slot = p->slot;
	b->image[p->slot].used = ++b->clock;
	child_expect(&b->reader);
	error = child_send(&b->reader, request, -1, deadline);
	while (!error) {
		int got = child_receive(&b->reader, answer, sizeof(*answer), NULL, deadline);
		if (got <= 0)
			return got == 0 ? -EPIPE : got;
		if (answer->head.id != request->head.id)
			return -EPROTO;
		if (answer->head.type == MESSAGE_ANSWER)
			return message_answer_ok(&answer->answer) ? 0 : -EPROTO;
		if (answer->head.type != MESSAGE_WANT || answer->head.size != sizeof(answer->want))
			return -EPROTO;
		error = answer_want(b, p, &answer->want, deadline);
	}
	return error;
}

/*
 * Takes more of the stack from the process itself if it has not moved on: the copied bytes are still there, unchanged.
 * So a block that lasts is located even if libc's frames fill the copy. False: there is no more to be had.
 */
static bool extend_stack(pid_t tid, struct message_request *request)
{
	static uint8_t now[SYMBOLS_STACK];
	struct iovec local = { .iov_base = now, .iov_len = sizeof(now) };
	struct iovec remote = { .iov_base = (void *)request->registers.rsp, .iov_len = sizeof(now) };
	ssize_t n;
	if (request->stack_size < SAME_STACK)
		return false;
	n = process_vm_readv(tid, &local, 1, &remote, 1, 0); /* less at the stack's end */
	if (n < 0 || (size_t)n <= request->stack_size || memcmp(now, request->stack, request->stack_size))
		return false;
	memcpy(request->stack, now, (size_t)n);
	request->stack_size = (uint64_t)n;
	request->head.size = message_request_size((uint64_t)n);
	return true;
}

static uint64_t innermost(const struct message_request *request)
{
	return request->kind == SYMBOLS_SAMPLE ? request->registers.rip : request->address;
}

/* After a first answer: the maps may have changed, or the copied stack may have been too short. */
static int ask_again(struct broker *b, struct process *p, struct message_request *request, union message *answer,
		     int64_t deadline)
{
	uint64_t serial = p->serial;
	int error = 0;
	if (answer->answer.uncovered)
		error = load_image(b, p, MAPS_INTERVAL_NS, deadline);
	if (!error && p->serial != serial)
		error = ask_reader(b, p, request, answer, deadline);
	if (!error && request->kind == SYMBOLS_SAMPLE && answer->answer.truncated && answer->answer.location < 0 &&
	    extend_stack(p->tid, request))
		error = ask_reader(b, p, request, answer, deadline);
	return error;
}

static int resolve(struct broker *b, struct process *p, struct message_request *request, union message *answer,
		   int64_t deadline)
{
	int error = reader_start(b);
	if (!error)
		error = load_image(b, p, MAPS_AGE_NS, deadline);
	if (!error && request->kind != SYMBOLS_PREPARE && !process_covers(p, innermost(request)))
		error = load_image(b, p, MAPS_INTERVAL_NS, deadline);
	if (!error)
		error = ask_reader(b, p, request, answer, deadline);
	return error ? error : ask_again(b, p, request, answer, deadline);
}

static bool readers_fault(int error)
{
	return error == -EPIPE || error == -EAGAIN || error == -EDEADLK || error == -EPROTO;
}

static enum symbols_status serve(struct broker *b, struct message_request *request, union message *answer)
{
	enum symbols_status status = SYMBOLS_NO_PROCESS;
	struct process *p;
	int error = -EPIPE;
	/* -ESRCH: the thread ended through which its files are opened, or the process */
	for (int try = 0; try < 2 && (error == -EPIPE || error == -ESRCH); try++) {
		status = process_find(b, request->pid, &p);
		if (status != SYMBOLS_RESOLVED)
			return status;
		error = resolve(b, p, request, answer, message_clock() + b->timeout_ms * 1000000LL);
		if (readers_fault(error))
			reader_stop(b);
	}
	if (!error)
		return SYMBOLS_RESOLVED;
	if (error == -EDEADLK)
		return SYMBOLS_BLOCKED;
	if (error == -EACCES || error == -EPERM)
		return SYMBOLS_DENIED;
	return error == -ESRCH || error == -ENOENT ? SYMBOLS_NO_PROCESS : SYMBOLS_FAILED;
}

static void serve_request(struct broker *b, struct message_request *request)
{
	static union message answer;
	enum symbols_status status = serve(b, request, &answer);
	if (status != SYMBOLS_RESOLVED)
		answer.answer = (struct message_answer){
			.head = { .type = MESSAGE_ANSWER, .size = message_answer_size(0), .id = request->head.id },
			.status = status,
			.location = -1,
		};
	message_send(b->socket, &answer, -1, MESSAGE_FOREVER);
}

_Noreturn void broker_main(int socket, unsigned timeout_ms)
{
	static struct broker broker;
	static union message message;
	signal(SIGCHLD, SIG_IGN); /* a reader that was left is reaped when it dies, whenever that is */
	broker.socket = socket;
	broker.timeout_ms = timeout_ms;
	broker.vdso = vdso_copy();
	reader_start(&broker);
	while (message_receive(socket, &message, sizeof(message), NULL, MESSAGE_FOREVER) == 1) {
		if (message_request_ok(&message.request))
			serve_request(&broker, &message.request);
	}
	reader_stop(&broker);
	_exit(0);
}
