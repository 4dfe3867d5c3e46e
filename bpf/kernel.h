/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The part of the kernel's types that the programs use, instead of a whole vmlinux.h. The loader finds each field by
 * its name in the running kernel's BTF, so the order and omitted fields do not matter. From Linux 6.1 on.
 */
#ifndef SLEY_BPF_KERNEL_H
#define SLEY_BPF_KERNEL_H

/* Makes bpf_tracing.h use the register names and fixed-width types of vmlinux.h, which are declared below. */
#define __VMLINUX_H__
#define __CLANG_STDINT_H

typedef unsigned char uint8_t, __u8;
typedef unsigned short uint16_t, __u16;
typedef short int16_t, __s16;
typedef unsigned int uint32_t, __u32, __be32, __wsum;
typedef int int32_t, __s32;
typedef unsigned long uint64_t, __be64;
typedef long int64_t;
typedef unsigned long long __u64;
typedef long long __s64;
typedef unsigned short __be16;
typedef _Bool bool;

#define true 1
#define false 0
#define NULL       ((void *)0)
#define UINT16_MAX 0xffff
#define UINT32_MAX 0xffffffffu

/* From linux/bpf.h. */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1024,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, sp;
};

struct super_block {
	uint32_t s_dev;
	unsigned long s_magic;
};

struct inode {
	uint16_t i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	unsigned long start_code, end_code;
};

struct thread_info {
	unsigned long flags;
};

struct thread_struct {
	unsigned long fsbase;
};

struct sched_entity {
	uint64_t sum_exec_runtime;
	uint64_t prev_sum_exec_runtime;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags, __state;
	int pid, tgid;
	struct task_struct *group_leader;
	unsigned long jobctl;
	int on_cpu;
	unsigned long nvcsw, nivcsw;
	struct sched_entity se;
	struct mm_struct *mm;
	struct files_struct *files;
	struct thread_struct thread;
};

struct bpf_iter__task {
	struct task_struct *task;
};

struct sigaction {
	void (*sa_handler)(int);
	unsigned long sa_flags;
};

struct k_sigaction {
	struct sigaction sa;
};

#pragma clang attribute pop

#define PF_EXITING           0x4
#define PF_IO_WORKER         0x10
#define PF_KTHREAD           0x200000
#define TASK_INTERRUPTIBLE   0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED         0x4
#define TASK_TRACED          0x8
#define TASK_FROZEN          0x8000
#define JOBCTL_TRAP_FREEZE   (1ul << 23)
#define SIG_IGN              1ul /* SIG_DFL is less, a handler is more */
#define SA_RESTART           0x10000000ul

/* Results of a system call that a signal has interrupted, as the kernel itself sees them. */
#define ERESTARTSYS           512 /* called again, unless a handler without SA_RESTART runs */
#define ERESTARTNOINTR        513 /* called again */
#define ERESTARTNOHAND        514 /* called again, unless a handler runs */
#define ERESTART_RESTARTBLOCK 516 /* the same, by restart_syscall */

#endif
