// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors

//! tokio ROW WORKERS [DIVISOR]: the rows of build/bench in Rust with Tokio.
//!
//! WORKERS is worker_threads, or `ct`: the current-thread runtime. Work is divided by DIVISOR. A row inside of the
//! process prints what bench does, "name tokio workers value unit" lines; a server prints its port and serves until
//! it is ended. Exit code: 0; 101: it failed; 2: usage; 77: there is no such row here.

mod rows;
mod server;

use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const EXIT_NO_ROW: i32 = 77;

/// What one run is to do.
#[derive(Clone)]
pub struct Run {
    workers: String,
    divisor: usize,
}

impl Run {
    pub fn count(&self, n: usize) -> usize {
        n / self.divisor
    }

    pub fn out(&self, name: &str, value: f64, unit: &str) {
        println!("{} tokio {} {:.3} {}", name, self.workers, value, unit);
    }

    /// Nanoseconds for each of n operations since start.
    pub fn out_each(&self, name: &str, start: Instant, n: usize, unit: &str) {
        self.out(name, start.elapsed().as_nanos() as f64 / n as f64, unit);
    }
}

pub fn ms(t: Duration) -> f64 {
    t.as_nanos() as f64 / 1e6
}

/// What the process has in memory, in bytes, page tables included.
pub fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut kib = 0.0;
    for line in status.lines() {
        let mut field = line.split_whitespace();
        if let Some("RssAnon:" | "RssFile:" | "RssShmem:" | "VmPTE:") = field.next() {
            kib += field.next().unwrap().parse::<f64>().unwrap();
        }
    }
    kib * 1024.0
}

pub fn cpu_time() -> Duration {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) }, 0);
    let of = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

async fn run(run: Run, row: String) {
    let known = rows::run(&run, &row).await || server::run(&row).await;
    // The runtime's end is not measured, and not waited for.
    std::process::exit(if known { 0 } else { EXIT_NO_ROW });
}

/// Tokio's, of which this program was built.
fn version() -> &'static str {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let after = lock.split("name = \"tokio\"\nversion = \"").nth(1).unwrap();
    after.split('"').next().unwrap()
}

fn usage() -> ! {
    eprintln!("usage: tokio ROW WORKERS [DIVISOR]");
    std::process::exit(2);
}

fn runtime(workers: &str) -> Runtime {
    let mut builder = match workers.parse() {
        Ok(n) if n > 0 => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(n);
            builder
        }
        _ if workers == "ct" => Builder::new_current_thread(),
        _ => usage(),
    };
    builder.enable_all().build().unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.len() == 2 && args[1] == "version" {
        println!("{}", version());
        return;
    }
    if args.len() < 3 {
        usage();
    }
    let divisor = args
        .get(3)
        .map_or(1, |text| text.parse().unwrap_or_else(|_| usage()));
    let this = Run {
        workers: args[2].clone(),
        divisor,
    };
    let row = args[1].clone();
    // As a task, so that it runs on a worker, as sley's main task does.
    runtime(&args[2]).block_on(async { tokio::spawn(run(this, row)).await.unwrap() });
}
