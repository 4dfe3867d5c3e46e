/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service with a mistake in it: a task that blocks its thread, in a way chosen by the first argument, and that
 * measures itself what its calls took. Usage: blocks.planted KIND COUNT [PATH]
 *
 * It writes "ready", waits for a line, blocks COUNT times, writes what it measured, and waits for the end of its input.
 * Waiting for input does not block the thread. Tests find the calls by the comments "PLANTED" and the kind's name.
 */
#include <sley.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 3000000

/* What the planted calls took. A call that did not give up its CPU voluntarily has not blocked, and is not counted. */
static struct {
	long calls, blocks, sleeps, longest_sleeps;
	int64_t total_ns, longest_ns;
	int64_t waited_ns; /* for a CPU, while it was measured */
} truth;

static const char *kind, *path;
static long count;

/* ---- measuring ---- */

struct measure {
	int64_t start_ns, waited_ns;
	long sleeps;
};

static int schedstat; /* of the planted task's thread */

/* The time that the thread waited for a CPU, if the kernel accounts it. */
static int64_t waited_now(void)
{
	char text[64] = "";
	long ran, waited = 0;
	if (pread(schedstat, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%ld %ld", &ran, &waited) != 2)
		return 0;
	return waited;
}

static long voluntary_switches(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static struct measure measure_begin(void)
{
	struct measure m = { .waited_ns = waited_now(), .sleeps = voluntary_switches() };
	m.start_ns = sley_now();
	return m;
}

static void measure_end(const struct measure *m)
{
	int64_t took = sley_now() - m->start_ns;
	long sleeps = voluntary_switches() - m->sleeps;
	truth.calls++;
	if (!sleeps)
		return;
	truth.blocks++;
	truth.sleeps += sleeps;
	truth.waited_ns += waited_now() - m->waited_ns;
	truth.total_ns += took;
	if (sleeps > truth.longest_sleeps)
		truth.longest_sleeps = sleeps;
	if (took > truth.longest_ns)
		truth.longest_ns = took;
}

/* ---- a thread that lets a blocked task go on after a pause, once per request ---- */

static sem_t requests;
static long released;
static void (*release)(void);

static void *releaser(void *unused)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	(void)unused;
	for (;;) {
		sem_wait(&requests);
		nanosleep(&pause, NULL);
		release();
		__atomic_add_fetch(&released, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Until it has let go `n` times: it may still be about to, when the call that it ended has returned. Does not block. */
static void until_released(long n)
{
	while (__atomic_load_n(&released, __ATOMIC_ACQUIRE) < n)
		__builtin_ia32_pause();
}

static void start_releaser(void (*with)(void))
{
	pthread_t thread;
	release = with;
	sem_init(&requests, 0, 0);
	if (pthread_create(&thread, NULL, releaser, NULL))
		abort();
}

/* ---- the mistakes ---- */

static void plant_nanosleep(void)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		nanosleep(&pause, NULL); /* PLANTED nanosleep */
		measure_end(&m);
	}
}

static int ends[2];

static void write_byte(void)
{
	if (write(ends[1], "x", 1) != 1)
		abort();
}

static void plant_pipe(void)
{
	char byte;
	if (pipe(ends))
		abort();
	start_releaser(write_byte);
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		sem_post(&requests);
		if (read(ends[0], &byte, 1) != 1) /* PLANTED pipe */
			abort();
		measure_end(&m);
	}
}

static unsigned word;

static void wake_word(void)
{
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void plant_futex(void)
{
	start_releaser(wake_word);
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		sem_post(&requests);
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0); /* PLANTED futex */
		measure_end(&m);
		until_released(i + 1);
		__atomic_store_n(&word, 0, __ATOMIC_RELAXED);
	}
}

static long awaited;

/* Lets the planted task go on, from another worker: it computes until it is time. */
static void wake_often(void *unused)
{
	(void)unused;
	for (long i = 0; i < count; i++) {
		while (__atomic_load_n(&awaited, __ATOMIC_ACQUIRE) <= i)
			sley_yield();
		for (sley_time end = sley_in(PAUSE_NS); sley_now() < end;)
			__builtin_ia32_pause();
		wake_word();
		__atomic_add_fetch(&released, 1, __ATOMIC_RELEASE);
	}
}

static void plant_woken(void)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "waker" };
	if (sley_spawn_with(&options, wake_often, NULL, SLEY_BY_POINTER) < 0)
		abort();
	for (long i = 0; i < count; i++) {
		struct measure m;
		__atomic_store_n(&awaited, i + 1, __ATOMIC_RELEASE);
		m = measure_begin();
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0); /* PLANTED woken */
		measure_end(&m);
		until_released(i + 1);
		__atomic_store_n(&word, 0, __ATOMIC_RELAXED);
	}
}

static void open_other_end(void)
{
	close(open(path, O_WRONLY | O_CLOEXEC));
}

