//! Thousands of readers on one thread. Standard input says what to do, a line of standard output answers:
//!
//! - `open <n>` and n targets, each in a line: connects them, answers once all are caught up;
//! - `begin`: from now on deltas count;
//! - `end`: what was counted since, as JSON.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use serde::{Deserialize, Serialize};

use crate::http::request;
use crate::sample::quantile;
use crate::stamp::{self, STAMP};

/// Connections that are being opened at a time: more would overrun the listener's queue.
const OPENING: usize = 64;

const WAKER: Token = Token(usize::MAX);

/// What a target is, and how it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A path of an event stream that says when it is caught up.
    Sse,
    /// A conversation to subscribe to on a socket of its own.
    WebSocket,
    /// A path of the relay.
    Relay,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "ws",
            Self::Relay => "relay",
        }
    }

    fn of(name: &str) -> anyhow::Result<Self> {
        let kinds = [Self::Sse, Self::WebSocket, Self::Relay];
        kinds.into_iter().find(|kind| kind.name() == name).context("an unknown kind of load")
    }

    fn greeting(self, target: &str) -> Vec<u8> {
        match self {
            Self::Sse | Self::Relay => request("GET", target, "text/event-stream", None),
            Self::WebSocket => {
                let plain = request("GET", "/v1/socket", "*/*", None);
                let head = plain.strip_suffix(b"\r\n").unwrap_or(&plain);
                let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
                [head, upgrade.as_bytes()].concat()
            }
        }
    }

    fn ready_at(self) -> &'static [u8] {
        match self {
            Self::Sse | Self::WebSocket => b"caught_up",
            Self::Relay => b"200 OK",
        }
    }
}

/// What was counted between `begin` and `end`; times in microseconds from the upstream's write to our read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Counted {
    pub deltas: u64,
    pub seconds: f64,
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

enum Order {
    Open(Vec<String>),
    Begin,
    End,
}

pub fn run(address: &str, kind: &str) -> anyhow::Result<()> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    let (sender, orders) = channel();
    std::thread::spawn(move || read_orders(&sender, &waker));
    let mut load = Load {
        address: address.parse()?,
        kind: Kind::of(kind)?,
        poll,
        connections: Vec::new(),
        opening: 0,
        waiting: Vec::new(),
        measured: None,
        buffer: vec![0; 256 * 1024],
    };
    load.run(&orders)
}

fn read_orders(orders: &Sender<Order>, waker: &Waker) {
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    while let Some(line) = lines.next() {
        let order = match line.split_once(' ') {
            Some(("open", count)) => Order::Open(lines.by_ref().take(count.parse().unwrap_or(0)).collect()),
            _ if line == "begin" => Order::Begin,
            _ => Order::End,
        };
        if orders.send(order).is_err() || waker.wake().is_err() {
            return;
        }
    }
    std::process::exit(0);
}

struct Load {
    address: SocketAddr,
    kind: Kind,
    poll: Poll,
    connections: Vec<Connection>,
    opening: usize,
    waiting: Vec<String>,
    measured: Option<Measured>,
    buffer: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    target: String,
    phase: Phase,
    /// The last bytes of a read, where they may begin something.
    carry: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// Waiting for a WebSocket's handshake.
    Shaking,
    CatchingUp,
    Following,
}

struct Measured {
    since: u64,
    delays: Vec<u64>,
}

