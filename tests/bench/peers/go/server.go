// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors

// The servers: what tools/examples/echo.c, tests/bench/row_blocked.c and raw_echo.c do, with package net.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("go: listening on", listener.Addr())
	return listener
}

func serve(connection func(net.Conn)) {
	listener := listen()
	for {
		conn, err := listener.Accept()
		must(err)
		go func() {
			connection(conn)
			conn.Close()
		}()
	}
}

func echo(conn net.Conn) {
	buffer := make([]byte, 1024)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err = conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// A message that begins with 'B' blocks its thread, in a call that tells Go's scheduler nothing but that it is one.
func stall(conn net.Conn) {
	message := make([]byte, 512)
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		if message[0] == 'B' {
			t := syscall.NsecToTimespec(int64(10 * time.Millisecond))
			syscall.Nanosleep(&t, nil)
		}
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}

const body = "hello from sley\n"

var (
	answer = []byte("HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\nContent-Length: 16\r\n" +
		"Content-Type: text/plain\r\n\r\n" + body)
	notFound = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	headEnd  = []byte("\r\n\r\n")
	hello1   = []byte("GET / HTTP/1.1\r\n")
)

// By hand: it looks at the request line and for the end of the head. tools/examples/httpd.c parses every header, and
// keeps deadlines; bench-raw-echo looks for the end alone.
func hello(conn net.Conn) {
	buffer, answers := make([]byte, 4096), make([]byte, 0, 4096)
	filled := 0
	for filled < len(buffer) {
		n, err := conn.Read(buffer[filled:])
		if err != nil {
			return
		}
		filled += n
		from := 0
		answers = answers[:0]
		for {
			length := bytes.Index(buffer[from:filled], headEnd)
			if length < 0 {
				break
			}
			if bytes.HasPrefix(buffer[from:filled], hello1) {
				answers = append(answers, answer...)
			} else {
				answers = append(answers, notFound...)
			}
			from += length + len(headEnd)
		}
		filled = copy(buffer, buffer[from:filled])
		if len(answers) == 0 {
			continue
		}
		if _, err = conn.Write(answers); err != nil {
			return
		}
	}
}

// By the standard library, which does more than httpd.
func serveNetHTTP() {
	must(http.Serve(listen(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		io.WriteString(w, body)
	})))
}
