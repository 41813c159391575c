//! Jobs on their way to the writer: two lanes, bounded, emptied as a whole.

use std::collections::VecDeque;
use std::time::Instant;

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
    /// The store's own, which goes before other bulk work and is not paced.
    upkeep: VecDeque<Waiting>,
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
        let queue = match (lane, &work) {
            (Lane::People, _) => &mut lanes.people,
            (Lane::Bulk, Work::Upkeep(_)) => &mut lanes.upkeep,
            (Lane::Bulk, Work::Job(_)) => &mut lanes.bulk,
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

    /// All of the people's jobs, in the order of their arrival; waits for one of any lane, bulk work not before
    /// `bulk_at`. `None` once the queue is closed and empty.
    pub fn take(&self, people: &mut VecDeque<Waiting>, bulk_at: Instant) -> Option<usize> {
        let mut lanes = self.lanes.lock();
        loop {
            let bulk_waits = !lanes.bulk.is_empty();
            let bulk_may = bulk_waits && Instant::now() >= bulk_at;
            if !lanes.people.is_empty() || !lanes.upkeep.is_empty() || bulk_may {
                std::mem::swap(&mut lanes.people, people);
                return Some(people.len() + lanes.upkeep.len() + lanes.bulk.len());
            }
            if lanes.closed && !bulk_waits {
                return None;
            }
            lanes.writer_sleeps = true;
            match bulk_waits {
                true => drop(self.arrived.wait_until(&mut lanes, bulk_at)),
                false => self.arrived.wait(&mut lanes),
            }
        }
    }

    /// The store's own work, or else bulk work if it `may` run.
    pub fn take_bulk(&self, may: bool) -> Option<Waiting> {
        let mut lanes = self.lanes.lock();
        lanes.upkeep.pop_front().or_else(|| if may { lanes.bulk.pop_front() } else { None })
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
        lanes.upkeep.clear();
        lanes.bulk.clear();
    }
}
