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

__attribute__((noreturn)) static void become(int cpu, char *const argv[], int output)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_fail("CPU %d: %s", cpu, strerror(errno));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	execv(argv[0], argv);
	bench_fail("%s: %s", argv[0], strerror(errno));
}

void process_start(struct process *p, int cpu, char *const argv[])
{
	int ends[2];
	fflush(NULL);
	if (pipe(ends) || (p->pid = fork()) < 0)
		bench_fail("%s: %s", argv[0], strerror(errno));
	if (p->pid == 0) {
		close(ends[0]);
		become(cpu, argv, ends[1]);
	}
	close(ends[1]);
	p->output = fdopen(ends[0], "r");
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

void process_wait(struct process *p)
{
	int status;
	fclose(p->output);
	if (waitpid(p->pid, &status, 0) != p->pid || status != 0)
		bench_fail("the load generator failed");
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
