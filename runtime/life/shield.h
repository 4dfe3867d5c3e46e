/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Calls that run the service's code and have something to do after it: give back an object, unmask. An exception that
 * passed through would leave that undone for ever. So it ends the process, with a line that names the call and the task.
 *
 * SHIELD(call) stands before the function, SHIELDED(call) in it, which gives the function's frame a personality routine:
 * the unwinder calls that before it leaves the frame. Rejected: cleanups of the compiler's (-fexceptions), which need
 * libgcc. An exception for which there is no handler at all does not come so far: it ends in std::terminate().
 */
#ifndef LIFE_SHIELD_H
#define LIFE_SHIELD_H

#include <stdint.h>
#include <unwind.h>

/* What the routine does: continues the search for a handler; ends the process when one was found. */
_Unwind_Reason_Code shield_pass(const char *call, _Unwind_Action actions);

/*
 * Not static, nor made so by gcc's -flto: GNU ld takes all routines for the same that are local, and the process would end
 * with another call's name.
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

/* 0x1b: relative to its place, 4 bytes. The routine is an operand, or with -flto nothing would refer to it. */
#define SHIELDED(call) __asm__ volatile(".cfi_personality 0x1b, %c0" : : SHIELD_SYMBOL(shield_##call))

#endif
