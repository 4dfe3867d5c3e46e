#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# usage: tests/check/aarch64.sh PROGRAM [ARGUMENT...]
#
# Runs a program of the part `aarch64` under qemu-user. -R: qemu 7.2 keeps a record of every page that the program maps,
# and sley reserves far more than it uses; with this limit on address space it makes do with some gigabytes.
exec qemu-aarch64 -R 0x400000000 -L /usr/aarch64-linux-gnu \
	-E LD_LIBRARY_PATH="$SLEY_BUILD/root/usr/lib/aarch64-linux-gnu" "$@"
