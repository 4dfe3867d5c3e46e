// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors

//! The servers: what tools/examples/echo.c, tests/bench/row_blocked.c and raw_echo.c do.

use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serve<C, F>(connection: C)
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("tokio: listening on {}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(connection(stream));
    }
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

/// A message that begins with 'B' blocks its thread, and nothing tells Tokio (spawn_blocking, block_in_place) of it.
async fn stall(mut stream: TcpStream) -> std::io::Result<()> {
    let mut message = [0; 512];
    loop {
        stream.read_exact(&mut message).await?;
        if message[0] == b'B' {
            std::thread::sleep(Duration::from_millis(10));
        }
        stream.write_all(&message).await?;
    }
}

const HELLO: &[u8] =
    b"HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\nContent-Length: 16\r\n\
Content-Type: text/plain\r\n\r\nhello from sley\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// The length of a head with its empty line, if it is there.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&byte| byte == b'\n') {
        let end = from + at + 1;
        if bytes[..end].ends_with(b"\r\n\r\n") {
            return Some(end);
        }
        from = end;
    }
    None
}

/// By hand: it looks at the request line and for the end of the head. tools/examples/httpd.c parses every header, and
/// keeps deadlines; bench-raw-echo looks for the end alone.
async fn hello(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    let mut answers = Vec::with_capacity(4096);
    let mut filled = 0;
    while filled < buffer.len() {
        let n = stream.read(&mut buffer[filled..]).await?;
        if n == 0 {
            return Ok(());
        }
        filled += n;
        let mut from = 0;
        answers.clear();
        while let Some(length) = head_length(&buffer[from..filled]) {
            let known = buffer[from..filled].starts_with(b"GET / HTTP/1.1\r\n");
            answers.extend_from_slice(if known { HELLO } else { NOT_FOUND });
            from += length;
        }
        buffer.copy_within(from..filled, 0);
        filled -= from;
        if !answers.is_empty() {
            stream.write_all(&answers).await?;
        }
    }
    Ok(())
}

/// False: there is no such row.
pub async fn run(row: &str) -> bool {
    match row {
        "echo" => serve(echo).await,
        "stall" => serve(stall).await,
        "http" => serve(hello).await,
        _ => return false,
    }
    true
}
