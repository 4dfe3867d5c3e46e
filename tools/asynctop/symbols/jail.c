/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The filter is a list of allowed calls: on passed descriptors, for memory, time and the end. All others answer EPERM
 * instead of killing, since libraries try calls that they can do without (a configuration file, the number of CPUs).
 * newfstatat is allowed because glibc's fstat() calls it.
 */
#include "symbols/jail.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "symbols/weight.h"

#define NOBODY       65534
#define MEMORY_LIMIT (4ULL << 30) /* address space: debug information is mapped, and may be large */
#define CPU_LIMIT    3600         /* seconds in a life; a single request is bounded by the broker */
#define FILES_LIMIT  4096

#if defined(__x86_64__)
#define JAIL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JAIL_ARCH AUDIT_ARCH_AARCH64
#else
#error "no system call filter for this machine"
#endif

static const int allowed[] = {
	SYS_read,           SYS_pread64,         SYS_recvmsg,  SYS_sendmsg,       SYS_close,
	SYS_fcntl,          SYS_lseek,           SYS_fstat,    SYS_newfstatat,    SYS_mmap,
	SYS_munmap,         SYS_mremap,          SYS_mprotect, SYS_madvise,       SYS_brk,
	SYS_futex,          SYS_getrandom,       SYS_ppoll,    SYS_clock_gettime, SYS_rt_sigreturn,
	SYS_rt_sigprocmask, SYS_restart_syscall, SYS_exit,     SYS_exit_group,
};

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#define ALLOWED        (sizeof(allowed) / sizeof(allowed[0]))
#define LOAD(field)    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)

static bool filter_calls(void)
{
	struct sock_filter code[ALLOWED + 8];
	struct sock_fprog program = { .filter = code };
	unsigned n = 0;
	code[n++] = LOAD(arch);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, JAIL_ARCH, 1, 0);
	code[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
	code[n++] = LOAD(nr);
	for (unsigned i = 0; i < ALLOWED; i++) {
		unsigned char over = (unsigned char)(ALLOWED - i); /* the rest of the list and the refusal */
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], over, 0);
	}
	code[n++] = ANSWER(SECCOMP_RET_ERRNO | 1 /* EPERM */);
	code[n++] = ANSWER(SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool drop_user(void)
{
	return geteuid() != 0 ||
	       (!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY));
}

/* Clears every set, so that neither root's capabilities nor a file's remain. (The bounding set needs CAP_SETPCAP.) */
static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return !syscall(SYS_capset, &head, none);
}

static void drop_bounding_set(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static bool limit(int resource, rlim_t to)
{
	struct rlimit now;
	if (getrlimit(resource, &now))
		return false;
	if (now.rlim_max < to)
		to = now.rlim_max;
	return !setrlimit(resource, &(struct rlimit){ .rlim_cur = to, .rlim_max = to });
}

/* Limits private writable memory. A sanitizer's shadow counts as such, so there is no limit with one. */
static bool limit_data(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
	__has_feature(thread_sanitizer)
	return true;
#else
	return limit(RLIMIT_DATA, READER_DATA_MOST);
#endif
}

static bool set_limits(void)
{
	return limit(RLIMIT_AS, MEMORY_LIMIT) && limit_data() && limit(RLIMIT_CPU, CPU_LIMIT) &&
	       limit(RLIMIT_NOFILE, FILES_LIMIT) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0);
}

/* If memory runs out, this is the process to end. */
static void volunteer_for_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "1000", 4);
		close(fd);
	}
}

bool jail_enter(void)
{
	pid_t parent = getppid();
	volunteer_for_oom();
	drop_bounding_set();
	if (!set_limits() || !drop_user() || !drop_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	/*
	 * The change of user cleared the death signal. If the parent died meanwhile, there is none: so its number is
	 * compared.
	 */
	return !prctl(PR_SET_PDEATHSIG, SIGKILL) && getppid() == parent && filter_calls();
}
