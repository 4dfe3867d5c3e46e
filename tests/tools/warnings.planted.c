/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service with planted faults that block nobody's thread, and what is like them and no fault. Its arguments name them.
 * It writes "NAME ID..." for each, the ids of tasks that the fault's comment names, then "ready", and ends with its input,
 * after "longest NS": the longest wait in the controls.
 */
#include <sley.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITERS         20
#define OFFLOAD_THREADS 2u
#define OFFLOAD_QUEUE   4u

static void require(int ok)
{
	if (!ok)
		abort();
}

static void wait_for(const atomic_int *count, int n)
{
	while (atomic_load(count) < n)
		sley_sleep(sley_in(1000000));
}

static sley_task spawned(sley_task task)
{
	require(task > 0);
	return task;
}

/* In the function that spawns, which is the site's. */
#define spawn(fn, arg) spawned(sley_spawn(fn, arg))

/* ---- convoy: a task sleeps with a mutex locked, for which others wait. IDs: the holder ---- */

static struct sley_mutex convoy_mutex;
static atomic_int convoy_holds;

static void convoy_holder(void *unused)
{
	(void)unused;
	sley_set_name("flusher");
	require(!sley_mutex_lock(&convoy_mutex, SLEY_NEVER));
	atomic_store(&convoy_holds, 1);
	sley_sleep(SLEY_NEVER); /* PLANTED: with the mutex */
	require(!sley_mutex_unlock(&convoy_mutex));
}

static void convoy_waiter(void *unused)
{
	(void)unused;
	require(!sley_mutex_lock(&convoy_mutex, SLEY_NEVER)); /* PLANTED: waits for the mutex */
}

static void convoy(void)
{
	sley_task holder = spawn(convoy_holder, NULL);
	wait_for(&convoy_holds, 1);
	for (int i = 0; i < WAITERS; i++)
		spawn(convoy_waiter, NULL);
	printf("convoy %lld\n", (long long)holder);
}

/* ---- rwlock: a writer blocks its thread, and readers wait. IDs: the writer ---- */

static struct sley_rwlock rwlock;
static atomic_int rwlock_holds;

static void rwlock_writer(void *unused)
{
	int ends[2];
	char byte;
	(void)unused;
	sley_set_name("writer");
	require(!pipe(ends) && !sley_rwlock_wrlock(&rwlock, SLEY_NEVER));
	atomic_store(&rwlock_holds, 1);
	require(read(ends[0], &byte, 1) == 1); /* PLANTED: with the rwlock */
}

static void rwlock_reader(void *unused)
{
	(void)unused;
	sley_rwlock_rdlock(&rwlock, SLEY_NEVER);
}

static void blocked_writer(void)
{
	sley_task writer = spawn(rwlock_writer, NULL);
	wait_for(&rwlock_holds, 1);
	for (int i = 0; i < WAITERS; i++)
		spawn(rwlock_reader, NULL);
	printf("rwlock %lld\n", (long long)writer);
}

/* ---- readers: a reader sleeps, and a writer waits. No IDs ---- */

static struct sley_rwlock read_locked;
static atomic_int read_holds;

static void reader(void *unused)
{
	(void)unused;
	require(!sley_rwlock_rdlock(&read_locked, SLEY_NEVER));
	atomic_store(&read_holds, 1);
	sley_sleep(SLEY_NEVER);
}

static void writer_waits(void *unused)
{
	(void)unused;
	sley_rwlock_wrlock(&read_locked, SLEY_NEVER);
}

static void readers(void)
{
	spawn(reader, NULL);
	wait_for(&read_holds, 1);
	spawn(writer_waits, NULL);
	puts("readers");
}

/* ---- ended: a task has ended with a mutex locked. IDs: the task ---- */

static struct sley_mutex left_mutex;
static atomic_int left;

static void leaver(void *unused)
{
	(void)unused;
	require(!sley_mutex_lock(&left_mutex, SLEY_NEVER));
	atomic_store(&left, 1);
}

static void left_waiter(void *unused)
{
	(void)unused;
	sley_mutex_lock(&left_mutex, SLEY_NEVER);
}

static void ended(void)
{
	sley_task task = spawn(leaver, NULL);
	wait_for(&left, 1);
	spawn(left_waiter, NULL);
	spawn(left_waiter, NULL);
	printf("ended %lld\n", (long long)task);
}

/* ---- order: two tasks take two mutexes in different orders, and others wait for them. IDs: the two ---- */

static struct sley_mutex order_mutex[2];
static atomic_int order_holds;

