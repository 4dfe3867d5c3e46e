/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Loading and attaching the programs, and single events. */
#include "source/tracer_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CAP_SYS_ADMIN_BIT 21
#define CAP_PERFMON_BIT   38
#define CAP_BPF_BIT       39

static struct tracer_config with_defaults(const struct tracer_config *given)
{
	struct tracer_config config = given ? *given : (struct tracer_config){ 0 };
	config.min_block_ns = config.min_block_ns ?: 1000000;
	config.ring_size = config.ring_size ?: 2 << 20;
	config.max_workers = config.max_workers ?: 1024;
	config.max_totals = config.max_totals ?: 1024;
	config.max_samples = config.max_samples ?: (config.max_totals + 3) / 4;
	config.max_switches = config.max_switches ?: 4096;
	return config;
}

/* ---- what is missing ---- */

static bool has_capabilities(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long effective = 0;
	char text[128];
	if (!status)
		return false;
	while (fgets(text, sizeof(text), status))
		if (sscanf(text, "CapEff: %llx", &effective) == 1)
			break;
	fclose(status);
	return effective >> CAP_SYS_ADMIN_BIT & 1 || (effective >> CAP_BPF_BIT & effective >> CAP_PERFMON_BIT & 1);
}

int tracer_explain(int error, char *why, size_t why_size)
{
	char path[256] = "asynctop";
	if (error == -EPERM && !has_capabilities()) {
		if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
			strcpy(path, "asynctop");
		snprintf(why, why_size,
			 "no privilege to watch the kernel: run as root, or once: setcap cap_bpf,cap_perfmon=ep %s",
			 path);
	} else if (error == -EPERM) {
		snprintf(why, why_size, "the kernel forbids eBPF in spite of CAP_BPF and CAP_PERFMON (lockdown?)");
	} else if (error != -ENOMEM && access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(why, why_size, "the kernel has no type information (CONFIG_DEBUG_INFO_BTF)");
		error = -ENOTSUP;
	} else {
		snprintf(why, why_size, "the eBPF programs do not load: %s (Linux 6.1 or later is needed)",
			 strerror(-error));
	}
	return error;
}

