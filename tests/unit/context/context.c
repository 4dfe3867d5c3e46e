/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The context switch, either backend: registers and alignment kept, stacks that can be moved away and back, and frames that an
 * unwinder walks to their end.
 */
#include "context/context.h"

#include "tests/unit/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

#include "context/fiber.h"

#define STACK ((size_t)256 << 10)

/* Two sides of a switch, as worker and task are. */
static struct context outside, inside;
static struct fiber outside_fiber, inside_fiber;
static struct fiber_bounds outside_bounds;
static char *low, *top;

static void go_in(void)
{
	void *fake = NULL;
	fiber_leave(&inside_fiber);
	if (sanitizer_knows_stacks())
		fiber_tell_leave(&fake, low, STACK);
	context_switch(&outside, &inside);
	if (sanitizer_knows_stacks())
		fiber_tell_enter(fake, NULL);
}

/* The first thing inside. */
static void entered_with(void *fake)
{
	if (sanitizer_knows_stacks())
		fiber_tell_enter(fake, &outside_bounds);
}

static void go_out(bool last)
{
	void *fake = NULL;
	fiber_leave(&outside_fiber);
	if (sanitizer_knows_stacks())
		fiber_tell_leave(last ? NULL : &fake, outside_bounds.low, outside_bounds.size);
	context_switch(&inside, &outside);
	entered_with(fake);
}

static void make(void (*entry)(void))
{
	fiber_init_thread(&outside_fiber);
	fiber_init(&inside_fiber, low, top);
	context_make(&inside, low, top, entry);
	assert_true((char *)inside.sp >= low && (char *)inside.sp < top);
}

static int map_stack(void **state)
{
	low = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	top = low + STACK;
	return low == MAP_FAILED;
}

static int unmap_stack(void **state)
{
	fiber_fini(&inside_fiber);
	return munmap(low, STACK);
}

/* ---- entry ---- */

static uintptr_t entry_frame;
static unsigned entered;

static void align_entry(void)
{
	entered_with(NULL);
	_Alignas(16) volatile char aligned[16] = { 0 };
	entry_frame = (uintptr_t)__builtin_frame_address(0);
	entered++;
	REQUIRE((uintptr_t)aligned % 16 == 0);
	/* the compiler may use aligned vector moves for these: they fault if the ABI's alignment is wrong */
	volatile double sum = aligned[0] + 1.5;
	REQUIRE(sum == 1.5);
	go_out(true);
	abort();
}

/* A new context runs its entry on its own stack, with the stack aligned as after a call. */
TEST_WITH(entry, map_stack, unmap_stack)
{
	entered = 0;
	make(align_entry);
	go_in();
	assert_int_equal(entered, 1);
	assert_true(entry_frame > (uintptr_t)low && entry_frame < (uintptr_t)top);
	/* x86-64: the return address and rbp are 16 bytes; aarch64: the stack pointer is aligned at all times */
	assert_int_equal(entry_frame % 16, 0);
}

/* ---- registers ---- */