static void order_task(void *arg)
{
	int first = arg ? 1 : 0;
	require(!sley_mutex_lock(&order_mutex[first], SLEY_NEVER));
	atomic_fetch_add(&order_holds, 1);
	wait_for(&order_holds, 2);
	require(!sley_mutex_lock(&order_mutex[!first], SLEY_NEVER)); /* PLANTED: the other mutex */
}

static void order_waiter(void *unused)
{
	(void)unused;
	sley_mutex_lock(&order_mutex[0], SLEY_NEVER);
}

static void order(void)
{
	sley_task one = spawn(order_task, NULL), other = spawn(order_task, &order_mutex);
	wait_for(&order_holds, 2);
	for (int i = 0; i < 3; i++)
		spawn(order_waiter, NULL);
	printf("order %lld %lld\n", (long long)one, (long long)other);
}

/* ---- join: a task joins one that waits for its mutex. IDs: both ---- */

static struct sley_mutex join_mutex;
static _Atomic sley_task joined;

static void join_child(void *unused)
{
	(void)unused;
	sley_mutex_lock(&join_mutex, SLEY_NEVER);
}

static void join_parent(void *unused)
{
	sley_task child;
	(void)unused;
	require(!sley_mutex_lock(&join_mutex, SLEY_NEVER));
	child = spawn(join_child, NULL);
	atomic_store(&joined, child);
	require(!sley_join(child, SLEY_NEVER)); /* PLANTED: joins with the mutex */
}

static void join(void)
{
	sley_task parent = spawn(join_parent, NULL);
	while (atomic_load(&joined) == 0)
		sley_sleep(sley_in(1000000));
	printf("join %lld %lld\n", (long long)parent, (long long)atomic_load(&joined));
}

/* ---- channels ---- */

static struct sley_chan *chan_new(size_t capacity)
{
	struct sley_chan *chan;
	require(!sley_chan_new(&chan, sizeof(int), capacity));
	return chan;
}

/* So that the channel knows the task as its receiver, or sender: the last that waited. */
static void be_receiver(struct sley_chan *chan)
{
	int item;
	require(sley_chan_recv(chan, &item, sley_in(1000)) == -ETIMEDOUT);
}

static void be_sender(struct sley_chan *chan)
{
	int item = 0;
	require(sley_chan_send(chan, &item, sley_in(1000)) == -ETIMEDOUT);
}

static void send_one(struct sley_chan *chan)
{
	int item = 1;
	require(!sley_chan_send(chan, &item, SLEY_NEVER)); /* PLANTED: sends */
}

/* ---- full: a channel's receiver sleeps. IDs: the receiver ---- */

static atomic_int full_received;

static void full_receiver(void *chan)
{
	sley_set_name("receiver");
	be_receiver(chan);
	atomic_store(&full_received, 1);
	sley_sleep(SLEY_NEVER); /* PLANTED: in place of receiving */
	require(!sley_chan_close(chan));
}

static void full_sender(void *chan)
{
	send_one(chan);
	sley_yield();
}

static void full(void)
{
	struct sley_chan *chan = chan_new(4);
	sley_task receiver = spawn(full_receiver, chan);
	wait_for(&full_received, 1);
	for (int i = 0; i < WAITERS + 4; i++)
		spawn(full_sender, chan);
	printf("full %lld\n", (long long)receiver);
}

/* ---- unread: nobody receives. No IDs ---- */

static void unread(void)
{
	spawn(full_sender, chan_new(0));
	puts("unread");
}

/* ---- gone: the receiver has ended. IDs: it ---- */

static atomic_int gone_received;

static void gone_receiver(void *chan)
{
	be_receiver(chan);
	atomic_store(&gone_received, 1);
}

static void gone(void)
{
	struct sley_chan *chan = chan_new(0);
	sley_task receiver = spawn(gone_receiver, chan);
	wait_for(&gone_received, 1);
	spawn(full_sender, chan);
	printf("gone %lld\n", (long long)receiver);
}

/* ---- locked: a task sends with a mutex locked that the receiver wants. IDs: the sender, the receiver ---- */

static struct sley_mutex locked_mutex;
static atomic_int locked_step;

static void locked_receiver(void *chan)
{
	be_receiver(chan);
	atomic_store(&locked_step, 1);
	wait_for(&locked_step, 2);
	require(!sley_mutex_lock(&locked_mutex, SLEY_NEVER));
}

