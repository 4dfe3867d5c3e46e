// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors

//! The rows inside of the process: the work of tests/bench/row_*.c, with what Tokio has for it.

use crate::{cpu_time, ms, resident, Run};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Mutex, Notify};
use tokio::task::{yield_now, JoinHandle};

const BATCH: usize = 1000;
const LOCKERS: usize = 8;
const SELECTED: usize = 4;

async fn join(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

/// The time includes the tasks' start and end, as in sley's row.
async fn yields(run: &Run, name: &str, tasks: usize, rounds: usize) {
    let start = Instant::now();
    let mut handles = Vec::with_capacity(tasks);
    for _ in 0..tasks {
        handles.push(tokio::spawn(async move {
            for _ in 0..rounds {
                yield_now().await;
            }
        }));
    }
    join(handles).await;
    run.out_each(name, start, tasks * rounds, "ns/switch");
}

async fn spawn_join(run: &Run) {
    let batches = run.count(5000);
    let mut handles = Vec::with_capacity(BATCH);
    let start = Instant::now();
    for _ in 0..batches {
        for _ in 0..BATCH {
            handles.push(tokio::spawn(async {}));
        }
        for handle in handles.drain(..) {
            handle.await.unwrap();
        }
    }
    run.out_each("spawn_join", start, batches * BATCH, "ns/task");
}

// Tokio has no unbuffered channel: capacity 1 is the nearest, in pingpong, select_four and skynet. A sender goes on
// before its item is received, so there is less to wait for.

async fn pingpong(run: &Run) {
    let rounds = run.count(2_000_000);
    let start = Instant::now();
    let (ping, mut from_ping) = mpsc::channel::<i64>(1);
    let (pong, mut from_pong) = mpsc::channel::<i64>(1);
    let answering = tokio::spawn(async move {
        for _ in 0..rounds {
            let item = from_ping.recv().await.unwrap();
            pong.send(item).await.unwrap();
        }
    });
    let asking = tokio::spawn(async move {
        for i in 0..rounds {
            ping.send(i as i64).await.unwrap();
            from_pong.recv().await.unwrap();
        }
    });
    join(vec![answering, asking]).await;
    run.out_each("chan_pingpong", start, rounds, "ns/roundtrip");
}

async fn flow_to_one(run: &Run, name: &str, senders: usize) {
    let rounds = run.count(10_000_000);
    let start = Instant::now();
    let (items, mut receiver) = mpsc::channel::<i64>(128);
    let mut handles = vec![tokio::spawn(async move {
        let mut n = 0;
        while receiver.recv().await.is_some() {
            n += 1;
        }
        assert_eq!(n, rounds / senders * senders);
    })];
    for _ in 0..senders {
        let items = items.clone();
        handles.push(tokio::spawn(async move {
            for i in 0..rounds / senders {
                items.send(i as i64).await.unwrap();
            }
        }));
    }
    drop(items);
    join(handles).await;
    run.out_each(name, start, rounds, "ns/item");
}

/// Tokio's own channel has one receiver. async-channel is what its users take for several.
async fn flow_to_four(run: &Run) {
    let rounds = run.count(10_000_000);
    let all = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let (items, receiver) = async_channel::bounded::<i64>(128);
    let mut handles = Vec::new();
    for _ in 0..4 {
        let (receiver, all) = (receiver.clone(), all.clone());
        handles.push(tokio::spawn(async move {
            let mut n = 0;
            while receiver.recv().await.is_ok() {
                n += 1;
            }
            all.fetch_add(n, Relaxed);
        }));
    }
    for _ in 0..4 {
        let items = items.clone();
        handles.push(tokio::spawn(async move {
            for i in 0..rounds / 4 {
                items.send(i as i64).await.unwrap();
            }
        }));
    }
    drop((items, receiver));
    join(handles).await;
    assert_eq!(all.load(Relaxed), rounds / 4 * 4);
    run.out_each("chan_4x4", start, rounds, "ns/item");
}

async fn select_four(run: &Run) {
    let rounds = run.count(2_000_000);
    let start = Instant::now();
    let mut handles = Vec::new();
    let mut receivers = Vec::new();
    for _ in 0..SELECTED {
        let (items, receiver) = mpsc::channel::<i64>(1);
        receivers.push(receiver);
        handles.push(tokio::spawn(async move {
            for i in 0..rounds / SELECTED {
                items.send(i as i64).await.unwrap();
            }
        }));
    }
    handles.push(tokio::spawn(async move {
        let mut next = move || receivers.pop().unwrap();
        let (mut a, mut b, mut c, mut d) = (next(), next(), next(), next());
        for _ in 0..rounds / SELECTED * SELECTED {
            // A pattern that does not match, of a closed channel, takes its branch out.
            tokio::select! {
                Some(_) = a.recv() => {}
                Some(_) = b.recv() => {}
                Some(_) = c.recv() => {}
                Some(_) = d.recv() => {}
            }
        }
    }));
    join(handles).await;
    run.out_each("select", start, rounds, "ns/item");
}

/// A function as a task, and its result awaited. (A future that is awaited without being a task costs nothing.)
async fn future(run: &Run) {
    let rounds = run.count(2_000_000);
    let start = Instant::now();
    for i in 0..rounds as i64 {
        assert_eq!(tokio::spawn(async move { 2 * i }).await.unwrap(), 2 * i);
    }
    run.out_each("future", start, rounds, "ns/roundtrip");
}

async fn mutex(run: &Run) {
    let rounds = run.count(LOCKERS * 1_000_000);
    let counted = Arc::new(Mutex::new(0));
    let mut handles = Vec::new();
    let start = Instant::now();
    for _ in 0..LOCKERS {
        let counted = counted.clone();
        handles.push(tokio::spawn(async move {
            for _ in 0..rounds / LOCKERS {
                *counted.lock().await += 1;
            }
        }));
    }
    join(handles).await;
    assert_eq!(*counted.lock().await, rounds / LOCKERS * LOCKERS);
    run.out_each("mutex", start, rounds, "ns/op");
}

fn branch(
    up: mpsc::Sender<i64>,
    number: i64,
    size: i64,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut sum = number;
        if size > 1 {
            let (part, mut parts) = mpsc::channel(1);
            sum = 0;
            for i in 0..10 {
                tokio::spawn(branch(part.clone(), number + i * (size / 10), size / 10));
            }
            for _ in 0..10 {
                sum += parts.recv().await.unwrap();
            }
        }
        up.send(sum).await.unwrap();
    })
}

