/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Shields calls that run the service's code and have work to do after it: give back an object, unmask. An exception
 * that passed through such a call would skip this work. So the exception ends the process, with a line that names the
 * call and the task.
 *
 * SHIELD(call) stands before the function, SHIELDED(call) in it. They give the function's frame a personality routine.
 * The unwinder calls the routine before it leaves the frame. Rejected: the compiler's cleanups (-fexceptions), which
 * need libgcc. An exception without any handler does not get here: it ends in std::terminate().
 */
#ifndef LIFE_SHIELD_H
#define LIFE_SHIELD_H

#include <stdint.h>
#include <unwind.h>

/* The work of the routine: it continues the search for a handler, and ends the process if one was found. */
_Unwind_Reason_Code shield_pass(const char *call, _Unwind_Action actions);

/*
 * Must not be static, nor be made static by gcc's -flto: GNU ld merges all local routines into one, and the message
 * would name another call.
 */
#if __has_attribute(externally_visible)
#define SHIELD_GLOBAL __attribute__((externally_visible))
#else
#define SHIELD_GLOBAL
#endif
#define SHIELD(call) \
	SHIELD_GLOBAL _Unwind_Reason_Code shield_##call(int version, _Unwind_Action actions, uint64_t class, \
							struct _Unwind_Exception *exception, \
							struct _Unwind_Context *context) \
	{ \
		(void)version, (void)class, (void)exception, (void)context; \
		return shield_pass(#call, actions); \
	}

#ifdef __aarch64__
#define SHIELD_SYMBOL "S"
#else
#define SHIELD_SYMBOL "i"
#endif

/*
 * 0x1b: relative to its place, 4 bytes. The routine is an operand of the asm, else with -flto nothing would refer to
 * it.
 */
#define SHIELDED(call) __asm__ volatile(".cfi_personality 0x1b, %c0" : : SHIELD_SYMBOL(shield_##call))

#endif
