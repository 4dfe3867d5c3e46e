/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * libcurl for tasks: curl_driver_perform() is what curl_easy_perform() is to a thread. However many tasks call it,
 * their transfers run side by side and share curl's cache of connections.
 *
 * Before: curl_global_init(), and SIGPIPE ignored. Each handle needs CURLOPT_NOSIGNAL, or curl sets up an alarm for a
 * whole process.
 */
#ifndef CURL_DRIVER_H
#define CURL_DRIVER_H

#include <curl/curl.h>

#include <sley.h>

struct curl_driver;

/* Starts one. `connections`: at most so many at once to each host; 0: no limit. 0; -ENOMEM, -EMFILE ... Task. */
int curl_driver_start(struct curl_driver **, long connections);

/* Ends it; no transfer may be under way. Null is nothing. Task. */
void curl_driver_stop(struct curl_driver *);

/*
 * Does the transfer of a handle and waits until it is over: 0, and curl's answer in *result. -ETIMEDOUT, -ECANCELED (as
 * for any wait of a task): it was given up; -ENOMEM. In each case the handle is the caller's again on return, and may
 * be used once more. It uses CURLOPT_PRIVATE.
 *
 * While it waits, another task calls the handle's callbacks and fills its buffers. So whatever the handle was given a
 * pointer to (CURLOPT_WRITEDATA, _ERRORBUFFER, _POSTFIELDS, lists) must not lie on the caller's copying stack: heap, a
 * static, or an option that copies. Callbacks must not wait: all transfers would wait with them.
 */
int curl_driver_perform(struct curl_driver *, CURL *, CURLcode *result, sley_time deadline);

#endif