static int discard(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

/* ---- open and close ---- */

static int load(struct tracer *tracer)
{
	const struct tracer_config *config = &tracer->config;
	struct blocked_bpf *bpf = blocked_bpf__open();
	int error;
	if (!bpf)
		return -errno;
	tracer->bpf = bpf;
	bpf->rodata->min_block_ns = config->min_block_ns;
	tracer_fill_pointer_args((uint8_t *)bpf->rodata->pointer_args);
	error = bpf_map__set_max_entries(bpf->maps.workers, config->max_workers)
			?: bpf_map__set_max_entries(bpf->maps.events, config->ring_size);
	if (error)
		return error;
	if (libbpf_find_vmlinux_btf_id("io_uring_task_work_run", BPF_TRACE_RAW_TP) < 0)
		bpf_program__set_autoload(bpf->progs.on_work, false);
	bpf_program__set_autoattach(bpf->progs.watch, false); /* run by hand, per process */
	bpf_program__set_autoattach(bpf->progs.look_blocked, false);
	bpf_program__set_autoattach(bpf->progs.catch_blocked, false);
	return blocked_bpf__load(bpf) ?: blocked_bpf__attach(bpf);
}

static size_t round_to_page(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	return (size + page - 1) / page * page;
}

static void *map_array(const struct bpf_map *map, size_t size)
{
	void *array = mmap(NULL, round_to_page(size), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	return array == MAP_FAILED ? NULL : array;
}

static void unmap_array(void *array, size_t size)
{
	if (array)
		munmap(array, round_to_page(size));
}

static size_t states_size(const struct tracer *tracer)
{
	return tracer->config.max_workers * sizeof(struct worker_state);
}

static int map_arrays(struct tracer *tracer)
{
	tracer->states = map_array(tracer->bpf->maps.workers, states_size(tracer));
	tracer->accounts = map_array(tracer->bpf->maps.accounts, WATCH_PROCESSES * sizeof(*tracer->accounts));
	tracer->site_cpu = map_array(tracer->bpf->maps.site_cpu, SITE_CPU_SIZE);
	return tracer->states && tracer->accounts && tracer->site_cpu ? 0 : -errno;
}

static int make_tables(struct tracer *tracer)
{
	const struct tracer_config *config = &tracer->config;
	tracer->slot_used = calloc(config->max_workers, sizeof(*tracer->slot_used));
	tracer->slots_free = config->max_workers;
	tracer->reported = calloc(config->max_workers, sizeof(*tracer->reported));
	tracer->total_keys = calloc(config->max_totals, sizeof(*tracer->total_keys));
	tracer->totals = calloc(config->max_totals, sizeof(*tracer->totals));
	tracer->switch_keys = calloc(config->max_switches, sizeof(*tracer->switch_keys));
	tracer->switch_counts = calloc(config->max_switches, sizeof(*tracer->switch_counts));
	return tracer->slot_used && tracer->reported && tracer->total_keys && tracer->totals && tracer->switch_keys &&
			       tracer->switch_counts
		       ? 0
		       : -ENOMEM;
}

static int give_event(void *context, void *data, size_t size);

static int open_ring(struct tracer *tracer)
{
	tracer->ring = ring_buffer__new(bpf_map__fd(tracer->bpf->maps.events), give_event, tracer, NULL);
	return tracer->ring ? 0 : -errno;
}

int tracer_open(struct tracer **out, const struct tracer_config *config, char *why, size_t why_size)
{
	struct tracer *tracer = calloc(1, sizeof(*tracer));
	libbpf_print_fn_t print;
	int error;
	if (!tracer)
		return tracer_explain(-ENOMEM, why, why_size);
	tracer->config = with_defaults(config);
	print = libbpf_set_print(discard);
	error = make_tables(tracer) ?: load(tracer) ?: map_arrays(tracer) ?: open_ring(tracer) ?: tracer_calibrate(tracer) ?: tracer_open_samples(tracer);
	libbpf_set_print(print);
	if (error) {
		tracer_close(tracer);
		return tracer_explain(error, why, why_size);
	}
	*out = tracer;
	return 0;
}

void tracer_close(struct tracer *tracer)
{
	if (!tracer)
		return;
	while (tracer->processes)
		tracer_unwatch(tracer, tracer->processes->key);
	tracer_close_samples(tracer);
	ring_buffer__free(tracer->ring);
	unmap_array(tracer->states, states_size(tracer));
	unmap_array(tracer->site_cpu, SITE_CPU_SIZE);
	unmap_array(tracer->accounts, WATCH_PROCESSES * sizeof(*tracer->accounts));
	blocked_bpf__destroy(tracer->bpf);
	free(tracer->slot_used);
	free(tracer->reported);
	free(tracer->total_keys);
	free(tracer->totals);
	free(tracer->switch_keys);
	free(tracer->switch_counts);
	free(tracer);
}

/* ---- single events ---- */

/* A block may come twice: from its state, when it was over and not yet added up, and later from the ring. */
static void give_once(struct tracer *tracer, const struct block_record *block)
{
	if (block->slot >= tracer->config.max_workers || block->number <= tracer->reported[block->slot] ||
	    !tracer_find(tracer, block->process))
		return;
	tracer->reported[block->slot] = block->number;
	tracer->poll_count++;
	tracer->poll_each(tracer->poll_context, block);
}

/* The ring's records end with the stack's last byte. */
static int give_event(void *context, void *data, size_t size)
{
	struct block_record block = { 0 };
	memcpy(&block, data, size < sizeof(block) ? size : sizeof(block));
	give_once(context, &block);
	return 0;
}

static void give_pending(struct tracer *tracer, const struct tracer_process *process)
{
	struct block_record block;
	uint32_t seq;
	for (unsigned i = 0; i < WATCH_WORKERS; i++) {
		const struct tracer_worker *worker = &process->workers[i];
		if (!worker->used || !tracer_read_state(tracer, worker->slot, WORKER_RESUMED, &block, &seq) ||
		    block.number <= tracer->reported[worker->slot])
			continue;
		tracer_weigh(process, block.end_ns, &block);
		if (block.end_ns - block.start_ns < tracer->config.min_block_ns && !block.given_tasks)
			continue;
		give_once(tracer, &block);
	}
}

int tracer_poll(struct tracer *tracer, tracer_block_fn *each, void *context)
{
	int error;
	tracer->poll_each = each;
	tracer->poll_context = context;
	tracer->poll_count = 0;
	/*
	 * before the ring is read: a record that comes in between is counted and may be read too, so no share is
	 * exceeded
	 */
	for (struct tracer_process *process = tracer->processes; process; process = process->next)
		__atomic_store_n(&tracer->accounts[process->place].ring_bytes, 0, __ATOMIC_RELAXED);
	error = ring_buffer__consume(tracer->ring);
	tracer_read_samples(tracer);
	for (struct tracer_process *process = tracer->processes; process; process = process->next)
		give_pending(tracer, process);
	return error < 0 ? error : tracer->poll_count;
}

int tracer_fd(struct tracer *tracer)
{
	return ring_buffer__epoll_fd(tracer->ring);
}