async fn skynet(run: &Run) {
    let size = run.count(1_000_000) as i64;
    let (up, mut root) = mpsc::channel(1);
    let start = Instant::now();
    tokio::spawn(branch(up, 0, size));
    let sum = root.recv().await.unwrap();
    run.out("skynet", ms(start.elapsed()), "ms");
    assert_eq!(sum, size * (size - 1) / 2);
}

/// Memory for n handles, which is touched before it counts, as in sley's row.
fn slots(n: usize) -> Vec<Option<JoinHandle<()>>> {
    (0..n).map(|_| None).collect()
}

async fn join_slots(slots: &mut [Option<JoinHandle<()>>]) {
    for slot in slots {
        slot.take().unwrap().await.unwrap();
    }
}

struct Gate {
    arrived: AtomicUsize,
    open: Notify,
}

async fn wait_at(gate: Arc<Gate>) {
    let opened = gate.open.notified();
    gate.arrived.fetch_add(1, Relaxed);
    opened.await;
}

async fn park(run: &Run) {
    let tasks = run.count(1_000_000);
    let gate = Arc::new(Gate {
        arrived: AtomicUsize::new(0),
        open: Notify::new(),
    });
    let mut handles = slots(tasks);
    let before = resident();
    let start = Instant::now();
    for handle in &mut handles {
        *handle = Some(tokio::spawn(wait_at(gate.clone())));
    }
    while gate.arrived.load(Relaxed) < tasks {
        yield_now().await;
    }
    run.out("park_create", ms(start.elapsed()), "ms");
    run.out("park_rss", (resident() - before) / tasks as f64, "B/task");
    let start = Instant::now();
    gate.open.notify_waiters();
    join_slots(&mut handles).await;
    run.out("park_wakejoin", ms(start.elapsed()), "ms");
}

async fn timers(run: &Run) {
    let tasks = run.count(1_000_000);
    let mut handles = slots(tasks);
    let mut random = 1u32;
    let (before, cpu, start) = (resident(), cpu_time(), Instant::now());
    for handle in &mut handles {
        random = random.wrapping_mul(1664525).wrapping_add(1013904223);
        let time = Duration::from_millis(u64::from(1 + (random >> 8) % 1000));
        *handle = Some(tokio::spawn(tokio::time::sleep(time)));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let peak = resident();
    join_slots(&mut handles).await;
    run.out_each("timers", start, tasks, "ns/sleep");
    run.out("timers_cpu", ms(cpu_time() - cpu), "ms");
    run.out("timers_rss", (peak - before) / f64::from(1 << 20), "MiB");
}

/// False: there is no such row.
pub async fn run(run: &Run, row: &str) -> bool {
    match row {
        "yield2" => yields(run, row, 2, run.count(5_000_000)).await,
        "yield1k" => yields(run, row, 1000, run.count(5000)).await,
        "yield100k" => yields(run, row, run.count(100_000), 50).await,
        "spawn_join" => spawn_join(run).await,
        "chan_pingpong" => pingpong(run).await,
        "chan_1x1" => flow_to_one(run, row, 1).await,
        "chan_4x1" => flow_to_one(run, row, 4).await,
        "chan_4x4" => flow_to_four(run).await,
        "select" => select_four(run).await,
        "future" => future(run).await,
        "mutex" => mutex(run).await,
        "skynet" => skynet(run).await,
        "park" => park(run).await,
        "timers" => timers(run).await,
        _ => return false,
    }
    true
}
