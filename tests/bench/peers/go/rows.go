// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors

// The rows inside of the process: the work of tests/bench/row_*.c, with what Go has for it.
package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var rows = map[string]func(){
	"yield2":        func() { yields("yield2", 2, count(5000000)) },
	"yield1k":       func() { yields("yield1k", 1000, count(5000)) },
	"yield100k":     func() { yields("yield100k", count(100000), 50) },
	"spawn_join":    spawnJoin,
	"chan_pingpong": pingpong,
	"chan_1x1":      func() { flow("chan_1x1", 1, 1) },
	"chan_4x1":      func() { flow("chan_4x1", 4, 1) },
	"chan_4x4":      func() { flow("chan_4x4", 4, 4) },
	"select":        selectFour,
	"future":        future,
	"generator":     generator,
	"mutex":         mutex,
	"skynet":        skynet,
	"park":          park,
	"timers":        timers,
	"echo":          func() { serve(echo) },
	"stall":         func() { serve(stall) },
	"http":          func() { serve(hello) },
	"nethttp":       serveNetHTTP,
}

// The time includes the goroutines' start and end, as in sley's row.
func yields(name string, tasks, rounds int) {
	var done sync.WaitGroup
	start := time.Now()
	done.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			for j := 0; j < rounds; j++ {
				runtime.Gosched()
			}
			done.Done()
		}()
	}
	done.Wait()
	outEach(name, start, tasks*rounds, "ns/switch")
}

const batch = 1000

// A goroutine has no handle to join: a WaitGroup waits for a batch at once.
func spawnJoin() {
	batches := count(5000)
	start := time.Now()
	for b := 0; b < batches; b++ {
		var done sync.WaitGroup
		done.Add(batch)
		for i := 0; i < batch; i++ {
			go func() { done.Done() }()
		}
		done.Wait()
	}
	outEach("spawn_join", start, batches*batch, "ns/task")
}

func pingpong() {
	var done sync.WaitGroup
	ping, pong, rounds := make(chan int64), make(chan int64), count(2000000)
	start := time.Now()
	done.Add(2)
	go func() {
		for i := 0; i < rounds; i++ {
			pong <- <-ping
		}
		done.Done()
	}()
	go func() {
		for i := 0; i < rounds; i++ {
			ping <- int64(i)
			<-pong
		}
		done.Done()
	}()
	done.Wait()
	outEach("chan_pingpong", start, rounds, "ns/roundtrip")
}

func flow(name string, senders, receivers int) {
	var sent, received sync.WaitGroup
	var all int64
	items, rounds := make(chan int64, 128), count(10000000)
	start := time.Now()
	received.Add(receivers)
	for i := 0; i < receivers; i++ {
		go func() {
			n := int64(0)
			for range items {
				n++
			}
			atomic.AddInt64(&all, n)
			received.Done()
		}()
	}
	sent.Add(senders)
	for i := 0; i < senders; i++ {
		go func() {
			for j := 0; j < rounds/senders; j++ {
				items <- int64(j)
			}
			sent.Done()
		}()
	}
	sent.Wait()
	close(items)
	received.Wait()
	check(all == int64(rounds/senders*senders))
	outEach(name, start, rounds, "ns/item")
}

func selectFour() {
	var done sync.WaitGroup
	var chans [4]chan int64
	rounds := count(2000000)
	start := time.Now()
	done.Add(len(chans) + 1)
	for i := range chans {
		chans[i] = make(chan int64)
		go func(c chan int64) {
			for j := 0; j < rounds/len(chans); j++ {
				c <- int64(j)
			}
			done.Done()
		}(chans[i])
	}
	go func() {
		a, b, c, d := chans[0], chans[1], chans[2], chans[3]
		for i := 0; i < rounds/len(chans)*len(chans); i++ {
			select {
			case <-a:
			case <-b:
			case <-c:
			case <-d:
			}
		}
		done.Done()
	}()
	done.Wait()
	outEach("select", start, rounds, "ns/item")
}

// Go has no futures: a goroutine and a channel of capacity 1, which is what is written in their place.
func future() {
	rounds := count(2000000)
	start := time.Now()
	for i := 0; i < rounds; i++ {
		result := make(chan int64, 1)
		go func(n int64) { result <- 2 * n }(int64(i))
		check(<-result == 2*int64(i))
	}
	outEach("future", start, rounds, "ns/roundtrip")
}

// Nor generators, in the Go of Debian 12: a goroutine and an unbuffered channel.
func generator() {
	rounds, sum := count(5000000), int64(0)
	start := time.Now()
	items := make(chan int64)
	go func() {
		for i := 0; i < rounds; i++ {
			items <- int64(i)
		}
		close(items)
	}()
	for item := range items {
		sum += item
	}
	check(sum == int64(rounds)*int64(rounds-1)/2)
	outEach("generator", start, rounds, "ns/item")
}

func mutex() {
	const lockers = 8
	var lock sync.Mutex
	var done sync.WaitGroup
	counted, rounds := 0, count(lockers*1000000)
	start := time.Now()
	done.Add(lockers)
	for i := 0; i < lockers; i++ {
		go func() {
			for j := 0; j < rounds/lockers; j++ {
				lock.Lock()
				counted++
				lock.Unlock()
			}
			done.Done()
		}()
	}
	done.Wait()
	check(counted == rounds/lockers*lockers)
	outEach("mutex", start, rounds, "ns/op")
}

func branch(up chan int64, number, size int64) {
	sum := number
	if size > 1 {
		parts := make(chan int64)
		sum = 0
		for i := int64(0); i < 10; i++ {
			go branch(parts, number+i*(size/10), size/10)
		}
		for i := 0; i < 10; i++ {
			sum += <-parts
		}
	}
	up <- sum
}

func skynet() {
	size := int64(count(1000000))
	root := make(chan int64)
	start := time.Now()
	go branch(root, 0, size)
	sum := <-root
	out("skynet", ms(time.Since(start)), "ms")
	check(sum == size*(size-1)/2)
}

// All wait for a channel to be closed, the usual gate.
func park() {
	var arrived int64
	var done sync.WaitGroup
	tasks, gate := count(1000000), make(chan struct{})
	before := resident()
	start := time.Now()
	done.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			atomic.AddInt64(&arrived, 1)
			<-gate
			done.Done()
		}()
	}
	for atomic.LoadInt64(&arrived) < int64(tasks) {
		runtime.Gosched()
	}
	out("park_create", ms(time.Since(start)), "ms")
	out("park_rss", (resident()-before)/float64(tasks), "B/task")
	start = time.Now()
	close(gate)
	done.Wait()
	out("park_wakejoin", ms(time.Since(start)), "ms")
}

func timers() {
	var done sync.WaitGroup
	tasks, random := count(1000000), uint32(1)
	before, cpu, start := resident(), cpuTime(), time.Now()
	done.Add(tasks)
	for i := 0; i < tasks; i++ {
		random = random*1664525 + 1013904223
		go func(t time.Duration) {
			time.Sleep(t)
			done.Done()
		}(time.Duration(1+(random>>8)%1000) * time.Millisecond)
	}
	time.Sleep(time.Millisecond)
	peak := resident()
	done.Wait()
	outEach("timers", start, tasks, "ns/sleep")
	out("timers_cpu", ms(cpuTime()-cpu), "ms")
	out("timers_rss", (peak-before)/(1<<20), "MiB")
}
