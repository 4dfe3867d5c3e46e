/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "process.h"

#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *process_build_path(const char *name)
{
	static char path[PATH_MAX];
	const char *build = getenv("SLEY_BUILD");
	ssize_t n;
	if (build) {
		snprintf(path, sizeof(path), "%s/%s", build, name);
		return path;
	}
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	*(strrchr(path, '/') ? strrchr(path, '/') : path) = '\0';
	if (strlen(path) + strlen(name) + 2 > sizeof(path))
		bench_fail("the build directory's path is too long");
	return strcat(strcat(path, "/"), name);
}

void process_fork(struct process *p, unsigned cpus, void (*function)(void *), void *arg)
{
	int ends[2];
	cpu_set_t set;
	CPU_ZERO(&set);
	for (unsigned cpu = 0; cpus >> cpu; cpu++)
		if (cpus >> cpu & 1)
			CPU_SET(cpu, &set);
	fflush(NULL);
	if (pipe(ends) || (p->pid = fork()) < 0)
		bench_fail("no child process: %s", strerror(errno));
	if (p->pid == 0) {
		if (sched_setaffinity(0, sizeof(set), &set))
			bench_fail("CPUs %#x: %s", cpus, strerror(errno));
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		function(arg);
		exit(0);
	}
	close(ends[1]);
	p->output = fdopen(ends[0], "r");
}

static void execute(void *arg)
{
	char *const *argv = arg;
	execv(argv[0], argv);
	bench_fail("%s: %s", argv[0], strerror(errno));
}

void process_start(struct process *p, unsigned cpus, char *const argv[])
{
	process_fork(p, cpus, execute, (void *)argv);
}

unsigned process_port(struct process *p)
{
	char line[256];
	char *colon = NULL;
	if (fgets(line, sizeof(line), p->output))
		colon = strrchr(line, ':');
	if (!colon || atoi(colon + 1) <= 0)
		bench_fail("the server does not say its port");
	return (unsigned)atoi(colon + 1);
}

void process_stop(struct process *p, struct rusage *usage)
{
	int status;
	kill(p->pid, SIGTERM);
	if (wait4(p->pid, &status, 0, usage) != p->pid)
		bench_fail("process %d is not there", (int)p->pid);
	fclose(p->output);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
		bench_fail("process %d: ended by signal %d", (int)p->pid, WTERMSIG(status));
}

/* Reads its "key value" lines, and waits for its end. */
static void read_results(struct load *load, struct process *generator)
{
	char key[64];
	double value, errors = 0;
	int status;
	while (fscanf(generator->output, "%63s %lf", key, &value) == 2) {
		if (strcmp(key, "rps") == 0 || strcmp(key, "B.rps") == 0)
			load->rps += value;
		else if (strcmp(key, "requests") == 0)
			load->requests = value;
		else if (strcmp(key, "p50_us") == 0)
			load->p50_us = value;
		else if (strcmp(key, "p99_us") == 0)
			load->p99_us = value;
		else if (strcmp(key, "p99.9_us") == 0)
			load->p999_us = value;
		else if (strcmp(key, "server_cpu_s_per_m") == 0)
			load->cpu = value;
		else if (strcmp(key, "errors") == 0)
			errors = value;
	}
	fclose(generator->output);
	if (waitpid(generator->pid, &status, 0) != generator->pid || status != 0)
		bench_fail("the load generator failed");
	if (errors > 0)
		bench_fail("%g requests failed", errors);
}

void process_load(struct load *load)
{
	char path[4096], connections[16], address[32], server[16], block[16], rounds[16];
	char *argv[18] = {
		path,       "-c",   connections, "-t", load->quick ? "0.2" : "4", "-u", load->quick ? "0.1" : "1",
		"--server", server, address,
	};
	struct process generator;
	unsigned n = 10;
	snprintf(path, sizeof(path), "%s", process_build_path("bench-load"));
	snprintf(connections, sizeof(connections), "%u", load->connections);
	snprintf(address, sizeof(address), "127.0.0.1:%u", load->port);
	snprintf(server, sizeof(server), "%d", (int)load->server);
	snprintf(block, sizeof(block), "%u", load->block);
	snprintf(rounds, sizeof(rounds), "%u", load->rounds);
	if (load->http) {
		argv[n++] = "--http";
		argv[n++] = "/";
	}
	if (load->block) {
		argv[n++] = "--block";
		argv[n++] = block;
	}
	if (load->rounds) {
		argv[n++] = "--rounds";
		argv[n++] = rounds;
	}
	load->rps = 0;
	process_start(&generator, load->cpus, argv);
	read_results(load, &generator);
}

/* The value of a "Name:  123 kB" line, in bytes; 0 if there is none. */
static int64_t status_bytes(const char *status, const char *name)
{
	const char *line = strstr(status, name);
	return line ? strtoll(line + strlen(name), NULL, 10) * 1024 : 0;
}

static int64_t memfd_bytes(pid_t pid)
{
	char path[PATH_MAX], link[PATH_MAX];
	int64_t sum = 0;
	struct dirent *entry;
	struct stat file;
	DIR *dir;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));
		if (n > 7 && memcmp(link, "/memfd:", 7) == 0 && fstatat(dirfd(dir), entry->d_name, &file, 0) == 0)
			sum += file.st_blocks * 512;
	}
	if (dir)
		closedir(dir);
	return sum;
}

int64_t process_resident(pid_t pid)
{
	int64_t memfds = memfd_bytes(pid), shared;
	char path[64], status[4096];
	size_t n;
	FILE *file;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (!file)
		bench_fail("%s: %s", path, strerror(errno));
	n = fread(status, 1, sizeof(status) - 1, file);
	status[n] = '\0';
	fclose(file);
	shared = status_bytes(status, "RssShmem:");
	return status_bytes(status, "RssAnon:") + status_bytes(status, "RssFile:") + status_bytes(status, "VmPTE:") +
	       (memfds > shared ? memfds : shared);
}
