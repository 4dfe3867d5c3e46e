/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Futures made from other futures. A derivation is what stands between: a link in the list of each source, and the
 * future, whose producer it is.
 *
 * A link belongs to the list of its source while it is linked there; to whoever completed the source from then on, who
 * runs it; or to who unlinked it, because the future is complete for another reason. Whether it is still linked is
 * decided under the source's lock: it is, if the source is not DONE and nobody has unlinked it.
 *
 * The derivation is counted: one for each link, given up by the link's owner when he has done with it; one for whoever
 * claims the future; one for the caller who attaches it. With the last it is freed, and drops its handles on the sources,
 * which keeps their values there for all that time.
 *
 *     a source completes                         the future is cancelled, or another source completes it
 *     publish: DONE, takes the links             claim the future
 *     run the link: claim the future             detach: lock each source; DONE? its completer has the link
 *     late? give up the link                                               else unlink it, give it up
 */
#ifndef SYNC_DERIVATION_H
#define SYNC_DERIVATION_H

#include "sync/future.h"

/*
 * A block of `size` bytes, which begins with a derivation and has the links at `links` (an offset), made from `sources`,
 * for a new future of `value` bytes. Null: *error is -ENOMEM or -EOVERFLOW.
 */
struct derivation *derivation_new(size_t size, size_t links, struct sley_future *const *sources, size_t count,
				  size_t value, int *error);

/* Links it, and gives up the caller's count. */
void derivation_attach(struct derivation *derivation, struct todo *todo);

/* Takes its links away from sources that are not complete. By who claimed the future, or has a count of his own. */
void derivation_detach(struct derivation *derivation, struct todo *todo);

/* Gives up one count. */
void derivation_put(struct derivation *derivation, struct todo *todo);

/* Completes the future, which the caller has claimed: the claimer's count is given up. */
void derivation_publish(struct derivation *derivation, int error, struct todo *todo);

#endif