/* Keeps a value in each callee-saved register across the call, and says whether they came back. */
#if defined(__x86_64__)
NOINLINE static bool registers_kept(void (*call)(void), uint64_t seed)
{
	uint64_t out[5], *place = out, first = seed;
	__asm__ volatile("movq %[seed], %%rbx\n\t"
			 "leaq 1(%[seed]), %%r12\n\t"
			 "leaq 2(%[seed]), %%r13\n\t"
			 "leaq 3(%[seed]), %%r14\n\t"
			 "leaq 4(%[seed]), %%r15\n\t"
			 "movq %%rsp, %%rax\n\t"
			 "subq $136, %%rsp\n\t" /* beyond the red zone */
			 "andq $-16, %%rsp\n\t"
			 "pushq %%rax\n\t"
			 "pushq %[out]\n\t"
			 "call *%[call]\n\t"
			 "popq %%rax\n\t"
			 "popq %%rsp\n\t"
			 "movq %%rbx, 0(%%rax)\n\t"
			 "movq %%r12, 8(%%rax)\n\t"
			 "movq %%r13, 16(%%rax)\n\t"
			 "movq %%r14, 24(%%rax)\n\t"
			 "movq %%r15, 32(%%rax)\n\t"
			 : [seed] "+D"(first), [out] "+S"(place), [call] "+d"(call)
			 :
			 : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc",
			   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
	for (uint64_t i = 0; i < 5; i++) {
		if (out[i] != seed + i)
			return false;
	}
	return true;
}
#elif defined(__aarch64__)
NOINLINE static bool registers_kept(void (*call)(void), uint64_t seed)
{
	uint64_t out[18]; /* x19 to x28, d8 to d15 */
	register uint64_t first __asm__("x0") = seed;
	register uint64_t *place __asm__("x1") = out;
	register void (*function)(void) __asm__("x2") = call;
	__asm__ volatile("stp x1, xzr, [sp, #-16]!\n\t" /* there is no red zone */
			 "mov x19, x0\n\t"
			 "add x20, x0, #1\n\t"
			 "add x21, x0, #2\n\t"
			 "add x22, x0, #3\n\t"
			 "add x23, x0, #4\n\t"
			 "add x24, x0, #5\n\t"
			 "add x25, x0, #6\n\t"
			 "add x26, x0, #7\n\t"
			 "add x27, x0, #8\n\t"
			 "add x28, x0, #9\n\t"
			 "add x3, x0, #10\n\t"
			 "fmov d8, x3\n\t"
			 "add x3, x0, #11\n\t"
			 "fmov d9, x3\n\t"
			 "add x3, x0, #12\n\t"
			 "fmov d10, x3\n\t"
			 "add x3, x0, #13\n\t"
			 "fmov d11, x3\n\t"
			 "add x3, x0, #14\n\t"
			 "fmov d12, x3\n\t"
			 "add x3, x0, #15\n\t"
			 "fmov d13, x3\n\t"
			 "add x3, x0, #16\n\t"
			 "fmov d14, x3\n\t"
			 "add x3, x0, #17\n\t"
			 "fmov d15, x3\n\t"
			 "blr x2\n\t"
			 "ldp x1, xzr, [sp], #16\n\t"
			 "stp x19, x20, [x1]\n\t"
			 "stp x21, x22, [x1, #16]\n\t"
			 "stp x23, x24, [x1, #32]\n\t"
			 "stp x25, x26, [x1, #48]\n\t"
			 "stp x27, x28, [x1, #64]\n\t"
			 "stp d8, d9, [x1, #80]\n\t"
			 "stp d10, d11, [x1, #96]\n\t"
			 "stp d12, d13, [x1, #112]\n\t"
			 "stp d14, d15, [x1, #128]\n\t"
			 : "+r"(first), "+r"(place), "+r"(function)
			 :
			 : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
			   "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30",
			   "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
			   "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
			   "v25", "v26", "v27", "v28", "v29", "v30", "v31");
	for (uint64_t i = 0; i < 18; i++) {
		if (out[i] != seed + i)
			return false;
	}
	return true;
}
#else
NOINLINE static bool registers_kept(void (*call)(void), uint64_t seed)
{
	volatile uint64_t before = seed;
	call();
	return before == seed;
}
#endif

static void out_once(void)
{
	go_out(false);
}

static bool kept_inside;

static void check_inside(void)
{
	entered_with(NULL);
	kept_inside = true;
	for (uint64_t i = 0; i < 1000; i++)
		kept_inside &= registers_kept(out_once, 0x1111111111111111u * (i % 15));
	go_out(true);
	abort();
}

/* Callee-saved registers are each side's own, over 1,000 switches to and fro. */
TEST_WITH(registers, map_stack, unmap_stack)
{
	make(check_inside);
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(registers_kept(go_in, ~(uint64_t)i * 3));
	go_in();
	assert_true(kept_inside);
}

/* ---- copying: what a slot does ---- */

#ifndef SLEY_ASAN /* its shadow is not copied */
static unsigned rounds_inside;

static void count_rounds(void)
{
	volatile unsigned frame[100];
	entered_with(NULL);
	for (unsigned i = 0; i < 100; i++)
		frame[i] = i * 7;
	for (;;) {
		rounds_inside++;
		for (unsigned i = 0; i < 100; i++)
			REQUIRE(frame[i] == i * 7);
		go_out(false);
	}
}

__attribute__((no_sanitize("thread"))) static void copy_bytes(volatile char *to, const volatile char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

__attribute__((no_sanitize("thread"))) static void clobber(volatile char *from, size_t n, char with)
{
	for (size_t i = 0; i < n; i++)
		from[i] = with;
}

/*
 * Only [sp, top) is the context: with those bytes copied away, the whole stack overwritten, and only they copied back, it goes
 * on. This is what FRAME_SLACK of the ucontext backend promises.
 */
TEST_WITH(copied, map_stack, unmap_stack)
{
	static char image[STACK];
	rounds_inside = 0;
	make(count_rounds);
	for (unsigned i = 1; i <= 200; i++) {
		go_in();
		assert_int_equal(rounds_inside, i);
		size_t live = (size_t)(top - (char *)inside.sp);
		assert_true(live < 16384); /* ucontext_t has 5 KiB on aarch64, and there are two */
		copy_bytes(image, inside.sp, live);
		clobber(low, STACK, (char)(i % 2 ? 0xcc : 0));
		copy_bytes(inside.sp, image, live);
	}
}
#endif

/* ---- unwinding ---- */

struct walk {
	unsigned frames;
	bool saw_entry, ended;
	void *entry;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
	struct walk *walk = arg;
	walk->frames++;
	if (_Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context)) == walk->entry)
		walk->saw_entry = true;
	return walk->frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static struct walk walked;
static _Unwind_Reason_Code walk_result;

NOINLINE static void walk_deeper(int depth)
{
	if (depth > 0) {
		walk_deeper(depth - 1);
		COMPILER_BARRIER(); /* no tail call */
		return;
	}
	walk_result = _Unwind_Backtrace(step, &walked);
}

static unsigned frames_seen;
static bool frames_end_well;

/* It reads what is between the frames. */
__attribute__((no_sanitize("address"))) NOINLINE static void follow_frame_pointers(int depth)
{
	if (depth > 0) {
		follow_frame_pointers(depth - 1);
		COMPILER_BARRIER();
		return;
	}
	void **frame = __builtin_frame_address(0);
	frames_seen = 0;
	while ((char *)frame >= low && (char *)frame < top && frames_seen++ < 100)
		frame = *frame;
	frames_end_well = frame == NULL;
}

static void count_frame_pointers(void)
{
	entered_with(NULL);
	follow_frame_pointers(10);
	go_out(true);
	abort();
}

static void walk_inside(void)
{
	entered_with(NULL);
	walk_deeper(10);
	go_out(true);
	abort();
}

/* An unwinder walks from a context's code to its entry and ends there, by itself. */
TEST_WITH(unwind, map_stack, unmap_stack)
{
	walked = (struct walk){ .entry = (void *)walk_inside };
	make(walk_inside);
	go_in();
	assert_int_equal(walk_result, _URC_END_OF_STACK);
	assert_true(walked.saw_entry);
	assert_in_range(walked.frames, 11, 20);
}

/* So does one that follows frame pointers: they end in a null one, in the entry's frame. */
TEST_WITH(frame_pointers, map_stack, unmap_stack)
{
	make(count_frame_pointers);
	go_in();
	assert_true(frames_end_well);
	assert_in_range(frames_seen, 11, 20);
}

static void walk_in_task(void *arg)
{
	sley_yield();
	walked = (struct walk){ 0 };
	walk_result = _Unwind_Backtrace(step, &walked);
	REQUIRE(walk_result == _URC_END_OF_STACK);
	REQUIRE(walked.frames >= 2 && walked.frames < 20);
}

static void walk_by_value(void *arg)
{
	walk_in_task(arg);
	COMPILER_BARRIER();
}

/* So does one in a task, on a copying and on a private stack. */
TASK_TEST(unwind_task, 1)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	char block[1000] = { 0 };
	REQUIRE(sley_join(sley_spawn(walk_in_task, NULL), SLEY_NEVER) == 0);
	REQUIRE(sley_join(sley_spawn_copy(walk_by_value, block, sizeof(block)), SLEY_NEVER) == 0);
	REQUIRE(sley_join(sley_spawn_with(&private, walk_in_task, NULL, SLEY_BY_POINTER), SLEY_NEVER) == 0);
	walk_in_task(NULL);
}