static void plant_fifo(void)
{
	start_releaser(open_other_end);
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		int fd;
		sem_post(&requests);
		fd = open(path, O_RDONLY | O_CLOEXEC); /* PLANTED fifo */
		measure_end(&m);
		until_released(i + 1);
		close(fd);
	}
}

static void plant_fsync(void)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (long i = 0; i < count; i++) {
		struct measure m;
		if (pwrite(fd, &i, sizeof(i), 0) != sizeof(i))
			abort();
		m = measure_begin();
		fsync(fd); /* PLANTED fsync */
		measure_end(&m);
	}
	close(fd);
}

static void plant_fault(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	volatile char *map = mmap(NULL, count * page, PROT_READ, MAP_SHARED, fd, 0);
	unsigned sum = 0;
	if (map == MAP_FAILED || madvise((void *)map, count * page, MADV_RANDOM)) /* no read-ahead */
		abort();
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		sum += map[i * page]; /* PLANTED fault */
		measure_end(&m);
	}
	if (sum != 'x' * (unsigned)count)
		abort();
}

/* ---- calls that are interrupted ---- */

#define INTERRUPTIONS 3 /* of each call */

static pid_t blocked_thread;
static void (*interrupt)(void);
static void (*let_go)(void);

/* By the releaser. */
static void interrupt_and_let_go(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	for (int i = 0; i < INTERRUPTIONS; i++) {
		interrupt();
		nanosleep(&pause, NULL);
	}
	let_go();
}

static void send_handled(void)
{
	syscall(SYS_tgkill, getpid(), blocked_thread, SIGUSR1);
}

static void handle(int number)
{
	(void)number;
}

/* From now on the calling thread is interrupted by a signal that it handles. */
static void handle_signals(int flags)
{
	struct sigaction action = { .sa_handler = handle, .sa_flags = flags };
	if (sigaction(SIGUSR1, &action, NULL))
		abort();
	blocked_thread = gettid();
	interrupt = send_handled;
	start_releaser(interrupt_and_let_go);
}

static void send_ignored(void)
{
	kill(getpid(), SIGURG);
}

static void set_of(sigset_t *set, int signal)
{
	sigemptyset(set);
	sigaddset(set, signal);
}

/* By a signal that it ignores. The kernel sends it only because main() blocks it; all other threads do so too. */
static void ignore_signals(void)
{
	sigset_t set;
	interrupt = send_ignored;
	start_releaser(interrupt_and_let_go);
	set_of(&set, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int ready_for_work;

static void make_work(void)
{
	uint64_t one = 1;
	if (write(ready_for_work, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* By the work that io_uring has for the thread, each time that somebody writes to a descriptor. False: there is no io_uring. */
static bool do_work(void)
{
	struct io_uring_params p = { 0 };
	struct io_uring_sqe *entry;
	int ring = (int)syscall(SYS_io_uring_setup, 4096, &p);
	char *queue;
	ready_for_work = eventfd(0, EFD_CLOEXEC);
	if (ring < 0)
		return false;
	queue = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		     IORING_OFF_SQ_RING);
	entry = mmap(NULL, p.sq_entries * sizeof(*entry), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	*entry = (struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD,
					.fd = ready_for_work,
					.len = IORING_POLL_ADD_MULTI,
					.poll32_events = EPOLLIN | EPOLLET };
	((unsigned *)(queue + p.sq_off.array))[0] = 0;
	__atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
		return false;
	interrupt = make_work;
	start_releaser(interrupt_and_let_go);
	return true;
}

/* The kernel makes the call again after each interruption. */
static void interrupted_read(void)
{
	char byte;
	let_go = write_byte;
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		sem_post(&requests);
		if (read(ends[0], &byte, 1) != 1) /* PLANTED interrupted_read */
			abort();
		measure_end(&m);
	}
}

static void interrupted_poll(void)
{
	struct pollfd fd = { .fd = ends[0], .events = POLLIN };
	char byte;
	let_go = write_byte;
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		sem_post(&requests);
		if (poll(&fd, 1, 60000) != 1) /* PLANTED interrupted_poll */
			abort();
		measure_end(&m);
		if (read(ends[0], &byte, 1) != 1)
			abort();
	}
}

static void interrupted_futex(void)
{
	let_go = wake_word;
	for (long i = 0; i < count; i++) {
		struct measure m = measure_begin();
		sem_post(&requests);
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0); /* PLANTED interrupted_futex */
		measure_end(&m);
		until_released(i + 1);
		__atomic_store_n(&word, 0, __ATOMIC_RELAXED);
	}
}

/* The service itself makes the call again, which fails each time. */
static void retried_read(void)
{
	char byte;
	ssize_t n;
	let_go = write_byte;
	for (long i = 0; i < count; i++) {
		sem_post(&requests);
		do {
			struct measure m = measure_begin();
			n = read(ends[0], &byte, 1); /* PLANTED retried_read */
			measure_end(&m);
		} while (n < 0 && errno == EINTR);
		if (n != 1)
			abort();
	}
}

static void retried_poll(void)
{
	struct pollfd fd = { .fd = ends[0], .events = POLLIN };
	char byte;
	int n;
	let_go = write_byte;
	for (long i = 0; i < count; i++) {
		sem_post(&requests);
		do {
			struct measure m = measure_begin();
			n = poll(&fd, 1, 60000); /* PLANTED retried_poll */
			measure_end(&m);
		} while (n < 0 && errno == EINTR);
		if (n != 1 || read(ends[0], &byte, 1) != 1)
			abort();
	}
}

/* PATH is who interrupts: "handler", "handler-once" (the call fails), "ignored" or "work". */
static void plant_interrupted(void)
{
	static const struct {
		const char *kind;
		void (*plant)(void);
	} calls[] = { { "interrupted_read", interrupted_read },
		      { "interrupted_poll", interrupted_poll },
		      { "interrupted_futex", interrupted_futex },
		      { "retried_read", retried_read },
		      { "retried_poll", retried_poll } };
	if (pipe(ends))
		abort();
	if (strcmp(path, "handler") == 0)
		handle_signals(SA_RESTART);
	else if (strcmp(path, "handler-once") == 0)
		handle_signals(0);
	else if (strcmp(path, "ignored") == 0)
		ignore_signals();
	else if (!do_work())
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].kind, kind) == 0)
			calls[i].plant();
}

