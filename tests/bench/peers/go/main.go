// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors

// go ROW WORKERS [DIVISOR]: the rows of build/bench in Go, with the standard library alone.
//
// WORKERS is GOMAXPROCS. Work is divided by DIVISOR. A row inside of the process prints what bench does, "name go
// workers value unit" lines; a server prints its port and serves until it is ended. Exit code: 0; 1: it failed; 2:
// usage; 77: there is no such row here.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const exitNoRow = 77

var workers, divisor = 1, 1

func count(n int) int { return n / divisor }

func out(name string, value float64, unit string) {
	fmt.Printf("%s go %d %.6g %s\n", name, workers, value, unit)
}

// outEach prints nanoseconds for each of n operations since start.
func outEach(name string, start time.Time, n int, unit string) {
	out(name, float64(time.Since(start).Nanoseconds())/float64(n), unit)
}

func ms(t time.Duration) float64 { return float64(t.Nanoseconds()) / 1e6 }

// resident is what the process has in memory, in bytes, page tables included.
func resident() float64 {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	kib := 0.0
	for _, line := range strings.Split(string(status), "\n") {
		field := strings.Fields(line)
		if len(field) < 2 {
			continue
		}
		switch field[0] {
		case "RssAnon:", "RssFile:", "RssShmem:", "VmPTE:":
			n, err := strconv.ParseFloat(field[1], 64)
			must(err)
			kib += n
		}
	}
	return kib * 1024
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go:", err)
		os.Exit(1)
	}
}

func check(holds bool) {
	if !holds {
		panic("a wrong result")
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		fmt.Fprintln(os.Stderr, "usage: go ROW WORKERS [DIVISOR]")
		os.Exit(2)
	}
	return n
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(strings.TrimPrefix(runtime.Version(), "go"))
		return
	}
	if len(os.Args) < 3 {
		number("")
	}
	workers = number(os.Args[2])
	if len(os.Args) > 3 {
		divisor = number(os.Args[3])
	}
	runtime.GOMAXPROCS(workers)
	run, ok := rows[os.Args[1]]
	if !ok {
		os.Exit(exitNoRow)
	}
	run()
}
