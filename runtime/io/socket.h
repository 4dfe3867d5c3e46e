/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Making sockets. */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include <sley/socket.h>
#include <stdbool.h>

/* What a socket is to the reactor: FD_STREAM for TCP alone, see there. */
unsigned socket_flags(int domain, int type, int protocol);

/* A new socket, non-blocking and owned, without Nagle's delay if it is TCP's; or a negative errno value. */
int socket_new(int domain, int type, int protocol, unsigned more_flags);

/*
 * make(address, with), and where the address is ":port" and that failed for want of IPv6, the same for IPv4. What it
 * answers: a descriptor or an error.
 */
struct address;
int socket_for(struct address *address, int (*make)(const struct address *address, void *with), void *with);

/* Sets an option that is on or off, and does nothing where it makes no sense. */
void socket_set(int fd, int level, int option);

/* sley_connect() of the calling task, for the call at `pc`. */
int socket_connect(int fd, const struct sockaddr *address, socklen_t size, sley_time deadline, const void *pc);

/* Whether it is a stream socket that was connected to the address `to`, and that is itself. */
bool socket_is_own_peer(int fd, const struct sockaddr *to);

/* Closes what could not be finished; returns the error. */
int socket_abandon(int fd, int error);

#endif
