/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The reader's view of an address space: its modules, and from an address in it to functions, files and lines. */
#ifndef ASYNCTOP_SYMBOLS_FRAMES_H
#define ASYNCTOP_SYMBOLS_FRAMES_H

#include "symbols/proto.h"

#include <elfutils/libdwfl.h>

#define SPACE_CACHE    4096 /* resolved addresses kept; direct-mapped */
#define ADDRESS_FRAMES 16   /* of one address: functions that are inlined deeper are left out */

struct range {
	uint64_t begin, end;
};

struct function {
	uint64_t start;
	uint32_t size;
	uint8_t kind;  /* of members.c */
	bool searched; /* for what its code refers to */
};

struct module {
	Dwfl_Module *dwfl; /* NULL: its file could not be read */
	struct space *space;
	uint32_t index; /* of the mapping, for WANT */
	uint64_t device, inode;
	uint64_t start, end; /* of the mapping */
	uint64_t bias;       /* to be added to the file's addresses */
	char name[64];
	enum symbols_owner owner; /* by name; SYMBOLS_USER: look closer */
	bool classified;          /* the following are known */
	bool has_dwarf;
	bool static_libc;
	struct range libc;         /* of linked-in code: from its first known function to its last */
	uint64_t sley_run;         /* 0: not linked in */
	char *sley_root;           /* directory of the runtime's sources, ends with a slash; NULL: no DWARF of it */
	struct function *function; /* without it: all functions, by address, to tell the runtime's (members.c) */
	size_t functions, function_room;
};

/* The frames of one address, innermost first. */
struct place {
	uint64_t address; /* as looked up; 0: empty */
	unsigned frames;
	struct symbols_frame *frame;
};

struct space {
	Dwfl *dwfl;
	bool complete;                        /* all modules are reported */
	bool attached;                        /* can unwind */
	const struct message_request *sample; /* the sample that is being unwound */
	struct symbols_registers start;       /* where that begins */
	uint64_t weight;                      /* of its files (weight.h) */
	uint32_t refused_mb;                  /* of a file that was not read; 0: none */
	char refused[64];
	bool truncated; /* the unwinder asked for bytes past the copy */
	unsigned modules;
	struct module module[IMAGE_MODULES];
	struct place cache[SPACE_CACHE];
};

/* The frames of `address`, at least one; `returns`: a call returns to it. Valid until the next call. */
const struct place *space_place(struct space *space, uint64_t address, bool returns);

/* The module at an address, NULL if there is none. */
struct module *space_module(struct space *space, uint64_t address);

/* The owner of the code at an address of a module (owner.c). `path` of its line, NULL if it has none. */
void module_name_owner(struct module *module, const char *path);
enum symbols_owner module_owner(const struct module *module, uint64_t address, const char *path, const char *function);

/* The owner of a function that is inlined into a frame of the service's own. */
enum symbols_owner inlined_owner(const struct module *module, const char *path, const char *function);

/* Call once before either is asked. */
void module_classify(struct module *module);

/* Takes a function into account: with binding `global`, or one of the runtime's. Call members_find() after the last. */
void members_add(struct module *module, uint64_t start, uint64_t size, bool global, bool ours);
void members_find(struct module *module);
bool members_have(const struct module *module, uint64_t address);

/* The compilation unit at an address, in debug information that lacks an index too; NULL if there is none. */
Dwarf_Die *module_unit(const struct module *module, uint64_t address, Dwarf_Addr *bias);

/* The callback of libdwfl that finds separate debug information (debug.c). */
int module_find_debug(Dwfl_Module *dwfl, void **data, const char *name, Dwarf_Addr base, const char *file,
		      const char *link, GElf_Word crc, char **debug_file);

/* Forgets all and frees it. */
void space_reset(struct space *space);

#endif
