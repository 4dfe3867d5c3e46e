/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * libcurl's multi interface on sley: an example of a library that has an event loop's other half. It says by callbacks
 * which descriptors it wants watched and when it wants to be called without an event (watch(), set_timer()), and is
 * called when something happens (curl_multi_socket_action()).
 *
 *	task                                  driver task                       curl
 *	curl_driver_perform() --requests--->  curl_multi_add_handle() --------> watch(), set_timer()
 *	       :                                     |                             |  epoll_ctl()
 *	     (waits)                          sley_poll(the epoll, timer) <--------+
 *	       :                                     |
 *	       :                              curl_multi_socket_action() -------> the callbacks of the transfer
 *	       : <-----------done------------ curl_multi_info_read()
 *
 * The library gets an epoll of its own, and one task waits for that: an epoll is a descriptor which is readable while
 * one of its own is ready. So however the set changes, a single sley_poll() waits for all of it, and the timer is that
 * call's deadline. The alternative, a task with a sley_poll() for each of curl's descriptors, was rejected: curl
 * changes its mind about a descriptor while its task is parked, takes the descriptor back into its cache and out again,
 * and closes it itself; each of these would have to find and cancel the task. This way sley never sees curl's
 * descriptors, and curl may close() them.
 *
 * A CURLM may be used by one thread at a time. The driver task alone uses it: the others hand their handles over
 * through a channel, whose bound makes them wait when there are too many, and get them back through `done`. The task
 * may change threads, but only in sley_poll(), where it is not inside curl. It is one task, so curl's own work (TLS,
 * say) takes one CPU at most; a service for which that is too little starts several drivers.
 *
 * A `struct transfer` is on the heap, because both tasks use it. The one that waits frees it, once the driver has let
 * go of it for good: it has finished, or (channel closed) has answered that it gave up.
 */
#include "curl_driver.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REQUESTS 64 /* that wait for the driver before their senders do */
#define EVENTS   64 /* taken at a time */

struct transfer {
	CURL *easy;
	bool added;             /* the driver's: curl has it */
	struct sley_chan *done; /* of one CURLcode; closed when a transfer was given up */
};

struct request {
	struct transfer *transfer;
	bool give_up;
};

struct curl_driver {
	CURLM *multi;
	int epoll;                  /* what curl wants watched, and `wake` */
	int wake;                   /* an eventfd: there are requests, or it is to stop */
	sley_time timer;            /* when curl wants to be called */
	struct sley_chan *requests; /* of struct request */
	atomic_bool stopping;
	sley_task task;
};

/* ---- what curl tells ---- */

