/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The kernel answers a request while it is being sent, so nothing here waits. */
#include "source/target_unix.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel's answer about one socket. */
struct answer {
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	size_t length; /* of the name; 0: it has none */
	uint32_t peer; /* inode; 0: it is not connected */
};

static int open_diag(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
}

/*
 * Opens a socket in the process's network namespace. This thread alone enters that namespace, for the time of the call.
 * If it cannot come back, no more sockets are opened.
 */
static int open_diag_in(int dir)
{
	int theirs = openat(dir, "ns/net", O_RDONLY | O_CLOEXEC), ours, diag = -1;
	struct stat a, b;
	if (theirs < 0)
		return -1;
	ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ours >= 0 && fstat(ours, &a) == 0 && fstat(theirs, &b) == 0) {
		if (a.st_ino == b.st_ino) {
			diag = open_diag();
		} else if (setns(theirs, CLONE_NEWNET) == 0) {
			diag = open_diag();
			if (setns(ours, CLONE_NEWNET) != 0 && diag >= 0) {
				close(diag);
				diag = -1;
			}
		}
	}
	if (ours >= 0)
		close(ours);
	close(theirs);
	return diag;
}

static bool send_request(int diag, uint32_t inode)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req request;
	} message = {
		.header = { .nlmsg_len = sizeof(message),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		.request = { .sdiag_family = AF_UNIX,
			     .udiag_states = ~0u,
			     .udiag_ino = inode,
			     .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
			     .udiag_cookie = { ~0u, ~0u } },
	};
	return send(diag, &message, sizeof(message), 0) == sizeof(message);
}

static void take_attributes(struct answer *answer, struct rtattr *attribute, int size)
{
	for (; RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size)) {
		size_t n = RTA_PAYLOAD(attribute);
		if (attribute->rta_type == UNIX_DIAG_NAME) {
			answer->length = n < sizeof(answer->name) ? n : sizeof(answer->name);
			memcpy(answer->name, RTA_DATA(attribute), answer->length);
		} else if (attribute->rta_type == UNIX_DIAG_PEER && n == sizeof(answer->peer)) {
			memcpy(&answer->peer, RTA_DATA(attribute), n);
		}
	}
}

static bool ask_kernel(int diag, uint32_t inode, struct answer *answer)
{
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} reply;
	struct unix_diag_msg *socket = NLMSG_DATA(&reply.header);
	ssize_t n;
	*answer = (struct answer){ 0 };
	if (!send_request(diag, inode))
		return false;
	n = recv(diag, &reply, sizeof(reply), 0);
	if (n < 0 || !NLMSG_OK(&reply.header, (size_t)n) || reply.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    reply.header.nlmsg_len < NLMSG_LENGTH(sizeof(*socket)) || socket->udiag_ino != inode)
		return false;
	take_attributes(answer, (struct rtattr *)(void *)(socket + 1),
			(int)(reply.header.nlmsg_len - NLMSG_LENGTH(sizeof(*socket))));
	return true;
}

/* A path ends with its first NUL; an abstract name begins with one, and each of its NULs is shown as "@". */
static void put_socket_name(struct text *out, const struct answer *answer)
{
	size_t n = answer->name[0] != '\0' ? strnlen(answer->name, answer->length) : answer->length;
	for (size_t i = 0; i < n; i++)
		text_put(out, answer->name[i] != '\0' ? &answer->name[i] : "@", 1);
}

bool target_unix(struct text *out, int dir, uint64_t inode)
{
	int diag = open_diag_in(dir);
	struct answer own, peer;
	bool found;
	if (diag < 0)
		return false;
	found = inode <= UINT32_MAX && ask_kernel(diag, (uint32_t)inode, &own);
	if (found)
		text_puts(out, "unix");
	if (found && own.length > 0) {
		text_puts(out, " ");
		put_socket_name(out, &own);
	} else if (found && own.peer != 0 && ask_kernel(diag, own.peer, &peer) && peer.length > 0) {
		text_puts(out, " to ");
		put_socket_name(out, &peer);
	}
	close(diag);
	return found;
}
