/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Futures made from other futures. A derivation connects them: it has a link in the list of each source, and is the
 * producer of the future.
 *
 * A link belongs to the list of its source while it is linked. Then it belongs either to the thread that completed the
 * source, which runs it, or to the thread that unlinked it because the future was completed in another way. The
 * source's lock decides: the link is linked if the source is not DONE and no thread has unlinked the link.
 *
 * The derivation counts its users: one for each link, released by the link's owner when it is done with it; one for the
 * thread that claims the future; one for the caller that attaches it. The last one frees it, and drops its handles on
 * the sources. So the sources' values stay valid until then.
 *
 *      a source completes                         the future is cancelled, or another source completes it
 *      publish: DONE, takes the links             claim the future
 *      run the link: claim the future             detach: lock each source; DONE? its completer has the link
 *      late? give up the link                                               else unlink it, give it up
 */
#ifndef SYNC_DERIVATION_H
#define SYNC_DERIVATION_H

#include "sync/future.h"

/*
 * Makes a derivation, and a new future of `value` bytes from `sources`. The derivation is at the beginning of a block
 * of `size` bytes, with its links at the offset `links`. Returns null and *error = -ENOMEM or -EOVERFLOW on failure.
 */
struct derivation *derivation_new(size_t size, size_t links, struct sley_future *const *sources, size_t count,
				  size_t value, int *error);

/* Links the derivation to its sources, and releases the caller's count. */
void derivation_attach(struct derivation *derivation, struct todo *todo);

/*
 * Unlinks the derivation from sources that are not complete. For the thread that claimed the future, or that has a
 * count.
 */
void derivation_detach(struct derivation *derivation, struct todo *todo);

/* Releases one count. */
void derivation_put(struct derivation *derivation, struct todo *todo);

/* Completes the future, which the caller has claimed, and releases the claimer's count. */
void derivation_publish(struct derivation *derivation, int error, struct todo *todo);

#endif