/* `known` is null for a descriptor that curl has not named before, or took back since. */
static int watch(CURL *easy, curl_socket_t fd, int what, void *driver, void *known)
{
	struct curl_driver *d = driver;
	struct epoll_event event = { .data.fd = fd };
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (epoll_ctl(d->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
		return -1;
	curl_multi_assign(d->multi, fd, d);
	return 0;
}

/* Only notes it: curl must not be called from here. */
static int set_timer(CURLM *multi, long ms, void *driver)
{
	struct curl_driver *d = driver;
	(void)multi;
	d->timer = ms < 0 ? SLEY_NEVER : sley_in(SLEY_MS(ms));
	return 0;
}

/* ---- the driver task ---- */

static void finish(struct transfer *t, CURLcode result)
{
	t->added = false;
	sley_chan_try_send(t->done, &result); /* there is room: it is sent once */
}

static void begin(struct curl_driver *d, struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	t->added = curl_multi_add_handle(d->multi, t->easy) == CURLM_OK;
	if (!t->added)
		finish(t, CURLE_FAILED_INIT);
}

static void give_up(struct curl_driver *d, struct transfer *t)
{
	if (t->added)
		curl_multi_remove_handle(d->multi, t->easy);
	t->added = false;
	sley_chan_close(t->done);
}

static void take_requests(struct curl_driver *d)
{
	struct request request;
	eventfd_t count;
	eventfd_read(d->wake, &count);
	while (sley_chan_try_recv(d->requests, &request) == 0) {
		if (request.give_up)
			give_up(d, request.transfer);
		else
			begin(d, request.transfer);
	}
}

static int happened(uint32_t events)
{
	return (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
	       (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
}

/* An event may be stale by the time curl is told of it; it makes curl try, and that is all. */
static void pass_events(struct curl_driver *d)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(d->epoll, events, EVENTS, 0), running;
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == d->wake)
			take_requests(d);
		else
			curl_multi_socket_action(d->multi, events[i].data.fd, happened(events[i].events), &running);
	}
}

/* Curl sets the timer again if it needs it again. */
static void pass_time(struct curl_driver *d)
{
	int running;
	if (sley_now() < d->timer)
		return;
	d->timer = SLEY_NEVER;
	curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void pass_results(struct curl_driver *d)
{
	struct transfer *t;
	CURLMsg *message;
	CURLcode result;
	int left;
	while ((message = curl_multi_info_read(d->multi, &left))) {
		result = message->data.result; /* the message goes with the handle */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		curl_multi_remove_handle(d->multi, t->easy);
		finish(t, result);
	}
}

/* The wait is here, with curl's frames long gone: a few hundred bytes of stack are alive in it. */
static void drive(void *arg)
{
	struct curl_driver *d = arg;
	sley_set_name("curl");
	while (!atomic_load(&d->stopping)) {
		sley_poll(d->epoll, POLLIN, d->timer);
		pass_events(d);
		pass_time(d);
		pass_results(d);
	}
}

/* ---- start and stop ---- */

static int set_up(struct curl_driver *d, long connections)
{
	struct epoll_event event = { .events = EPOLLIN };
	int error;
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = d->wake;
	if (d->epoll < 0 || d->wake < 0 || epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->wake, &event) != 0)
		return -errno;
	d->multi = curl_multi_init();
	error = sley_chan_new(&d->requests, sizeof(struct request), REQUESTS);
	if (!d->multi || error)
		return -ENOMEM;
	curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
	curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
	curl_multi_setopt(d->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
	d->task = sley_spawn(drive, d);
	return d->task < 0 ? (int)d->task : 0;
}

/* curl_multi_cleanup() closes the cached connections, and calls watch() for them. */
static void tear_down(struct curl_driver *d)
{
	curl_multi_cleanup(d->multi);
	sley_chan_free(d->requests);
	if (d->wake >= 0)
		close(d->wake);
	if (d->epoll >= 0)
		sley_close(d->epoll);
	free(d);
}

int curl_driver_start(struct curl_driver **driver, long connections)
{
	struct curl_driver *d = calloc(1, sizeof(*d));
	int error;
	if (!d)
		return -ENOMEM;
	d->epoll = d->wake = -1;
	d->timer = SLEY_NEVER;
	error = set_up(d, connections);
	if (error)
		tear_down(d);
	else
		*driver = d;
	return error;
}

void curl_driver_stop(struct curl_driver *d)
{
	if (!d)
		return;
	atomic_store(&d->stopping, true);
	eventfd_write(d->wake, 1);
	sley_join(d->task, SLEY_NEVER);
	tear_down(d);
}

/* ---- for the other tasks ---- */

static int ask(struct curl_driver *d, struct transfer *t, bool giving_up, sley_time deadline)
{
	const struct request request = { t, giving_up };
	int error = sley_chan_send(d->requests, &request, deadline);
	if (!error)
		eventfd_write(d->wake, 1); /* adds up; never blocks below 2^64 requests */
	return error;
}

/*
 * Gets the handle back from the driver. That cannot be left undone, so it is masked against cancellation; it takes no
 * longer than the driver's next turn. What the transfer came to in the meantime is its result all the same.
 */
static int take_back(struct curl_driver *d, struct transfer *t, CURLcode *result, int error)
{
	int mask = sley_cancel_mask(1);
	ask(d, t, true, SLEY_NEVER);
	while (sley_chan_recv(t->done, result, SLEY_NEVER) == 0)
		error = 0;
	sley_cancel_mask(mask);
	return error;
}

int curl_driver_perform(struct curl_driver *d, CURL *easy, CURLcode *result, sley_time deadline)
{
	struct transfer *t = calloc(1, sizeof(*t));
	int error = t ? sley_chan_new(&t->done, sizeof(CURLcode), 1) : -ENOMEM;
	if (!error) {
		t->easy = easy;
		error = ask(d, t, false, deadline);
		if (!error) {
			error = sley_chan_recv(t->done, result, deadline);
			if (error)
				error = take_back(d, t, result, error);
		}
		sley_chan_free(t->done);
	}
	free(t);
	return error;
}
