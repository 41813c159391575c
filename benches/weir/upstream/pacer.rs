//! One thread that writes the deltas of all paced streams, each at its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::{Shared, push_delta, push_end};

/// Deltas that are due within this go out together.
const TICK: Duration = Duration::from_micros(250);

/// Spreads the streams over their period, however many there are, and whenever they come: multiples of it never cluster.
const GOLDEN: f64 = 0.618_033_988_749_895;

#[derive(Debug, Clone)]
pub struct Pacer(Sender<(TcpStream, u32)>);

struct Paced {
    socket: TcpStream,
    period: Duration,
    generation: u64,
    /// What the socket did not take. Until it does, nothing new is said.
    held: Vec<u8>,
    ending: bool,
}

impl Pacer {
    pub fn start(shared: Arc<Shared>) -> Self {
        let (sender, arrivals) = channel();
        std::thread::spawn(move || run(&arrivals, &shared));
        Self(sender)
    }

    /// Takes over a socket to which the head was written.
    pub fn take(&self, socket: TcpStream, per_second: u32) {
        self.0.send((socket, per_second)).expect("the pacer lives as long as the process");
    }
}

fn run(arrivals: &Receiver<(TcpStream, u32)>, shared: &Shared) {
    let mut streams: Vec<Option<Paced>> = Vec::new();
    let mut due: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
    let (began, mut arrived) = (Instant::now(), 0.0);
    loop {
        loop {
            let (socket, per_second) = match arrivals.try_recv() {
                Ok(arrival) => arrival,
                Err(TryRecvError::Empty) if !due.is_empty() => break,
                Err(_) => match arrivals.recv() {
                    Ok(arrival) => arrival,
                    Err(_) => return,
                },
            };
            let period = Duration::from_secs(1) / per_second;
            arrived += GOLDEN;
            let periods = began.elapsed().div_duration_f64(period).ceil();
            let first = began + period.mul_f64(periods + f64::fract(arrived));
            let generation = shared.finished.load(Ordering::Relaxed);
            due.push(Reverse((first, streams.len())));
            streams.push(Some(Paced { socket, period, generation, held: Vec::new(), ending: false }));
            shared.open.fetch_add(1, Ordering::Relaxed);
        }
        let now = Instant::now();
        while let Some(Reverse((at, index))) = due.peek().copied()
            && at <= now
        {
            due.pop();
            let Some(stream) = &mut streams[index] else { continue };
            if stream.speak(shared) {
                due.push(Reverse((at + stream.period, index)));
            } else {
                streams[index] = None;
                shared.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
        if due.is_empty() {
            streams.clear();
        }
        std::thread::sleep(TICK);
    }
}

impl Paced {
    /// Writes a delta, or the end; `false` once the stream is over.
    fn speak(&mut self, shared: &Shared) -> bool {
        if self.held.is_empty() {
            self.ending = shared.finished.load(Ordering::Relaxed) > self.generation;
            match self.ending {
                true => push_end(&mut self.held, "stop"),
                false => {
                    push_delta(&mut self.held, crate::stamp::now());
                    shared.written.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        match self.socket.write(&self.held) {
            Ok(written) => {
                self.held.drain(..written);
                !(self.ending && self.held.is_empty())
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
