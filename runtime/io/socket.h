/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Making sockets. */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include <sley/socket.h>
#include <stdbool.h>

/* Returns the reactor's flags of a socket: FD_STREAM only for TCP, see reactor.h. */
unsigned socket_flags(int domain, int type, int protocol);

/* Makes a socket, non-blocking and owned, without Nagle's delay if it is TCP. Returns it, or a negative errno value. */
int socket_new(int domain, int type, int protocol, unsigned more_flags);

struct address;
typedef int socket_make(const struct address *address, void *with);

/*
 * Calls make(address, with). If the address is ":port", and the call failed for lack of IPv6, calls it again for IPv4.
 * Returns a descriptor or an error.
 */
int socket_for(struct address *address, socket_make *make, void *with);

/* socket_for() with an address as text, for a whole call: also checks that there is a run, and keeps errno. */
int socket_at(const char *text, socket_make *make, void *with);

/* Sets an on/off option to on. Ignores errors, for sockets without that option. */
void socket_set(int fd, int level, int option);

/* sley_connect() for the calling task and the call at `pc`. */
int socket_connect(int fd, const struct sockaddr *address, socklen_t size, sley_time deadline, const void *pc);

/* Returns whether a stream socket that was connected to the address `to` is connected to itself. */
bool socket_is_own_peer(int fd, const struct sockaddr *to);

/* Closes an unfinished socket and returns the error. */
int socket_abandon(int fd, int error);

#endif
