/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Each thread has a table of its own, so that recording adds no line that threads share; they are merged at the end. */
#include "trace.h"

#include "shared.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LINE    64
#define ENTRIES (1u << 20) /* of a table; a power of two */
#define FULL    (ENTRIES / 4 * 3)
#define THREADS 64
#define PLACES  4096

struct entry {
	uintptr_t line, pc; /* line 0: unused; pc 0: places are not recorded */
	unsigned epoch, count;
};

struct table {
	unsigned writer; /* a bit: the worker's number, or more for other threads */
	unsigned used, lost;
	struct entry entries[ENTRIES];
};

/* What is known of an instruction that writes to such lines. */
struct place {
	uintptr_t pc, line; /* line: one of those */
	double others, all;
};

static unsigned epoch; /* atomic; 0: nothing is recorded */
static unsigned made;  /* atomic */
static bool by_place;  /* written before recording begins */
static struct table *tables[THREADS];
static __thread struct table *own;
static struct place places[PLACES];
static unsigned place_count;

/* of libsley: see runtime/region/region.h */
extern __attribute__((visibility("hidden"))) __thread uint32_t region_worker_word;

static struct table *table_new(void)
{
	struct table *table =
		mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	unsigned number = __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
	if (table == MAP_FAILED || number >= THREADS)
		abort();
	table->writer = TRACE_WORKERS + number % (64 - TRACE_WORKERS);
	tables[number] = table;
	return table;
}

static inline void record(const volatile void *address, uintptr_t pc)
{
	unsigned now = __atomic_load_n(&epoch, __ATOMIC_RELAXED);
	if (__builtin_expect(now == 0, 1))
		return;
	if (!by_place)
		pc = 0;
	if (!own)
		own = table_new();
	uintptr_t line = (uintptr_t)address / LINE;
	uint64_t hash = (line * 0x9e3779b97f4a7c15 ^ pc ^ now) * 0xd6e8feb86659fd93;
	for (unsigned at = (unsigned)(hash >> 40);; at++) {
		struct entry *entry = &own->entries[at % ENTRIES];
		if (entry->line == line && entry->pc == pc && entry->epoch == now) {
			entry->count++;
			return;
		}
		if (entry->line != 0)
			continue;
		if (own->used == FULL) {
			own->lost++;
			return;
		}
		*entry = (struct entry){ line, pc, now, 1 };
		own->used++;
		if (region_worker_word) /* its first stores come before it is a worker */
			own->writer = region_worker_word - 1;
		return;
	}
}

#define RECORD(address) record(address, (uintptr_t)__builtin_return_address(0))

/* ---- what the compiler calls ---- */

/* Each of these macros ends with a declaration of what it has defined, which takes the semicolon. */
#define ACCESS(size) \
	void __tsan_read##size(void *address) \
	{ \
		(void)address; \
	} \
	void __tsan_write##size(void *address) \
	{ \
		RECORD(address); \
	} \
	void __tsan_write##size(void *)

#define UNALIGNED(size) \
	void __tsan_unaligned_read##size(void *address) \
	{ \
		(void)address; \
	} \
	void __tsan_unaligned_write##size(void *address) \
	{ \
		RECORD(address); \
		if ((uintptr_t)address / LINE != ((uintptr_t)address + size - 1) / LINE) \
			RECORD((char *)address + size - 1); \
	} \
	void __tsan_unaligned_write##size(void *)

ACCESS(1);
ACCESS(2);
ACCESS(4);
ACCESS(8);
ACCESS(16);
UNALIGNED(2);
UNALIGNED(4);
UNALIGNED(8);
UNALIGNED(16);

void __tsan_init(void)
{
}

void __tsan_read_range(void *address, size_t size)
{
	(void)address;
	(void)size;
}

void __tsan_write_range(void *address, size_t size)
{
	uintptr_t line = (uintptr_t)address / LINE, end = ((uintptr_t)address + size + LINE - 1) / LINE;
	for (; line < end; line++)
		RECORD((char *)(line * LINE));
}

void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

/* The order is at least the one that is asked for. A cas that fails counts as a store, as it takes the line, too. */
#define MODIFY(bits, operation, builtin) \
	uint##bits##_t __tsan_atomic##bits##_##operation(uint##bits##_t *p, uint##bits##_t value, int order) \
	{ \
		(void)order; \
		RECORD(p); \
		return builtin(p, value, __ATOMIC_SEQ_CST); \
	}

