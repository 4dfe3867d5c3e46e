/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * F_SEAL_FUTURE_WRITE keeps other processes from writing to the records. It also keeps this process from punching
 * holes: fallocate(2) and MADV_REMOVE answer EPERM. MADV_DONTNEED only takes pages out of the mapping, and they stay
 * allocated. So memory is freed only with the last reference to a memfd. To free a part's memory, the part is mapped
 * anew from another memfd, at the same address.
 *
 * A reader that has the old memfd open finds zeroes, or the last contents of the records; the records' bits in `live`
 * are clear. The reader checks `parts` whenever it reads the header, and opens the new memfd. A service may close
 * descriptors that are not its own, and reuse their numbers: so part_close() checks that the descriptor still is the
 * part's memfd.
 *
 * Rejected: the records in a memfd without that seal. A process of the same user that may not trace this one (Yama)
 * could map such a memfd writable, and show false records to tools. Rejected, too: a memfd for each 64 KiB of records,
 * as for the entries' slabs. A million tasks would take a thousand descriptors instead of five.
 */
#include "region/part.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

#define BITE ((size_t)2 << 20) /* bytes that leave the mapping at once, while page faults of other threads wait */

static struct part parts[SLEY_REGION_PARTS + 1];

static char *part_memory(unsigned part)
{
	return (char *)&region.tasks[part_begin(part)];
}

static size_t part_size(unsigned part)
{
	return ROUND_UP((part_end(part) - part_begin(part)) * sizeof(struct sley_region_task), PAGE);
}

/* Maps the memfd at the part's address, and publishes it to readers. 0 or a negative errno value. */
static int part_place(unsigned part, int fd)
{
	struct stat status;
	char *memory = part_memory(part);
	off_t offset = memory - (char *)region.header;
	size_t size = part_size(part);
	if (fstat(fd, &status) != 0 || mmap(memory, size, PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, offset) == MAP_FAILED)
		return -errno;
	madvise(memory, size, MADV_DONTFORK);
	memory_dump(memory, size, false);
	memfd_seal(fd);
	parts[part].fd = fd;
	parts[part].device = status.st_dev;
	parts[part].inode = status.st_ino;
	uint64_t word = (uint64_t)++parts[part].opened << 32 | ((unsigned)fd + 1);
	store(&region.header->parts[part - 1], word, release); /* pairs with a reader's load of the header */
	return 0;
}

static int replace(unsigned part)
{
	int fd = memfd_open(SLEY_TASKS_NAME, region.header->size);
	int error = fd < 0 ? fd : part_place(part, fd);
	if (error && fd >= 0)
		close(fd);
	return error;
}

void part_open(unsigned part)
{
	int saved = errno;
	if (region.shared && parts[part].opened == 0)
		replace(part);
	errno = saved;
}

static void forget(unsigned part)
{
	size_t size = part_size(part);
	for (size_t at = 0; at < size; at += BITE)
		madvise(part_memory(part) + at, MIN(BITE, size - at), MADV_DONTNEED);
}

bool part_renew(unsigned part, struct part *old)
{
	int saved = errno;
	bool renewed = true;
	*old = parts[part];
	if (!region.shared || old->opened > 0)
		forget(part);
	if (!region.shared)
		memory_dump(part_memory(part), part_size(part), false);
	else
		renewed = old->opened > 0 && replace(part) == 0;
	errno = saved;
	return renewed;
}

void part_close(const struct part *old)
{
	int saved = errno;
	struct stat status;
	if (old->opened > 0 && fstat(old->fd, &status) == 0 && status.st_dev == old->device &&
	    status.st_ino == old->inode)
		close(old->fd);
	errno = saved;
}