static void locked_sender(void *chan)
{
	wait_for(&locked_step, 1);
	require(!sley_mutex_lock(&locked_mutex, SLEY_NEVER));
	atomic_store(&locked_step, 2);
	send_one(chan);
}

static void locked(void)
{
	struct sley_chan *chan = chan_new(0);
	sley_task receiver = spawn(locked_receiver, chan), sender = spawn(locked_sender, chan);
	wait_for(&locked_step, 2);
	printf("locked %lld %lld\n", (long long)sender, (long long)receiver);
}

/* ---- answer: a task waits to receive with a mutex locked that the sender wants. IDs: the receiver, the sender ---- */

static struct sley_mutex answer_mutex;
static atomic_int answer_step;

static void answer_sender(void *chan)
{
	be_sender(chan);
	atomic_store(&answer_step, 1);
	wait_for(&answer_step, 2);
	require(!sley_mutex_lock(&answer_mutex, SLEY_NEVER));
}

static void answer_receiver(void *chan)
{
	int item;
	wait_for(&answer_step, 1);
	require(!sley_mutex_lock(&answer_mutex, SLEY_NEVER));
	atomic_store(&answer_step, 2);
	require(!sley_chan_recv(chan, &item, SLEY_NEVER)); /* PLANTED: receives with the mutex */
}

static void answer(void)
{
	struct sley_chan *chan = chan_new(0);
	sley_task sender = spawn(answer_sender, chan), receiver = spawn(answer_receiver, chan);
	wait_for(&answer_step, 2);
	printf("answer %lld %lld\n", (long long)receiver, (long long)sender);
}

/* ---- both: two tasks send to each other. IDs: both ---- */

static struct sley_chan *both_chan[2];
static atomic_int both_ready;

static void both_task(void *arg)
{
	int own = arg ? 1 : 0;
	be_receiver(both_chan[own]);
	atomic_fetch_add(&both_ready, 1);
	wait_for(&both_ready, 2);
	send_one(both_chan[!own]);
}

static void both(void)
{
	both_chan[0] = chan_new(0);
	both_chan[1] = chan_new(0);
	sley_task one = spawn(both_task, NULL), other = spawn(both_task, &both_chan);
	wait_for(&both_ready, 2);
	printf("both %lld %lld\n", (long long)one, (long long)other);
}

/* ---- hog: a task computes for long. IDs: it ---- */

static void hog(void *unused)
{
	(void)unused;
	for (volatile unsigned i = 0; i < 2; i ^= 1) /* PLANTED: computes */
		;
}

static void plant_hog(void)
{
	printf("hog %lld\n", (long long)spawn(hog, NULL));
}

/* ---- poll: a task yields until there is something to do. No IDs ---- */

static atomic_int something;

static void poller(void *unused)
{
	(void)unused;
	while (!atomic_load(&something))
		sley_yield(); /* PLANTED: polls */
}

static void poll(void)
{
	spawn(poller, NULL);
	puts("poll");
}

/* ---- growth: more and more tasks wait for what does not come. No IDs ---- */

static void grown(void *chan)
{
	int item;
	require(!sley_chan_recv(chan, &item, SLEY_NEVER)); /* PLANTED: waits with others */
}

static void grower(void *chan)
{
	for (;;) {
		for (int i = 0; i < 10; i++)
			spawn(grown, chan);
		sley_sleep(sley_in(50000000));
	}
}

static void growth(void)
{
	spawn(grower, chan_new(0));
	puts("growth");
}

/* ---- queue: a pool's threads wait, and its queue is full. No IDs ---- */

static void queue_call(void *unused)
{
	(void)unused;
	for (;;)
		pause();
}

static void queue_task(void *unused)
{
	(void)unused;
	sley_offload(queue_call, NULL, 0, SLEY_NEVER); /* PLANTED: offloads with others */
	abort();
}

static void queue(void)
{
	for (unsigned i = 0; i < OFFLOAD_THREADS + OFFLOAD_QUEUE + 3; i++)
		spawn(queue_task, NULL);
	puts("queue");
}

/*
 * ---- locks of libc: a thread, or a task that blocks its thread, or one that sleeps, holds one. IDs: that thread, the task,
 * its thread; mutexes of the thread that inherits priorities, or is robust ----
 */

static pthread_mutex_t thread_mutex = PTHREAD_MUTEX_INITIALIZER, task_mutex = PTHREAD_MUTEX_INITIALIZER,
		       parked_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pi_mutex, robust_mutex;
static pthread_rwlock_t thread_rwlock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int thread_id, task_holds, parked_on;