#define CAS(bits, name) \
	int __tsan_atomic##bits##_##name(uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t value, int order, \
					 int failure) \
	{ \
		(void)order; \
		(void)failure; \
		RECORD(p); \
		return __atomic_compare_exchange_n(p, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	}

#define ATOMIC(bits) \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p, int order) \
	{ \
		(void)order; \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST); \
	} \
	void __tsan_atomic##bits##_store(uint##bits##_t *p, uint##bits##_t value, int order) \
	{ \
		RECORD(p); \
		if (order == __ATOMIC_SEQ_CST) \
			__atomic_store_n(p, value, __ATOMIC_SEQ_CST); \
		else \
			__atomic_store_n(p, value, __ATOMIC_RELEASE); \
	} \
	MODIFY(bits, exchange, __atomic_exchange_n) \
	MODIFY(bits, fetch_add, __atomic_fetch_add) \
	MODIFY(bits, fetch_sub, __atomic_fetch_sub) \
	MODIFY(bits, fetch_and, __atomic_fetch_and) \
	MODIFY(bits, fetch_or, __atomic_fetch_or) \
	MODIFY(bits, fetch_xor, __atomic_fetch_xor) \
	CAS(bits, compare_exchange_strong) \
	CAS(bits, compare_exchange_weak) \
	void __tsan_atomic##bits##_store(uint##bits##_t *, uint##bits##_t, int)

ATOMIC(8);
ATOMIC(16);
ATOMIC(32);
ATOMIC(64);

/* ---- the sums ---- */

void trace_start(bool with_places)
{
	by_place = with_places;
	__atomic_store_n(&epoch, 1, __ATOMIC_RELEASE);
}

