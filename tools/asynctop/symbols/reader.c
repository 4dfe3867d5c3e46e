/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The reader: the only code that reads the bytes of foreign files. It runs behind jail_enter(). A crash in it, or an
 * endless loop, costs one answer.
 *
 * A stack is unwound by call-frame information from the files, over the copied bytes: the memory callback answers for
 * the copy alone, so the copy's end is the chain's end. Frame pointers are not needed, and -O2 leaves none.
 *
 * Code without call-frame information: libdw takes rbp for a frame pointer there, whatever it holds. So a caller that is
 * found in this way is believed only if a call precedes its return address; else the chain ends. A stub of libc without
 * such information around its system call (clone3, clone) has pushed nothing, so its return address is on the top.
 */
#include "symbols/code.h"
#include "symbols/tail.h"
#include "symbols/want.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHAIN     256  /* physical frames looked at */
#define NULL_PAGE 4096 /* a return address below it is an end */

static int find_no_elf(Dwfl_Module *m, void **data, const char *name, Dwarf_Addr base, char **file, Elf **elf)
{
	(void)m, (void)data, (void)name, (void)base, (void)file, (void)elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_no_elf,
	.find_debuginfo = module_find_debug,
	.section_address = dwfl_offline_section_address,
};

static void begin_image(const struct message_image *m)
{
	struct space *s = reader.slots[m->slot % IMAGE_SLOTS];
	if (!s)
		s = reader.slots[m->slot % IMAGE_SLOTS] = calloc(1, sizeof(*s));
	else
		space_reset(s);
	if (s)
		s->dwfl = dwfl_begin(&callbacks);
	if (!s || !s->dwfl)
		_exit(1);
	dwfl_report_begin(s->dwfl);
}

/* The difference between mapped addresses and the file's own; false if the mapping is none of its segments. */
static bool find_bias(int fd, const struct message_module *m, uint64_t *bias)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	bool found = false;
	size_t n = 0;
	if (!elf || elf_getphdrnum(elf, &n))
		n = 0;
	for (size_t i = 0; i < n && !found; i++) {
		GElf_Phdr p;
		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD || !(p.p_flags & PF_X))
			continue;
		found = m->offset < p.p_offset + p.p_filesz && m->offset + (m->end - m->start) > p.p_offset;
		*bias = m->start - m->offset - p.p_vaddr + p.p_offset;
	}
	elf_end(elf);
	return found;
}

static bool is_reported(const struct space *s, const struct message_module *m, uint64_t bias)
{
	for (unsigned i = 0; i < s->modules; i++) {
		if (s->module[i].device == m->device && s->module[i].inode == m->inode && s->module[i].bias == bias &&
		    m->inode)
			return true;
	}
	return false;
}

/* Reports the file to libdwfl, which takes the descriptor over if this returns true. */
static bool report_module(struct module *module, const struct message_module *m, int fd)
{
	void **data;
	module->dwfl = dwfl_report_elf(module->space->dwfl, module->name, m->path, fd, module->bias, true);
	if (!module->dwfl)
		return false;
	dwfl_module_info(module->dwfl, &data, NULL, NULL, NULL, NULL, NULL, NULL);
	*data = module;
	return true;
}

/* A file that cannot be read, or is no ELF file, is at least named. */
static void add_module(struct space *s, struct message_module *m, int fd)
{
	struct module *module = &s->module[s->modules];
	uint64_t bias = m->start - m->offset;
	bool readable = fd >= 0 && find_bias(fd, m, &bias);
	m->path[sizeof(m->path) - 1] = '\0';
	if (!s->complete && s->modules < IMAGE_MODULES && !is_reported(s, m, bias)) {
		*module = (struct module){
			.space = s,
			.index = m->index,
			.device = m->device,
			.inode = m->inode,
			.bias = bias,
			.start = m->start,
			.end = m->end,
		};
		module_name_owner(module, m->path);
		if (readable && reader_affords(module, fd) && report_module(module, m, fd))
			fd = -1;
		s->modules++;
	}
	if (fd >= 0)
		close(fd);
}

/* The copy holds whole words at any address in it; nothing else of the process is known. */
static bool read_copy(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *word, void *data)
{
	struct space *s = data;
	uint64_t at = address - s->sample->registers.rsp;
	(void)dwfl;
	if (s->sample->stack_size < sizeof(*word) || at > s->sample->stack_size - sizeof(*word)) {
		s->truncated |= address >= s->sample->registers.rsp;
		return false;
	}
	memcpy(word, s->sample->stack + at, sizeof(*word));
	return true;
}