__attribute__((noreturn)) static void *holder_thread(void *unused)
{
	(void)unused;
	require(!pthread_mutex_lock(&thread_mutex) && !pthread_rwlock_wrlock(&thread_rwlock));
	require(!pthread_mutex_lock(&pi_mutex) && !pthread_mutex_lock(&robust_mutex));
	atomic_store(&thread_id, gettid());
	for (;;)
		pause(); /* PLANTED: holds locks of libc */
}

static void lock_mutex(void *mutex)
{
	require(!pthread_mutex_lock(mutex)); /* PLANTED: waits for libc's mutex */
}

static void lock_rwlock(void *unused)
{
	(void)unused;
	require(!pthread_rwlock_rdlock(&thread_rwlock));
}

static void blocked_holder(void *unused)
{
	int ends[2];
	char byte;
	(void)unused;
	sley_set_name("holder");
	require(!pipe(ends) && !pthread_mutex_lock(&task_mutex));
	atomic_store(&task_holds, 1);
	require(read(ends[0], &byte, 1) == 1); /* PLANTED: with libc's mutex */
}

static void parked_holder(void *unused)
{
	(void)unused;
	require(!pthread_mutex_lock(&parked_mutex));
	atomic_store(&parked_on, gettid());
	sley_sleep(SLEY_NEVER);
	require(!pthread_mutex_unlock(&parked_mutex));
}

static void make_mutexes(void)
{
	pthread_mutexattr_t pi, robust;
	require(!pthread_mutexattr_init(&pi) && !pthread_mutexattr_setprotocol(&pi, PTHREAD_PRIO_INHERIT));
	require(!pthread_mutexattr_init(&robust) && !pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST));
	require(!pthread_mutex_init(&pi_mutex, &pi) && !pthread_mutex_init(&robust_mutex, &robust));
}

static void pthread(void)
{
	pthread_t thread;
	sley_task holder;
	make_mutexes();
	require(!pthread_create(&thread, NULL, holder_thread, NULL));
	while (atomic_load(&thread_id) == 0)
		sley_sleep(sley_in(1000000));
	holder = spawn(blocked_holder, NULL);
	wait_for(&task_holds, 1);
	spawn(parked_holder, NULL);
	wait_for(&parked_on, 1);
	for (int i = 0; i < 3; i++) {
		spawn(lock_mutex, &thread_mutex);
		spawn(lock_mutex, &task_mutex);
	}
	spawn(lock_mutex, &parked_mutex);
	spawn(lock_mutex, &pi_mutex);
	spawn(lock_mutex, &robust_mutex);
	spawn(lock_rwlock, NULL);
	printf("pthread %d %lld %d %p %p\n", atomic_load(&thread_id), (long long)holder, atomic_load(&parked_on),
	       (void *)&pi_mutex, (void *)&robust_mutex);
}

/* ---- controls: no faults ---- */

static struct sley_mutex shared_mutex;
static _Atomic sley_time shared_longest;

static void share_waited(sley_time begin)
{
	sley_time waited = sley_now() - begin, longest = atomic_load(&shared_longest);
	while (waited > longest && !atomic_compare_exchange_weak(&shared_longest, &longest, waited))
		;
}

/*
 * Tasks that share a mutex, each of which locks it for a moment. The kernel may take a CPU away for longer than that, so
 * they note the longest wait: only if it was short is it no fault.
 */
static void sharer(void *unused)
{
	(void)unused;
	for (;;) {
		sley_time begin = sley_now();
		require(!sley_mutex_lock(&shared_mutex, SLEY_NEVER));
		share_waited(begin);
		sley_yield();
		require(!sley_mutex_unlock(&shared_mutex));
		sley_sleep(sley_in(1000000));
	}
}

static void idle(void *chan)
{
	int item;
	sley_chan_recv(chan, &item, SLEY_NEVER);
}

static void joiner(void *chan)
{
	sley_join(spawn(idle, chan), SLEY_NEVER);
}

static void join_task(void *task)
{
	sley_join((sley_task)(intptr_t)task, SLEY_NEVER);
}

static struct sley_chan *idle_chan[2];

/* Tasks that have sent to each other, and have nothing to do. */
static void idle_peer(void *arg)
{
	int own = arg ? 1 : 0, item = 0;
	sley_chan_recv(idle_chan[own], &item, sley_in(1000000));
	sley_chan_send(idle_chan[!own], &item, sley_in(1000000));
	sley_chan_recv(idle_chan[own], &item, SLEY_NEVER);
}