void trace_epoch(void)
{
	unsigned now = __atomic_load_n(&epoch, __ATOMIC_RELAXED);
	if (now > 0) /* not stopped meanwhile */
		__atomic_compare_exchange_n(&epoch, &now, now + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void trace_stop(void)
{
	__atomic_store_n(&epoch, 0, __ATOMIC_RELAXED);
}

struct store {
	const struct entry *entry;
	unsigned writer;
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = ((const struct store *)a)->entry, *y = ((const struct store *)b)->entry;
	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

static struct place *place_of(const struct entry *entry)
{
	unsigned i = 0;
	while (i < place_count && places[i].pc != entry->pc)
		i++;
	if (i == PLACES)
		return NULL;
	if (i == place_count)
		places[place_count++] = (struct place){ .pc = entry->pc };
	return &places[i];
}

/* The stores to one line in one epoch. `busy`: the bits of those who must have written to it; 0: too few were. */
static void add_line(const struct store *stores, size_t n, uint64_t busy, struct trace_sums *sums)
{
	double by[64] = { 0 }, most = 0;
	uint64_t writers = 0;
	for (size_t i = 0; i < n; i++) {
		writers |= (uint64_t)1 << stores[i].writer;
		by[stores[i].writer] += stores[i].entry->count;
		most = by[stores[i].writer] > most ? by[stores[i].writer] : most;
	}
	bool several = (writers & (writers - 1)) != 0, all = busy && (writers & busy) == busy;
	for (size_t i = 0; i < n; i++) {
		double count = stores[i].entry->count;
		bool other = by[stores[i].writer] < most;
		if (stores[i].writer >= TRACE_WORKERS)
			continue;
		sums->stores += count;
		sums->several += several ? count : 0;
		sums->others += other ? count : 0;
		sums->all += all ? count : 0;
		struct place *place = several ? place_of(stores[i].entry) : NULL;
		if (!place)
			continue;
		place->others += other ? count : 0;
		place->all += all ? count : 0;
		if (all || place->line == 0)
			place->line = stores[i].entry->line;
	}
}

/* The workers [0, workers) that were busy in an epoch, as bits; 0: less than half of them. */
static uint64_t busy_in(const struct store *stores, size_t n, unsigned workers)
{
	double by[64] = { 0 }, sum = 0;
	uint64_t busy = 0;
	unsigned count = 0;
	for (size_t i = 0; i < n; i++) {
		by[stores[i].writer] += stores[i].entry->count;
		sum += stores[i].entry->count;
	}
	for (unsigned w = 0; w < workers; w++) {
		if (by[w] < sum / workers / 4)
			continue;
		busy |= (uint64_t)1 << w;
		count++;
	}
	return 2 * count < workers ? 0 : busy;
}

static void add_epoch(const struct store *stores, size_t n, unsigned workers, struct trace_sums *sums)
{
	uint64_t busy = busy_in(stores, n, workers);
	for (size_t begin = 0, end; begin < n; begin = end) {
		for (end = begin; end < n && stores[begin].entry->line == stores[end].entry->line;)
			end++;
		add_line(&stores[begin], end - begin, busy, sums);
	}
}

void trace_sum(unsigned workers, struct trace_sums *sums)
{
	size_t n = 0;
	*sums = (struct trace_sums){ 0 };
	for (unsigned t = 0; t < made; t++)
		n += tables[t]->used;
	struct store *stores = malloc((n + 1) * sizeof(*stores));
	if (!stores)
		abort();
	n = 0;
	for (unsigned t = 0; t < made; t++) {
		sums->lost += tables[t]->lost;
		for (unsigned i = 0; i < ENTRIES; i++)
			if (tables[t]->entries[i].line)
				stores[n++] = (struct store){ &tables[t]->entries[i], tables[t]->writer };
	}
	qsort(stores, n, sizeof(*stores), compare);
	for (size_t begin = 0, end; begin < n; begin = end) {
		for (end = begin; end < n && stores[begin].entry->epoch == stores[end].entry->epoch;)
			end++;
		add_epoch(&stores[begin], end - begin, workers, sums);
	}
	free(stores);
}

/* ---- the places ---- */

static bool by_all;

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	double p = by_all ? x->all : x->others, q = by_all ? y->all : y->others;
	return (p < q) - (p > q);
}

/* The address at which this program was loaded. */
extern const char __executable_start[];

/* "function at file:line" of the instruction before the return address, with the functions that it is inlined into. */
static void print_function(FILE *to, uintptr_t pc)
{
	char command[200], line[1000];
	snprintf(command, sizeof(command), "addr2line -sfpie /proc/%d/exe 0x%lx", (int)getpid(),
		 (unsigned long)(pc - 1 - (uintptr_t)__executable_start));
	FILE *output = popen(command, "re");
	while (output && fgets(line, sizeof(line), output)) {
		line[strcspn(line, "\n")] = '\0';
		fprintf(to, "%s", line);
	}
	if (output)
		pclose(output);
	fputc('\n', to);
}

void trace_print_places(FILE *to, bool all, double operations)
{
	by_all = all;
	fputs(all ? "  by each busy worker to the same line, in an operation:\n"
		  : "  by others than the line's most frequent writer:\n",
	      to);
	qsort(places, place_count, sizeof(*places), compare_places);
	for (unsigned i = 0; i < place_count; i++) {
		double count = (all ? places[i].all : places[i].others) / operations;
		if (count < 0.005)
			break;
		fprintf(to, "  %7.2f  line %#lx ", count, (unsigned long)(places[i].line * LINE));
		print_function(to, places[i].pc);
	}
}

/* ---- a process of its own ---- */

static void *by_time(void *arg)
{
	(void)arg;
	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = TRACE_EPOCH_NS }, NULL);
		trace_epoch();
	}
	return NULL;
}

static char *file_name, *operations;

__attribute__((constructor)) static void begin(void)
{
	pthread_t thread;
	sigset_t all, old;
	file_name = getenv(TRACE_FILE);
	operations = getenv(TRACE_PLACES);
	if (!file_name)
		return;
	sigfillset(&all); /* they are for the program */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, by_time, NULL))
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	trace_start(operations != NULL);
}

__attribute__((destructor)) static void end(void)
{
	struct trace_sums sums;
	FILE *file = file_name ? fopen(file_name, "we") : NULL;
	if (!file)
		return;
	trace_stop();
	trace_sum(SHARED_WORKERS, &sums);
	fwrite(&sums, sizeof(sums), 1, file);
	for (int all = 1; operations && all >= 0; all--)
		trace_print_places(file, all, atof(operations));
	fclose(file);
}
