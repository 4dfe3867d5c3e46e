/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Finds a second copy of the runtime in the process: a program that contains libsley.a, and a plugin that contains
 * another copy or links libsley.so. Each copy has its own workers and tasks. To one copy, a task of the other is a
 * thread that runs no task: its calls return -EDEADLK or -ENOTCONN, without a hint at the cause. So a message names
 * both when the second copy is loaded.
 *
 * Only the loader sees both copies. They cannot find each other by name: a program does not export its symbols, nor
 * does a plugin that is loaded with RTLD_LOCAL. So each copy has an ELF note with the place of its mark.
 *
 * Two copies are no fault if the loader has bound their public names to the same functions: a plugin that contains
 * libsley.a, in a program that links libsley.so, calls the latter.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include <sley.h>

#include "base/check.h"
#include "runtime.h"

static const char *own_object = ""; /* loader's path of the object with this copy; empty: the program */

extern __typeof__(dlsym) dlsym __attribute__((weak)); /* null in a static program */

/* Must not change: copies of different releases read it. */
struct mark {
	__typeof__(&sley_errno_location) public; /* the function that calls in this object reach; set by the loader */
	uint32_t told;                           /* the second copy was reported */
};

/* `used`: gcc with -flto does not see the reference in the note below. */
__attribute__((used)) HIDDEN struct mark copies_mark = { .public = sley_errno_location };

#define OWNER "sley"
#define MARK  1 /* type of the note; its descriptor is the distance from itself to the mark */

__asm__("	.pushsection .note.sley, \"a\", %note\n"
	"	.balign	4\n"
	"	.long	5, 4, 1\n"
	"	.asciz	\"sley\"\n"
	"	.balign	4\n"
	"	.long	copies_mark - .\n"
	"	.popsection\n");

struct search {
	const char *own, *other; /* paths of the objects; empty: the program */
	struct mark *mark;       /* of the other copy */
};

static void note_found(struct search *search, const char *object, const void *descriptor)
{
	int32_t distance;
	memcpy(&distance, descriptor, sizeof(distance));
	struct mark *mark = (struct mark *)((uintptr_t)descriptor + (uintptr_t)(intptr_t)distance);
	if (mark == &copies_mark) {
		search->own = object;
	} else if (mark->public != copies_mark.public) {
		search->other = object;
		search->mark = mark;
	}
}

/* Searches the notes of one segment. */
static void search_notes(struct search *search, const char *object, const char *notes, size_t size, size_t align)
{
	ElfW(Nhdr) note;

	while (size >= sizeof(note)) {
		memcpy(&note, notes, sizeof(note));
		size_t name = sizeof(note), descriptor = ROUND_UP(name + note.n_namesz, align);
		size_t end = ROUND_UP(descriptor + note.n_descsz, align);
		if (end > size)
			break;
		if (note.n_type == MARK && note.n_namesz == sizeof(OWNER) && note.n_descsz == sizeof(int32_t) &&
		    memcmp(notes + name, OWNER, sizeof(OWNER)) == 0)
			note_found(search, object, notes + descriptor);
		notes += end;
		size -= end;
	}
}

static int search_object(struct dl_phdr_info *info, size_t size, void *search)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_NOTE)
			search_notes(search, info->dlpi_name, (const char *)(info->dlpi_addr + segment->p_vaddr),
				     segment->p_memsz, segment->p_align == 8 ? 8 : 4);
	}
	return 0;
}

/* Runs when this object is loaded: all objects loaded before, or together with it, are bound by then. */
__attribute__((constructor)) static void copies_look(void)
{
	struct search search = { .own = "" };
	dl_iterate_phdr(search_object, &search);
	own_object = search.own;
	if (!search.mark || search.mark->told || copies_mark.told)
		return;
	copies_mark.told = search.mark->told = 1;
	complain(
		"this process has two copies of sley, in %s and in %s. They do not know each other: calls of one copy fail in "
		"the tasks of the other. Link the program and all that it loads with libsley.so, so that there is one copy",
		search.other[0] ? search.other : "the program", search.own[0] ? search.own : "the program");
}

/* Looks up dlopen() by dlsym(), as the linker warns about dlopen() in static programs. */
void copies_keep(void)
{
	__typeof__(dlopen) *open = dlsym ? (__typeof__(dlopen) *)dlsym(RTLD_DEFAULT, "dlopen") : NULL;

	if (open && own_object[0])
		open(own_object, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}
