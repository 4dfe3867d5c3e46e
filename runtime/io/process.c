/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Child processes. A thread of the pool makes the spawn, with copies of all its arguments, as posix_spawn(3) blocks the
 * thread until the child has executed its program. Afterwards the child belongs to the task, or the spawn is undone:
 * the child is killed and reaped.
 *
 * The descriptors that become the child's 0, 1 and 2 are 3 and up in our process, so that no duplicate overwrites the
 * source of another. They are close-on-exec.
 */
#include <sley/process.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/missing.h"
#include "io/offload.h"
#include "reactor/reactor.h"
#include "run/park.h"
#include "run/worker.h"

#define STRINGS_MOST ((size_t)8 << 20)
#define ENDS         3
#define PAUSE_LEAST  NS_PER_MS
#define PAUSE_MOST   (20 * NS_PER_MS)

enum { IN, OUT, ERR };

struct launch {
	char **argv, **env; /* env null: ours */
	char *cwd;          /* or null */
	int given[ENDS];    /* SLEY_STDIO_*, or a descriptor, which is held */
	struct hold holds[ENDS];
	bool group;
	/* The fields below are set by the thread. */
	int child[ENDS]; /* source of the child's descriptor; -1: not redirected */
	int ours[ENDS];  /* -1: none */
	pid_t pid;       /* 0: no child was started */
	int pidfd;
	int error;
	char strings[] __attribute__((aligned(16))); /* argv, env and cwd point into it; also has the pointer arrays */
};

/* ---- copies ---- */

/* Returns the bytes of the list and its strings; *count: the number of strings. */
static size_t list_size(char *const *list, size_t *count)
{
	size_t size = sizeof(char *);
	for (*count = 0; list && list[*count]; ++*count) {
		size += sizeof(char *) + strlen(list[*count]) + 1;
		if (size > STRINGS_MOST)
			break;
	}
	return size;
}

/* Copies the list to *place, pointers first, and advances *place. */
static char **list_copy(char *const *list, size_t count, char **place)
{
	char **copy = (char **)(void *)*place;
	char *string = *place + (count + 1) * sizeof(char *);
	for (size_t i = 0; i < count; i++) {
		copy[i] = string;
		string = stpcpy(string, list[i]) + 1;
	}
	copy[count] = NULL;
	size_t used = (size_t)(string - *place);
	*place += ROUND_UP(used, sizeof(char *));
	return copy;
}

/* Returns the length of the variable's name. */
static size_t name_length(const char *variable)
{
	return strcspn(variable, "=");
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_length(a);
	return n == name_length(b) && memcmp(a, b, n) == 0;
}

/* Returns whether one of the changes from `change` on is about the variable. */
static bool is_changed(const char *variable, char *const *change)
{
	while (*change && !same_name(variable, *change))
		change++;
	return *change != NULL;
}

/* Makes the list with the changes, of the strings of both. The caller frees it. Returns 0 or an error. */
static int env_changed(char ***result, char *const *env, char *const *changes)
{
	size_t variables, more, n = 0;
	if (list_size(env, &variables) > STRINGS_MOST || list_size(changes, &more) > STRINGS_MOST)
		return -E2BIG;
	int saved = errno;
	char **list = malloc((variables + more + 1) * sizeof(*list));
	errno = saved;
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < variables; i++) {
		if (!is_changed(env[i], changes))
			list[n++] = env[i];
	}
	for (size_t i = 0; i < more; i++) {
		if (strchr(changes[i], '=') && !is_changed(changes[i], &changes[i + 1]))
			list[n++] = changes[i];
	}
	list[n] = NULL;
	*result = list;
	return 0;
}

