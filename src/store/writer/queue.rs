//! Jobs on their way to the writer: two lanes, bounded, emptied as a whole.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::store::error::Error;
use crate::store::record::{Job, Lane, Record};

/// What the writer is asked for.
#[derive(Debug)]
pub(in crate::store) enum Work {
    Job(Job),
    /// The store's own upkeep. It expects nothing of any log.
    Upkeep(Vec<Record>),
}

#[derive(Debug)]
pub(in crate::store) struct Waiting {
    pub work: Work,
    pub answer: oneshot::Sender<Result<(), Error>>,
}

#[derive(Debug, Default)]
struct Lanes {
    people: VecDeque<Waiting>,
    bulk: VecDeque<Waiting>,
    closed: bool,
    writer_sleeps: bool,
}

#[derive(Debug)]
pub(in crate::store) struct Queue {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    limit: usize,
}

impl Queue {
    pub fn new(limit: usize) -> Self {
        Self { lanes: Mutex::default(), arrived: Condvar::new(), limit }
    }

    pub fn push(&self, lane: Lane, work: Work) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let (answer, answered) = oneshot::channel();
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return Err(Error::Closed);
        }
        let queue = match lane {
            Lane::People => &mut lanes.people,
            Lane::Bulk => &mut lanes.bulk,
        };
        if queue.len() >= self.limit {
            return Err(Error::Busy);
        }
        queue.push_back(Waiting { work, answer });
        let wake = std::mem::take(&mut lanes.writer_sleeps);
        drop(lanes);
        if wake {
            self.arrived.notify_one();
        }
        Ok(answered)
    }

    /// All of the people's jobs, in the order of their arrival; waits for one of either lane. `None` once
    /// the queue is closed and empty.
    pub fn take(&self, people: &mut VecDeque<Waiting>) -> Option<usize> {
        let mut lanes = self.lanes.lock();
        loop {
            if !lanes.people.is_empty() || !lanes.bulk.is_empty() {
                std::mem::swap(&mut lanes.people, people);
                return Some(people.len() + lanes.bulk.len());
            }
            if lanes.closed {
                return None;
            }
            lanes.writer_sleeps = true;
            self.arrived.wait(&mut lanes);
        }
    }

    pub fn take_bulk(&self) -> Option<Waiting> {
        self.lanes.lock().bulk.pop_front()
    }

    /// Nothing more comes in; what waits is still done.
    pub fn close(&self) {
        self.lanes.lock().closed = true;
        self.arrived.notify_one();
    }

    /// The writer is gone: nobody will answer what waits.
    pub fn abandon(&self) {
        let mut lanes = self.lanes.lock();
        lanes.closed = true;
        lanes.people.clear();
        lanes.bulk.clear();
    }
}
