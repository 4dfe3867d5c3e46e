/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Checks that a received message is as long as its counts say. */
#include "symbols/proto.h"

bool message_request_ok(const struct message_request *request)
{
	return request->head.type == MESSAGE_REQUEST && request->head.size >= message_request_size(0) &&
	       request->stack_size <= SYMBOLS_STACK && request->head.size == message_request_size(request->stack_size);
}

bool message_answer_ok(const struct message_answer *answer)
{
	return answer->head.type == MESSAGE_ANSWER && answer->head.size >= message_answer_size(0) &&
	       answer->frames <= SYMBOLS_FRAMES && answer->head.size == message_answer_size(answer->frames) &&
	       answer->status <= SYMBOLS_BLOCKED && answer->location >= -1 && answer->location < (int)answer->frames;
}