static pid_t next_thread(Dwfl *dwfl, void *data, void **thread)
{
	(void)dwfl;
	if (*thread)
		return 0;
	*thread = data;
	return 1;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *data, void **thread)
{
	(void)dwfl, (void)tid;
	*thread = data;
	return true;
}

/* By DWARF number: rbx 3, rdi 5, rbp 6, rsp 7, r12-r15 12-15, return address 16. */
static bool set_registers(Dwfl_Thread *thread, void *data)
{
	const struct symbols_registers *r = &((struct space *)data)->start;
	const Dwarf_Word low[] = { r->rdi, r->rbp, r->rsp }, high[] = { r->r12, r->r13, r->r14, r->r15, r->rip };
	return dwfl_thread_state_registers(thread, 3, 1, &r->rbx) && dwfl_thread_state_registers(thread, 5, 3, low) &&
	       dwfl_thread_state_registers(thread, 12, 5, high);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_copy,
	.set_initial_registers = set_registers,
};

static void complete_image(struct space *s)
{
	if (s->complete)
		return;
	s->complete = true;
	dwfl_report_end(s->dwfl, NULL, NULL);
	s->attached = s->modules && dwfl_attach_state(s->dwfl, NULL, 1, &thread_callbacks, s);
}

/* The first address, and return addresses, innermost first. */
struct chain {
	struct space *space;
	bool returns; /* as in the request */
	bool stub;    /* the first was left by leave_stub() */
	unsigned count;
	uint64_t address[CHAIN];
};

static bool is_called_from(struct space *s, uint64_t returns)
{
	const struct module *m = space_module(s, returns - 1);
	uint64_t target;
	return m && m->dwfl && code_call(m, returns, &target) != CALL_NONE;
}

static bool is_described(struct space *s, uint64_t address)
{
	const struct module *m = space_module(s, address);
	return m && m->dwfl && code_described(m, address);
}

/* Whether the caller of the chain's last frame was only guessed. */
static bool is_bad_guess(const struct chain *c, uint64_t caller)
{
	uint64_t last;
	if (c->count == 0)
		return false;
	last = c->address[c->count - 1] - (c->count > 1);
	return !is_described(c->space, last) && !is_called_from(c->space, caller);
}

static int add_to_chain(Dwfl_Frame *frame, void *data)
{
	struct chain *c = data;
	Dwarf_Addr address;
	if (!dwfl_frame_pc(frame, &address, NULL) || address < NULL_PAGE)
		return DWARF_CB_ABORT;
	if (c->stub && c->count == 1)
		address++;
	else if (is_bad_guess(c, address))
		return DWARF_CB_ABORT;
	c->address[c->count++] = address;
	return c->count < CHAIN ? DWARF_CB_OK : DWARF_CB_ABORT;
}

/* Leaves a stub without call-frame information. libdw is to begin in the call: what is after it may be no more code. */
static void leave_stub(struct space *s, const struct message_request *r, struct chain *c)
{
	uint64_t returns;
	if (!r->returns || r->stack_size < sizeof(returns) || is_described(s, r->registers.rip))
		return;
	memcpy(&returns, r->stack, sizeof(returns));
	if (!is_called_from(s, returns))
		return;
	c->stub = true;
	c->address[c->count++] = r->registers.rip;
	s->start.rip = returns - 1;
	s->start.rsp += sizeof(returns);
}

static void unwind(struct space *s, const struct message_request *r, struct chain *c)
{
	s->sample = r;
	s->start = r->registers;
	s->truncated = false;
	leave_stub(s, r, c);
	if (s->attached)
		dwfl_getthread_frames(s->dwfl, 1, add_to_chain, c);
	s->sample = NULL;
	if (c->count == 0) {
		c->address[0] = r->registers.rip;
		c->count = 1;
	}
}

/* Leaves out the first of the frames after the innermost, unless that is the location. */
static void leave_one_out(struct message_answer *a)
{
	unsigned first = SYMBOLS_INNER + (a->location == SYMBOLS_INNER);
	memmove(&a->frame[first], &a->frame[first + 1], (SYMBOLS_FRAMES - 1 - first) * sizeof(a->frame[0]));
	a->frames--;
	a->left_out++;
	if (a->location > (int)first)
		a->location--;
}

