/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * One run for several users: libraries that attach, and the service, which attaches too or calls sley_run().
 *
 * A run has a count of users (runtime.c): its main, until that has returned, and each attachment. Who takes the count to
 * zero ends the run. If there is no run, the first to attach makes one, with no main, on a thread of its own, the *host*,
 * which is worker 0.
 *
 * `lock` protects all state here. It is held for moments only, and never while a thread waits for a run to begin or end:
 * a task of that run may want it. Tasks do not wait at all here: they are in a run that is there, or that is over.
 */
#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "run/thread.h"
#include "run/worker.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* `waits` has become false */
	bool waits;             /* a thread waits for the host to begin or end */
	bool hosted;            /* `host` is to be joined */
	pthread_t host;
	unsigned count; /* attachments */
	unsigned run;   /* number of their run */
} attach = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- the host ---- */

struct host {
	const struct sley_options *options;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool done; /* `error` is known; the host uses this struct no more */
	int error;
};

static void tell_host(struct host *host, int error)
{
	pthread_mutex_lock(&host->lock);
	host->error = error;
	host->done = true;
	pthread_cond_signal(&host->told);
	pthread_mutex_unlock(&host->lock);
}

static __thread struct host *starting; /* of the host, until it has told */

static void on_begin(void)
{
	struct host *host = starting;
	starting = NULL;
	tell_host(host, 0);
}

static void *host_main(void *arg)
{
	struct host *host = starting = arg;
	int error = runtime_run(NULL, NULL, NULL, host->options, NULL, on_begin);
	if (starting)
		tell_host(host, error);
	return NULL;
}

/*
 * Starts a run with one user. Returns 0 once it is under way. Its threads take no signal from the service, as a library's own
 * threads do not, but for those that the kernel raises for what a thread itself does.
 */
static int host_start(const struct sley_options *options)
{
	struct host host = { .options = options, .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
	sigset_t all, old;
	sigfillset(&all);
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int error = pthread_create(&attach.host, NULL, host_main, &host);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		return -error;
	pthread_setname_np(attach.host, "sley-0");
	pthread_mutex_lock(&host.lock);
	while (!host.done)
		pthread_cond_wait(&host.told, &host.lock);
	pthread_mutex_unlock(&host.lock);
	if (host.error)
		pthread_join(attach.host, NULL);
	return host.error;
}

/* With the lock held, and given back while this thread waits: joins the host of a run that is over, or about to be. */
static void host_join(void)
{
	pthread_t host = attach.host;
	if (!attach.hosted)
		return;
	attach.hosted = false;
	attach.waits = true;
	pthread_mutex_unlock(&attach.lock);
	pthread_join(host, NULL);
	pthread_mutex_lock(&attach.lock);
	attach.waits = false;
	pthread_cond_broadcast(&attach.changed);
}

/* ---- attaching ---- */

/* With the lock held: one more user of the run that is under way. False: there is none, or it is about to end. */
static bool join_run(void)
{
	if (!runtime_hold())
		return false;
	attach.count++;
	attach.run = scheduler.run;
	return true;
}

/* The same; this thread makes a run. */
static int begin_run(const struct sley_options *options)
{
	host_join();
	attach.waits = true;
	pthread_mutex_unlock(&attach.lock);
	int error = host_start(options);
	pthread_mutex_lock(&attach.lock);
	attach.waits = false;
	pthread_cond_broadcast(&attach.changed);
	if (error)
		return error;
	attach.hosted = true;
	attach.count++; /* others may have joined already */
	attach.run = scheduler.run;
	return 0;
}

/* With the lock held. */
static int attach_locked(const struct sley_options *options)
{
	while (!join_run()) {
		if (worker_self())
			return -ENOTCONN;
		if (attach.waits)
			pthread_cond_wait(&attach.changed, &attach.lock);
		else if (attach.count > 0)
			return -ENOTCONN; /* their run has ended with a deadlock */
		else
			return begin_run(options);
	}
	return 0;
}

int sley_attach(const struct sley_options *options)
{
	int saved = errno, cancel;
	struct sley_options resolved;
	if (load(&scheduler.forked, relaxed))
		return -ECHILD;
	int error = options_resolve(options, &resolved);
	if (error)
		return error;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* it holds the lock */
	pthread_mutex_lock(&attach.lock);
	error = attach_locked(options);
	pthread_mutex_unlock(&attach.lock);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return error;
}

int sley_detach(void)
{
	int saved = errno, error = -EINVAL, cancel;
	if (load(&scheduler.forked, relaxed))
		return -ECHILD;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&attach.lock);
	if (attach.count > 0) {
		attach.count--;
		error = 0;
		if (runtime_release(attach.run) && !worker_self())
			host_join();
	}
	pthread_mutex_unlock(&attach.lock);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return error;
}

/* ---- sley_run() in a run that others have made ---- */

struct guest {
	struct sley_site *site;
	int (*main)(void *);
	void *arg;
	int result, error;
};

static void guest_main(void *arg)
{
	struct guest *guest = arg;
	guest->result = guest->main(guest->arg);
}

/* By a task: main has a private stack and its name, as in a run of its own. */
static void guest_entry(void *block)
{
	static const struct sley_task_options options = { .size = sizeof(options), .name = "main", .private_stack = 1 };
	struct guest *guest = block;
	sley_task task = sley_spawn_at(guest->site, &options, guest_main, guest, SLEY_BY_POINTER);
	guest->error = task < 0 ? (int)task : sley_join(task, SLEY_NEVER);
}

/* -EBUSY: the run is none of sley_attach(). */
static int be_guest(struct sley_site *site, int (*main)(void *), void *arg, int *result)
{
	struct guest guest = { .site = site, .main = main, .arg = arg };
	bool joins;
	pthread_mutex_lock(&attach.lock);
	while (!(joins = attach.hosted && join_run()) && attach.waits)
		pthread_cond_wait(&attach.changed, &attach.lock);
	pthread_mutex_unlock(&attach.lock);
	if (!joins)
		return -EBUSY;
	int error = sley_submit_at(site, guest_entry, &guest, sizeof(guest), SLEY_NEVER);
	sley_detach();
	error = error ? error : guest.error;
	if (error == 0 && result)
		*result = guest.result;
	return error == -ENOTCONN ? -EDEADLK : error;
}

int sley_run_at(struct sley_site *site, int (*main)(void *), void *arg, const struct sley_options *options, int *result)
{
	int error = main ? runtime_run(site, main, arg, options, result, NULL) : -EINVAL;
	return error == -EBUSY ? be_guest(site, main, arg, result) : error;
}