static int launch_new(struct launch **result, char *const *argv, const struct sley_process_options *options)
{
	size_t arguments, variables, cwd = options->cwd ? strnlen(options->cwd, PATH_MAX) + 1 : 0;
	size_t size = list_size(argv, &arguments) + list_size(options->env, &variables);
	if (cwd > PATH_MAX)
		return -ENAMETOOLONG;
	if (size > STRINGS_MOST)
		return -E2BIG;
	int saved = errno;
	struct launch *launch = malloc(sizeof(*launch) + size + 2 * sizeof(char *) + cwd);
	errno = saved;
	if (!launch)
		return -ENOMEM;
	*launch = (struct launch){ .given = { options->in, options->out, options->err },
				   .group = options->group,
				   .child = { -1, -1, -1 },
				   .ours = { -1, -1, -1 },
				   .pidfd = -1,
				   .error = -ECANCELED };
	char *place = launch->strings;
	launch->argv = list_copy(argv, arguments, &place);
	if (options->env)
		launch->env = list_copy(options->env, variables, &place);
	if (cwd)
		launch->cwd = memcpy(place, options->cwd, cwd);
	*result = launch;
	return 0;
}

static void launch_free(struct launch *launch)
{
	for (int i = 0; i < ENDS; i++)
		reactor_let_go(launch->given[i], &launch->holds[i]);
	free(launch);
}

static int launch_make(struct launch **result, char *const *argv, const struct sley_process_options *options)
{
	struct sley_process_options changed = *options;
	char **env;
	if (!options->env_changes)
		return launch_new(result, argv, options);
	int error = env_changed(&env, options->env ? options->env : environ, options->env_changes);
	if (error)
		return error;
	changed.env = env;
	error = launch_new(result, argv, &changed);
	free(env);
	return error;
}

/* ---- on the thread ---- */

static int make_pipe(struct launch *launch, int i)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	launch->ours[i] = descriptor_lift(ends[i == IN]);
	launch->child[i] = descriptor_lift(ends[i != IN]);
	if (launch->ours[i] < 0 || launch->child[i] < 0 || fcntl(launch->ours[i], F_SETFL, O_NONBLOCK) != 0)
		return -errno;
	return reactor_own(launch->ours[i], FD_FILE | FD_PIPE);
}

/* Makes the source of the child's descriptor i. */
static int make_end(struct launch *launch, int i)
{
	int given = launch->given[i];
	if (given == SLEY_STDIO_PIPE)
		return make_pipe(launch, i);
	if (given == SLEY_STDIO_NULL)
		launch->child[i] = descriptor_lift(open("/dev/null", O_RDWR | O_CLOEXEC));
	else if (given > 0) /* a duplicate, as ours has to be close-on-exec */
		launch->child[i] = fcntl(given, F_DUPFD_CLOEXEC, ERR + 1);
	else
		return 0;
	return launch->child[i] < 0 ? -errno : 0;
}

static int add_actions(const struct launch *launch, posix_spawn_file_actions_t *actions)
{
	int error = 0;
	if (launch->cwd)
		error = posix_spawn_file_actions_addchdir_np(actions, launch->cwd);
	for (int i = 0; i < ENDS && error == 0; i++) {
		if (launch->child[i] >= 0)
			error = posix_spawn_file_actions_adddup2(actions, launch->child[i], i);
	}
	if (error == 0 && launch->given[ERR] == SLEY_STDIO_OUT)
		error = posix_spawn_file_actions_adddup2(actions, OUT, ERR);
	return error ? error : posix_spawn_file_actions_addclosefrom_np(actions, ERR + 1);
}

static void set_attributes(const struct launch *launch, posix_spawnattr_t *attributes)
{
	sigset_t none, pipe_alone;
	sigemptyset(&none);
	sigemptyset(&pipe_alone);
	sigaddset(&pipe_alone, SIGPIPE);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &pipe_alone);
	posix_spawnattr_setflags(attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						     (launch->group ? POSIX_SPAWN_SETPGROUP : 0)));
}

static int launch_start(struct launch *launch)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	set_attributes(launch, &attributes);
	int error = add_actions(launch, &actions);
	if (error == 0)
		error = posix_spawnp(&launch->pid, launch->argv[0], &actions, &attributes, launch->argv,
				     launch->env ? launch->env : environ);
	if (error)
		launch->pid = 0;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

static void close_all(int fds[ENDS])
{
	for (int i = 0; i < ENDS; i++) {
		if (fds[i] >= 0)
			reactor_close_fd(fds[i]);
		fds[i] = -1;
	}
}

