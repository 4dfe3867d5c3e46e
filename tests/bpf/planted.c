/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/bpf/planted.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

static void run_child(char *const argv[], int input, int output)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	setenv("SLEY_ASSIST", "off", 0); /* a block delays what is behind it for as long as the truth says */
	execv(argv[0], argv);
	_exit(127);
}

void planted_start(struct planted *planted, char *const argv[])
{
	int input[2], output[2];
	memset(planted, 0, sizeof(*planted));
	REQUIRE(!pipe2(input, O_CLOEXEC) && !pipe2(output, O_CLOEXEC));
	planted->pid = fork();
	REQUIRE(planted->pid >= 0);
	if (!planted->pid)
		run_child(argv, input[0], output[1]);
	close(input[0]);
	close(output[1]);
	planted->input = input[1];
	planted->output = fdopen(output[0], "re");
	REQUIRE(strcmp(planted_answer(planted), "ready") == 0);
	REQUIRE(process_open(&planted->process, planted->pid) == PROCESS_OK);
}

void planted_start_named(struct planted *planted, const char *name, const char *a, const char *b, const char *c)
{
	char program[64];
	char *argv[] = { NULL, (char *)a, (char *)b, (char *)c, NULL };
	snprintf(program, sizeof(program), "tests/bpf/%s.planted", name);
	argv[0] = (char *)test_build_path(program);
	planted_start(planted, argv);
}

/* A worker's thread may start later than the service says that it is ready. */
void planted_refresh(struct planted *planted)
{
	REQUIRE(region_refresh(&planted->process.region) == REGION_OK);
	uint32_t count = planted->process.region.header.worker_count;
	int64_t give_up = test_now() + 10000000000;
	while (tracer_workers(planted->tracer, planted->key) < count) {
		REQUIRE(test_now() < give_up);
		sched_yield();
		REQUIRE(tracer_refresh(planted->tracer, planted->key, count) == 0);
	}
}

void planted_watch(struct planted *planted, struct tracer *tracer)
{
	const struct sley_region_header *header = &planted->process.region.header;
	struct tracer_target target = { .pidfd = planted->process.pidfd,
					.region = planted->process.region.fd,
					.address = header->address,
					.workers = header->workers,
					.blocks = header->blocks,
					.tasks = header->tasks,
					.worker_count = header->worker_count,
					.worker_word = header->worker_word };
	planted->tracer = tracer;
	REQUIRE(tracer_watch(tracer, &target, &planted->key) == 0);
	planted_refresh(planted);
}

void planted_times(struct planted *planted)
{
	int64_t give_up = test_now() + 10000000000;
	while (planted->process.region.header.level < SLEY_LEVEL_TIMES) {
		REQUIRE(test_now() < give_up);
		REQUIRE(control_renew(&planted->process.control, test_now(), 60000000000 - 1000000000) == 0);
		sched_yield();
		REQUIRE(region_refresh(&planted->process.region) == REGION_OK);
	}
}

void planted_order(struct planted *planted)
{
	REQUIRE(write(planted->input, "go\n", 3) == 3);
}

const char *planted_answer(struct planted *planted)
{
	static char line[256];
	if (!fgets(line, sizeof(line), planted->output))
		return "";
	line[strcspn(line, "\n")] = 0;
	return line;
}

void planted_stop(struct planted *planted, bool kill_it)
{
	if (planted->tracer)
		tracer_unwatch(planted->tracer, planted->key);
	close(planted->input);
	if (kill_it)
		kill(planted->pid, SIGKILL);
	REQUIRE(waitpid(planted->pid, NULL, 0) == planted->pid);
	fclose(planted->output);
	process_close(&planted->process);
}

struct tracer *planted_tracer(const struct tracer_config *config)
{
	struct tracer *tracer = NULL;
	static char why[256];
	test_need_root();
	if (tracer_open(&tracer, config, why, sizeof(why)))
		test_skip(why);
	return tracer;
}

struct selection {
	struct planted *planted;
	int syscall;
	struct report *report;
};

/*
 * Page faults that nobody has planted sleep as well, in whatever task comes to a page that the kernel has taken back:
 * those of the planted function alone are known.
 */
static bool is_planted(struct planted *planted, uint32_t site)
{
	return strcmp(planted_site(planted, site).entry, "planted") == 0;
}

static void select_total(void *context, const struct tracer_total *one)
{
	const struct selection *selection = context;
	struct report *report = selection->report;
	if (selection->syscall != ANY_SYSCALL && one->key.syscall != selection->syscall)
		return;
	if (selection->syscall == SYSCALL_FAULT && !is_planted(selection->planted, one->key.site))
		return;
	report->keys++;
	report->total.count += one->total.count;
	report->total.total_ns += one->total.total_ns;
	report->total.blocked_ns += one->total.blocked_ns;
	report->total.cpu_ns += one->total.cpu_ns;
	report->total.delayed_tasks += one->total.delayed_tasks;
	report->total.delayed_ns += one->total.delayed_ns;
	report->total.handed += one->total.handed;
	report->total.sleeps += one->total.sleeps;
	if (one->longest && one->total.max_ns > report->total.max_ns)
		report->longest = *one->longest;
	if (one->total.max_ns > report->total.max_ns)
		report->total.max_ns = one->total.max_ns;
}

void planted_report(struct planted *planted, int syscall, struct report *report)
{
	struct selection selection = { planted, syscall, report };
	memset(report, 0, sizeof(*report));
	REQUIRE(tracer_totals(planted->tracer, planted->key, select_total, &selection) == 0);
}

struct region_site planted_site(struct planted *planted, uint32_t number)
{
	struct region_site *sites = calloc(SLEY_REGION_SITES, sizeof(*sites)), site;
	int n;
	REQUIRE(sites && region_refresh(&planted->process.region) == REGION_OK);
	n = region_sites(&planted->process.region, sites, 0);
	REQUIRE(n > 0 && number < (uint32_t)n);
	site = sites[number];
	free(sites);
	return site;
}
