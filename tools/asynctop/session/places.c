/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Places of calls that wait. */
#include "session/places.h"

#include <stdio.h>

/* A tail call has no frame of its function: it returns to the function's caller, here the runtime. */
static void fill_place(const struct model *m, struct model_place *place, uint32_t number,
		       const struct symbols_frame *frame)
{
	const struct region_site *site = model_site(m, number);
	if (frame->owner != SYMBOLS_SLEY) {
		place_from_frame(place, frame);
		return;
	}
	snprintf(place->function, sizeof(place->function), "%s", site->entry);
	snprintf(place->text, sizeof(place->text), "%s, at its end", site->entry);
}

void place_of_return(struct watch *w, struct model_place *place, uint32_t site, uint64_t pc)
{
	const struct symbols_request where = {
		.pid = w->process.pid,
		.kind = SYMBOLS_ADDRESS,
		.returns = true,
		.address = pc,
	};
	struct symbols_answer answer;
	if (w->tools->symbols != NULL && pc != 0 && place->text[0] == '\0' &&
	    symbols_lookup(w->tools->symbols, &where, &answer) == 1 && answer.frames > 0)
		fill_place(&w->model, place, site, &answer.frame[0]);
}