/* Kills an unwanted child, which takes no time. The child's own children live on. */
static void kill_child(struct launch *launch)
{
	close_all(launch->ours);
	if (launch->pid) {
		kill(launch->pid, SIGKILL); /* not reaped yet, so the number still belongs to the child */
		while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (launch->pidfd >= 0)
		close(launch->pidfd);
	launch->pid = 0;
	launch->pidfd = -1;
}

/* Opens a pidfd. If the call is missing, pidfd stays -1, and the child is known by its number. */
static int open_pidfd(struct launch *launch)
{
	static unsigned missing; /* atomic: the call is missing before Linux 5.3, or filtered */
	if (load(&missing, relaxed))
		return 0;
	launch->pidfd = descriptor_lift((int)syscall(SYS_pidfd_open, launch->pid, 0));
	if (launch->pidfd >= 0)
		return 0;
	if (!is_missing(errno))
		return -errno;
	store(&missing, 1, relaxed);
	return 0;
}

static void launch_run(void *block)
{
	struct launch *launch = *(struct launch **)block;
	int error = 0;
	for (int i = 0; i < ENDS && error == 0; i++)
		error = make_end(launch, i);
	if (error == 0)
		error = launch_start(launch);
	close_all(launch->child);
	if (error == 0)
		error = open_pidfd(launch);
	launch->error = error;
	if (error)
		kill_child(launch);
}

static void launch_dropped(void *block)
{
	struct launch *launch = *(struct launch **)block;
	kill_child(launch);
	launch_free(launch);
}

/* ---- the calls ---- */

/* Of the release before env_changes, and of this one. */
static bool is_size(size_t size)
{
	return size == offsetof(struct sley_process_options, env_changes) ||
	       size == sizeof(struct sley_process_options);
}

static int check_stdio(const struct sley_process_options *options)
{
	return options->in < SLEY_STDIO_NULL || options->out < SLEY_STDIO_NULL || options->err < SLEY_STDIO_OUT
		       ? -EINVAL
		       : 0;
}

/* Holds the given descriptors of the caller, so that their numbers are not reused before the thread duplicates them. */
static int hold_given(struct launch *launch)
{
	int error = 0;
	for (int i = 0; i < ENDS && error == 0; i++) {
		if (launch->given[i] > 0)
			error = reactor_hold_now(launch->given[i], &launch->holds[i]);
	}
	return error;
}

int sley_process_spawn(struct sley_process *process, const char *const argv[],
		       const struct sley_process_options *options, sley_time deadline)
{
	static const struct sley_process_options defaults = { .size = sizeof(defaults) };
	const struct offload what = { launch_run,
				      launch_dropped,
				      { SLEY_WAIT_OFFLOAD, (uint64_t)(uintptr_t)sley_process_spawn,
					__builtin_return_address(0) },
				      POOL_BLOCKING,
				      false };
	struct launch *launch;
	if (process)
		*process = (struct sley_process){ .pidfd = -1, .in = -1, .out = -1, .err = -1 };
	if (!task_self())
		return outside_error();
	if (!process || !argv)
		return -EFAULT;
	struct sley_process_options given = defaults;
	if (options && !is_size(options->size))
		return -EINVAL;
	if (options)
		memcpy(&given, options, options->size);
	int error = argv[0] ? check_stdio(&given) : -EINVAL;
	if (error == 0)
		error = launch_make(&launch, (char *const *)argv, &given);
	if (error)
		return error;
	error = hold_given(launch);
	if (error) {
		launch_free(launch);
		return error;
	}
	error = offload_run(&what, &launch, sizeof(launch), deadline);
	if (error)
		return error;
	error = launch->error;
	if (error == 0)
		*process = (struct sley_process){ .pid = launch->pid,
						  .pidfd = launch->pidfd,
						  .in = launch->ours[IN],
						  .out = launch->ours[OUT],
						  .err = launch->ours[ERR],
						  .numbered = launch->pidfd < 0 };
	launch_free(launch);
	return error;
}

static bool is_closed(const struct sley_process *process)
{
	return process->pidfd < 0 && !process->numbered;
}

/* Reaps by number: for a child without a pidfd, or if waitid(2) does not accept a pidfd (Linux 5.3) or is filtered. */
static int reap_numbered(struct sley_process *process)
{
	pid_t pid = waitpid(process->pid, &process->status, WNOHANG);
	if (pid < 0)
		return errno == ECHILD ? -ESRCH : -errno;
	if (pid > 0)
		store(&process->ended, 1, relaxed);
	return pid > 0;
}

/* Reaps the child if it has ended. Returns 1: reaped; 0: not ended; or an error. */
static int reap(struct sley_process *process)
{
	siginfo_t info = { 0 };
	if (process->numbered)
		return reap_numbered(process);
	if (waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) != 0)
		return errno == ECHILD                        ? -ESRCH
		       : errno == EINVAL || is_missing(errno) ? reap_numbered(process)
							      : -errno;
	if (info.si_pid == 0)
		return 0;
	process->status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8
						     : info.si_status | (info.si_code == CLD_DUMPED ? WCOREFLAG : 0);
	store(&process->ended, 1, relaxed);
	return 1;
}