static void plant_forever(void)
{
	char byte;
	if (pipe(ends) || read(ends[0], &byte, 1)) /* PLANTED forever */
		abort();
}

/* Starts this program anew, in the same process. */
static void plant_exec(void)
{
	execl("/proc/self/exe", "blocks.planted", "nanosleep", "20", NULL);
	abort();
}

/* ---- deep stacks ---- */

#define DEEP 9600 /* bytes: as many as libc has in getaddrinfo() with search domains */

/* The caller's frame is above these bytes. */
static __attribute__((noinline)) void sleep_below(void)
{
	char frame[DEEP];
	memset(frame, 1, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
	plant_nanosleep();
	__asm__ volatile("" : : "r"(frame) : "memory");
}

static void plant_deep(void)
{
	sleep_below(); /* PLANTED deep */
	__asm__ volatile("");
}

/* A page of the stack above the call was never touched, or given back. */
static void plant_hole(void)
{
	char hole[16 * 4096];
	char *page = (char *)(((uintptr_t)hole + 3 * 4096) & ~(uintptr_t)4095);
	if (madvise(page, 4096, MADV_DONTNEED))
		abort();
	plant_nanosleep();
	__asm__ volatile("" : : "r"(hole) : "memory");
}

static const struct {
	const char *kind;
	void (*plant)(void);
} kinds[] = {
	{ "nanosleep", plant_nanosleep },
	{ "pipe", plant_pipe },
	{ "futex", plant_futex },
	{ "woken", plant_woken },
	{ "fifo", plant_fifo },
	{ "fsync", plant_fsync },
	{ "fault", plant_fault },
	{ "forever", plant_forever },
	{ "exec", plant_exec },
	{ "deep", plant_deep },
	{ "hole", plant_hole },
	{ "interrupted_read", plant_interrupted },
	{ "interrupted_poll", plant_interrupted },
	{ "interrupted_futex", plant_interrupted },
	{ "retried_read", plant_interrupted },
	{ "retried_poll", plant_interrupted },
};

/* ---- the service ---- */

static void planted(void *unused)
{
	(void)unused;
	schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	/* itself: the task may be over, or have executed another program, before its parent goes on */
	dprintf(STDOUT_FILENO, "task %ld\n", (long)sley_self());
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			kinds[i].plant();
	sley_set_name("renamed"); /* before anybody asks: the block's is the name that it had then */
}

static void wait_for_input(void)
{
	char text[16];
	sley_read(STDIN_FILENO, text, sizeof(text), SLEY_NEVER);
}

static int service(void *unused)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "planted" };
	sley_task task;
	(void)unused;
	dprintf(STDOUT_FILENO, "ready\n");
	wait_for_input();
	task = sley_spawn_with(&options, planted, NULL, SLEY_BY_POINTER); /* SPAWNED */
	sley_join(task, SLEY_NEVER);
	dprintf(STDOUT_FILENO,
		"calls %ld blocks %ld sleeps %ld longest_sleeps %ld total_ns %ld longest_ns %ld waited_ns %ld\n",
		truth.calls, truth.blocks, truth.sleeps, truth.longest_sleeps, (long)truth.total_ns,
		(long)truth.longest_ns, (long)truth.waited_ns);
	wait_for_input();
	return 0;
}

static void *run(void *unused)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	(void)unused;
	exit(sley_run(service, NULL, &options, NULL) ? 1 : 0);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	sigset_t set;
	if (argc < 3)
		return 2;
	kind = argv[1];
	count = atol(argv[2]);
	path = argc > 3 ? argv[3] : NULL;
	set_of(&set, SIGURG);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, run, NULL))
		return 1;
	pthread_join(thread, NULL);
}
