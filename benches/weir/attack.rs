//! Somebody who guesses passwords, from ever other addresses and for ever other accounts. A line of standard input,
//! `<path> <attempts> <milliseconds>`, says how often and within which time; a line of standard output answers what came
//! back. The same body at another path shows what so many requests cost that try no password.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// More than the server lets wait for a hash, so that there always is one who tries.
const HANDS: u64 = 32;

/// How the attempts were answered.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Repelled {
    /// A password was hashed.
    pub wrong: u64,
    /// Nothing was hashed.
    pub refused: u64,
}

pub fn run(address: &str) -> anyhow::Result<()> {
    let seed = AtomicU64::new(1);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let mut word = || words.next().context("a path and two numbers");
        let (path, attempts, millis) = (word()?, word()?, word()?);
        let (attempts, millis): (u64, u64) = (attempts.parse()?, millis.parse()?);
        let (began, next) = (Instant::now(), AtomicU64::new(0));
        let due = |attempt: u64| {
            (attempt < attempts).then(|| {
                began
                    + Duration::from_millis(millis) * u32::try_from(attempt).unwrap_or(0)
                        / u32::try_from(attempts).unwrap_or(1)
            })
        };
        let repelled = std::thread::scope(|scope| {
            let hand =
                |_| scope.spawn(|| guess(address, path, || due(next.fetch_add(1, Ordering::Relaxed)), &seed));
            let hands: Vec<_> = (0..HANDS).map(hand).collect();
            let joined = hands.into_iter().map(|hand| hand.join().expect("a hand does not panic"));
            joined.collect::<anyhow::Result<Vec<_>>>()
        })?;
        let all = repelled.iter().fold(Repelled::default(), |all, one| Repelled {
            wrong: all.wrong + one.wrong,
            refused: all.refused + one.refused,
        });
        println!("{}", serde_json::to_string(&all)?);
    }
    Ok(())
}

/// Attempts on one connection, each when it is due; whoever waits for an answer leaves the next to the others.
fn guess(
    address: &str,
    path: &str,
    next: impl Fn() -> Option<Instant>,
    seed: &AtomicU64,
) -> anyhow::Result<Repelled> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut repelled = Repelled::default();
    while let Some(due) = next() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let n = seed.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"name":"account {}","password":"guess number {n}"}}"#, n % 500);
        let place = format!("{}.{}.{}.{}", 11 + n % 90, n / 90 % 250, n / 22_500 % 250, n % 250);
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {place}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        socket.write_all((head + &body).as_bytes())?;
        match status(&mut socket)? {
            401 => repelled.wrong += 1,
            404 | 429 => repelled.refused += 1,
            other => bail!("a login was answered {other}"),
        }
    }
    Ok(repelled)
}

fn status(socket: &mut TcpStream) -> anyhow::Result<u16> {
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let read = socket.read(&mut chunk)?;
        if read == 0 {
            bail!("the connection was closed");
        }
        answer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let length =
            lines.find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Ok(head.get(9..12).context("no status")?.parse()?);
        }
    }
}