static void answer_frame(struct message_answer *a, const struct symbols_frame *f)
{
	a->uncovered |= f->owner == SYMBOLS_NOBODY;
	if (a->frames == SYMBOLS_FRAMES)
		leave_one_out(a);
	if (a->location < 0 && f->owner == SYMBOLS_USER)
		a->location = (int)a->frames;
	a->frame[a->frames++] = *f;
}

static void add_address(struct space *s, struct message_answer *a, uint64_t address, bool returns, bool blind)
{
	const struct place *p = space_place(s, address, returns);
	for (unsigned i = 0; i < p->frames; i++) {
		struct symbols_frame f = p->frame[i];
		f.blind = blind;
		answer_frame(a, &f);
	}
}

/* The functions between two frames that left none. Returns whether there may be some that are not known. */
static bool add_tail(struct space *s, struct message_answer *a, const struct chain *c, unsigned i, const char *entry)
{
	struct symbols_frame f;
	struct tail tail;
	const struct place *p;
	tail_find(s, c->address[i - 1] - (i > 1 || c->returns), c->address[i], entry, &tail);
	for (unsigned j = 0; j < tail.steps; j++)
		add_address(s, a, tail.returns[j], true, false);
	if (tail.function) {
		p = space_place(s, tail.function, false);
		f = p->frame[p->frames - 1];
		f.line = 0;
		answer_frame(a, &f);
	}
	return tail.blind;
}

static void answer_sample(struct space *s, const struct message_request *r, struct message_answer *a)
{
	struct chain c = { .space = s, .returns = r->returns };
	unwind(s, r, &c);
	for (unsigned i = 0; i < c.count; i++) {
		bool blind = i > 0 && add_tail(s, a, &c, i, r->entry);
		add_address(s, a, c.address[i], i > 0 || r->returns, blind);
	}
	a->truncated |= s->truncated || c.count == CHAIN;
}

/* Reads ahead for the first sample: call-frame information of all modules, symbols and units of the service's own. */
static void prepare(struct space *s)
{
	Dwarf_Addr bias;
	for (unsigned i = 0; i < s->modules; i++) {
		struct module *m = &s->module[i];
		if (!m->dwfl)
			continue;
		dwfl_module_eh_cfi(m->dwfl, &bias);
		module_classify(m);
	}
}

static void answer_request(const struct message_request *r)
{
	static struct message_answer a;
	struct space *s = reader.slots[r->slot % IMAGE_SLOTS];
	if (!s)
		_exit(1);
	complete_image(s);
	a = (struct message_answer){ .head = { .type = MESSAGE_ANSWER, .id = r->head.id }, .location = -1 };
	if (r->kind == SYMBOLS_SAMPLE)
		answer_sample(s, r, &a);
	else if (r->kind == SYMBOLS_ADDRESS)
		add_address(s, &a, r->address, r->returns, false);
	else
		prepare(s);
	a.status = r->kind == SYMBOLS_PREPARE ? SYMBOLS_RESOLVED : SYMBOLS_UNKNOWN;
	for (unsigned i = 0; i < a.frames; i++) {
		if (a.frame[i].owner != SYMBOLS_NOBODY)
			a.status = SYMBOLS_RESOLVED;
	}
	a.refused_mb = s->refused_mb;
	memcpy(a.refused, s->refused, sizeof(a.refused));
	a.head.size = message_answer_size(a.frames);
	message_send(reader.broker, &a, -1, MESSAGE_FOREVER);
}

static void handle(union message *m, int fd)
{
	reader.request_id = m->head.id;
	if (m->head.type == MESSAGE_IMAGE)
		begin_image(&m->image);
	else if (m->head.type == MESSAGE_REQUEST)
		answer_request(&m->request);
	else if (m->head.type == MESSAGE_MODULE && reader.slots[m->module.slot % IMAGE_SLOTS])
		add_module(reader.slots[m->module.slot % IMAGE_SLOTS], &m->module, fd);
}

_Noreturn void reader_main(int socket)
{
	static union message m;
	int fd;
	reader.broker = socket;
	elf_version(EV_CURRENT);
	while (message_receive(reader.broker, &m, sizeof(m), &fd, MESSAGE_FOREVER) == 1)
		handle(&m, fd);
	_exit(0);
}