/*
 * Pauses, longer each time, as no event tells of a child without a pidfd. Returns 0, or the error that ends the wait.
 */
static int pause_for(int64_t *pause, sley_time deadline, const void *pc)
{
	struct task *task = task_self();
	sley_time until;
	deadline = wait_deadline(task, deadline);
	if (__builtin_add_overflow(clock_now(), *pause, &until))
		until = SLEY_NEVER;
	wait_begin(task, SLEY_WAIT_PROCESS, (uint64_t)-1, pc);
	enum claim who = wait_park(task, MIN(until, deadline));
	*pause = MIN(*pause * 2, PAUSE_MOST);
	return who == CLAIM_DEADLINE ? clock_now() >= deadline ? -ETIMEDOUT : 0 : wait_error(who);
}

int sley_process_wait(struct sley_process *process, int *status, sley_time deadline)
{
	const void *pc = __builtin_return_address(0);
	if (!task_self())
		return outside_error();
	if (!process)
		return -EFAULT;
	struct hold hold = { 0 };
	int saved = errno, result = load(&process->ended, relaxed) ? 1 : is_closed(process) ? -EBADF : 0;
	int64_t pause = PAUSE_LEAST;
	while (result == 0 && (result = reap(process)) == 0)
		result = process->numbered
				 ? pause_for(&pause, deadline, pc)
				 : reactor_wait(process->pidfd, READING, SLEY_WAIT_PROCESS, deadline, pc, &hold);
	reactor_let_go(process->pidfd, &hold);
	worker_spend(pc);
	*sley_errno_location() = saved;
	if (result < 0)
		return result;
	if (status)
		*status = process->status;
	return 0;
}

/* While the child is ours and not reaped, its number belongs to no other process. */
static int signal_numbered(const struct sley_process *process, int signal)
{
	siginfo_t info;
	if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD)
		return -ESRCH;
	return kill(process->pid, signal) == 0 ? 0 : -errno;
}

static int send_signal(const struct sley_process *process, int signal)
{
	if (process->numbered)
		return signal_numbered(process, signal);
	if (syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0) == 0)
		return 0;
	return is_missing(errno) ? signal_numbered(process, signal) : -errno; /* the child's own EPERM comes again */
}

int sley_process_kill(const struct sley_process *process, int signal)
{
	int error = scheduler_error();
	if (error)
		return error;
	if (!process)
		return -EFAULT;
	/* atomic: another task may wait for the child, and reap it because of a signal that was sent here */
	if (load(&process->ended, relaxed))
		return -ESRCH;
	int saved = errno;
	error = is_closed(process) ? -EBADF : send_signal(process, signal);
	errno = saved;
	return error;
}

int sley_process_close(struct sley_process *process)
{
	int error = scheduler_error();
	if (error)
		return error;
	if (!process)
		return -EFAULT;
	int *const all[] = { &process->pidfd, &process->in, &process->out, &process->err };
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		if (*all[i] >= 0)
			reactor_close_fd(*all[i]);
		*all[i] = -1;
	}
	process->numbered = 0;
	return 0;
}
