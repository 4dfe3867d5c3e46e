/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The terminal: lines in, keys out, by ncurses. The terminal is given back as it was at each end of the program: a
 * normal one, exit(), and signals that kill (except SIGKILL).
 */
#ifndef ASYNCTOP_SCREEN_H
#define ASYNCTOP_SCREEN_H

#include <stdbool.h>

#include "view/view.h"

/* 0, or -1 when the terminal cannot be used. Handlers of SIGINT, SIGTERM and SIGHUP are to be installed before. */
int screen_open(bool colour);

/* Gives the terminal back; a second call does nothing. */
void screen_close(void);

void screen_size(int *width, int *height);

void screen_draw(const struct view *v);

#define SCREEN_NO_KEY  (-1)
#define SCREEN_RESIZED (-2)

/* The next key (a character or enum ui_key) without waiting, or one of the above. */
int screen_key(void);

#endif