/* A full channel whose receiver is slower than its senders, but not slow. */
static void busy_sender(void *chan)
{
	for (;;) {
		sley_time begin = sley_now();
		send_one(chan);
		share_waited(begin);
	}
}

static void busy_receiver(void *chan)
{
	int item;
	for (;;) {
		require(!sley_chan_recv(chan, &item, SLEY_NEVER));
		sley_sleep(sley_in(1000000));
	}
}

/* A pool with a full queue whose calls end soon. */
static void brief_call(void *unused)
{
	(void)unused;
	usleep(1000);
}

static void busy_caller(void *unused)
{
	(void)unused;
	for (;;) {
		sley_time begin = sley_now();
		require(!sley_offload(brief_call, NULL, 0, SLEY_NEVER));
		share_waited(begin);
	}
}

/* A condition beside a mutex that a thread holds: whoever waits for the condition does not wait for the mutex. */
static struct {
	pthread_cond_t cond;
	pthread_mutex_t mutex;
} beside = { PTHREAD_COND_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static atomic_int beside_locked;

static void cond_waiter(void *unused)
{
	(void)unused;
	require(!pthread_mutex_lock(&beside.mutex));
	atomic_store(&beside_locked, 1);
	require(!pthread_cond_wait(&beside.cond, &beside.mutex));
}

__attribute__((noreturn)) static void *beside_thread(void *unused)
{
	(void)unused;
	require(!pthread_mutex_lock(&beside.mutex));
	for (;;)
		pause();
}

static void sem_waiter(void *unused)
{
	static sem_t sem;
	(void)unused;
	require(!sem_init(&sem, 0, 0));
	require(!sem_wait(&sem));
}

/* Computes for long, but lets others run. */
static void worker(void *unused)
{
	(void)unused;
	for (;;) {
		for (int i = 0; i < 5; i++) {
			sley_time end = sley_now() + 1000000;
			while (sley_now() < end)
				;
			sley_yield();
		}
		sley_sleep(sley_in(20000000));
	}
}

/* Tasks that compute by turns, wait for work, and for each other's end, and send what is received soon. */
static void controls(void)
{
	struct sley_chan *chan = chan_new(0), *busy = chan_new(2);
	pthread_t thread;
	idle_chan[0] = chan_new(0);
	idle_chan[1] = chan_new(0);
	spawn(join_task, (void *)(intptr_t)spawn(idle_peer, NULL));
	spawn(idle_peer, &idle_chan);
	spawn(cond_waiter, NULL);
	spawn(sem_waiter, NULL);
	wait_for(&beside_locked, 1);
	require(!pthread_create(&thread, NULL, beside_thread, NULL));
	spawn(worker, NULL);
	for (int i = 0; i < 200; i++)
		spawn(idle, chan);
	spawn(busy_receiver, busy);
	for (int i = 0; i < 8; i++)
		spawn(busy_sender, busy);
	for (unsigned i = 0; i < OFFLOAD_THREADS + OFFLOAD_QUEUE + 4; i++)
		spawn(busy_caller, NULL);
	for (int i = 0; i < 3; i++) {
		spawn(sharer, NULL);
		spawn(joiner, chan);
	}
	puts("controls");
}

static const struct fault {
	const char *name;
	void (*plant)(void);
} faults[] = {
	{ "convoy", convoy },   { "rwlock", blocked_writer },
	{ "readers", readers }, { "ended", ended },
	{ "order", order },     { "join", join },
	{ "full", full },       { "unread", unread },
	{ "gone", gone },       { "locked", locked },
	{ "answer", answer },   { "both", both },
	{ "hog", plant_hog },   { "poll", poll },
	{ "growth", growth },   { "pthread", pthread },
	{ "queue", queue },     { "controls", controls },
};

static int service(void *names)
{
	char byte;
	for (char **name = names; *name; name++)
		for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
			if (strcmp(*name, faults[i].name) == 0)
				faults[i].plant();
	puts("ready");
	fflush(stdout);
	while (sley_read(STDIN_FILENO, &byte, 1, SLEY_NEVER) > 0)
		;
	printf("longest %lld\n", (long long)atomic_load(&shared_longest));
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	const struct sley_options options = { .size = sizeof(options),
					      .name = "warnings",
					      .workers = 2,
					      .offload_threads = OFFLOAD_THREADS,
					      .offload_queue = OFFLOAD_QUEUE };
	(void)argc;
	return sley_run(service, argv + 1, &options, NULL) ? 1 : 0;
}