impl Load {
    fn run(&mut self, orders: &Receiver<Order>) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            if let Err(error) = self.poll.poll(&mut events, None)
                && error.kind() != ErrorKind::Interrupted
            {
                return Err(error.into());
            }
            for event in &events {
                match event.token() {
                    WAKER => {
                        while let Ok(order) = orders.try_recv() {
                            self.obey(order)?;
                        }
                    }
                    Token(index) => self.attend(index)?,
                }
            }
        }
    }

    fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        match order {
            Order::Open(targets) => {
                self.waiting = targets;
                self.waiting.reverse();
                self.open_more()
            }
            Order::Begin => {
                self.measured = Some(Measured { since: stamp::now(), delays: Vec::new() });
                println!("begun");
                Ok(())
            }
            Order::End => {
                let Measured { since, mut delays } = self.measured.take().context("nothing was begun")?;
                #[expect(clippy::cast_precision_loss, reason = "some seconds")]
                let seconds = (stamp::now() - since) as f64 / 1e6;
                let counted = Counted {
                    deltas: delays.len() as u64,
                    seconds,
                    p50: quantile(&mut delays, 0.5),
                    p99: quantile(&mut delays, 0.99),
                    max: quantile(&mut delays, 1.0),
                };
                println!("{}", serde_json::to_string(&counted)?);
                Ok(())
            }
        }
    }

    fn open_more(&mut self) -> anyhow::Result<()> {
        while self.opening < OPENING
            && let Some(target) = self.waiting.pop()
        {
            let mut socket = TcpStream::connect(self.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(self.connections.len()), interest)?;
            self.connections.push(Connection { socket, target, phase: Phase::Connecting, carry: Vec::new() });
            self.opening += 1;
        }
        Ok(())
    }

    fn attend(&mut self, index: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        if connection.phase == Phase::Connecting {
            if connection.socket.peer_addr().is_err() {
                return Ok(());
            }
            connection.socket.set_nodelay(true)?;
            connection.socket.write_all(&self.kind.greeting(&connection.target))?;
            self.poll.registry().reregister(&mut connection.socket, Token(index), Interest::READABLE)?;
            connection.phase = if self.kind == Kind::WebSocket { Phase::Shaking } else { Phase::CatchingUp };
        }
        loop {
            let connection = &mut self.connections[index];
            let carried = connection.carry.len();
            self.buffer[..carried].copy_from_slice(&connection.carry);
            connection.carry.clear();
            let read = match connection.socket.read(&mut self.buffer[carried..]) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.carry.extend_from_slice(&self.buffer[..carried]);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let end = carried + read;
            self.take_in(index, end)?;
            // A short read emptied the socket.
            if end < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn take_in(&mut self, index: usize, end: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[index];
        let bytes = &self.buffer[..end];
        let at = stamp::now();
        let rest = stamp::read(bytes, |sent| {
            if let Some(measured) = &mut self.measured {
                measured.delays.push(at.saturating_sub(sent));
            }
        });
        connection.carry.extend_from_slice(&bytes[rest..]);
        match connection.phase {
            Phase::Connecting | Phase::Following => return Ok(()),
            Phase::Shaking | Phase::CatchingUp => {}
        }
        if bytes.starts_with(b"HTTP/1.1 4") || bytes.starts_with(b"HTTP/1.1 5") {
            bail!("refused: {}", String::from_utf8_lossy(bytes));
        }
        if connection.phase == Phase::Shaking && memchr::memmem::find(bytes, b"\r\n\r\n").is_some() {
            connection.socket.write_all(&subscription(&connection.target))?;
            connection.phase = Phase::CatchingUp;
        }
        if memchr::memmem::find(bytes, self.kind.ready_at()).is_some() {
            connection.phase = Phase::Following;
            self.opening -= 1;
            self.open_more()?;
            if self.opening == 0 {
                println!("open");
            }
        } else if connection.carry.is_empty() {
            // What says that it is ready may be cut too.
            connection.carry.extend_from_slice(&bytes[end.saturating_sub(STAMP - 1)..]);
        }
        Ok(())
    }
}

/// A masked text frame; a mask of zeros changes nothing.
fn subscription(conversation_id: &str) -> Vec<u8> {
    let text = format!(r#"{{"op":"subscribe","id":1,"conversation_id":"{conversation_id}","after":"0"}}"#);
    let length = u8::try_from(text.len()).expect("a short text");
    let mut frame = match length {
        ..126 => vec![0x81, 0x80 | length],
        126.. => vec![0x81, 0x80 | 126, 0, length],
    };
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}
