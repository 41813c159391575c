//! Reading: a few threads, each with a connection of its own that cannot write.
//!
//! One read is one transaction on one thread; none is held over an await. Whoever read last reads next: the pages are
//! still in its cache.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::error::Error;

/// Reads, and gives what tells whoever waits for it.
type Task = Box<dyn FnOnce(&Connection) -> Tell + Send>;

type Tell = Box<dyn FnOnce() + Send>;

/// Reads that wait for a thread, at most.
const LIMIT: usize = 16_384;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    /// The numbers of those that wait for a task, the one that read last at the end.
    idle: Vec<usize>,
    closed: bool,
}

pub(super) struct Readers {
    queue: Mutex<Queue>,
    /// Tells each of them, by its number, to go on.
    wakes: Vec<Condvar>,
}

impl Readers {
    pub fn start(connections: Vec<Connection>) -> Result<Arc<Self>, Error> {
        let wakes = connections.iter().map(|_| Condvar::new()).collect();
        let readers = Arc::new(Self { queue: Mutex::default(), wakes });
        for (number, conn) in connections.into_iter().enumerate() {
            let work = Arc::clone(&readers);
            std::thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || work.run(number, &conn))?;
        }
        Ok(readers)
    }

    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(move |conn| {
            let read = (!answer.is_closed()).then(|| in_transaction(conn, f));
            Box::new(move || drop(read.map(|read| answer.send(read))))
        }))?;
        answered.await.map_err(|_| Error::Closed)?
    }

    fn push(&self, task: Task) -> Result<(), Error> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Error::Closed);
        }
        if queue.tasks.len() >= LIMIT {
            return Err(Error::Busy);
        }
        queue.tasks.push_back(task);
        let next = queue.idle.pop();
        drop(queue);
        if let Some(number) = next {
            self.wakes[number].notify_one();
        }
        Ok(())
    }

    fn run(&self, number: usize, conn: &Connection) {
        let mut tell = None;
        while let Some(task) = self.next(number, tell.take()) {
            tell = read(task, conn);
        }
    }

    /// Tells whoever waits for what was read, once this one is there for what they ask next.
    fn next(&self, number: usize, tell: Option<Tell>) -> Option<Task> {
        let mut queue = self.queue.lock();
        let task = queue.tasks.pop_front();
        if task.is_none() && !queue.closed {
            queue.idle.push(number);
        }
        drop(queue);
        if let Some(tell) = tell {
            tell();
        }
        if task.is_some() {
            return task;
        }
        let mut queue = self.queue.lock();
        loop {
            self.wakes[number].wait_while(&mut queue, |queue| queue.idle.contains(&number));
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            if queue.closed {
                return None;
            }
            queue.idle.push(number);
        }
    }

    /// Nothing more comes in; what waits is still read.
    pub fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        queue.idle.clear();
        for wake in &self.wakes {
            wake.notify_one();
        }
    }
}

/// A task that panics drops its answer: its caller learns of it and the thread goes on.
fn read(task: Task, conn: &Connection) -> Option<Tell> {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(conn)));
    if done.is_err() && !conn.is_autocommit() {
        let _ = conn.execute_batch("ROLLBACK");
    }
    done.ok()
}

fn in_transaction<T>(conn: &Connection, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    let tx = conn.unchecked_transaction()?;
    f(&tx)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn readers(count: usize) -> Arc<Readers> {
        let connections = (0..count).map(|_| Connection::open_in_memory().unwrap());
        Readers::start(connections.collect()).unwrap()
    }

    async fn all_are_idle(readers: &Readers) {
        while readers.queue.lock().idle.len() < readers.wakes.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn name() -> String {
        std::thread::current().name().unwrap().to_owned()
    }

    #[tokio::test]
    async fn whoever_read_last_reads_next() {
        let readers = readers(3);
        all_are_idle(&readers).await;
        let first = readers.read(|_| Ok(name())).await.unwrap();
        // Whoever is told asks at once.
        for _ in 0..1000 {
            assert_eq!(readers.read(|_| Ok(name())).await.unwrap(), first);
        }
        readers.close();
    }

    #[tokio::test]
    async fn as_many_read_at_a_time_as_there_are() {
        let readers = readers(3);
        all_are_idle(&readers).await;
        // None of them ends before all have begun.
        let barrier = Arc::new(std::sync::Barrier::new(3));
        let waiting = || {
            let barrier = Arc::clone(&barrier);
            readers.read(move |_| {
                barrier.wait();
                Ok(name())
            })
        };
        let (a, b, c) = tokio::join!(waiting(), waiting(), waiting());
        let mut names = [a.unwrap(), b.unwrap(), c.unwrap()];
        names.sort();
        assert_eq!(names, ["store-read-0", "store-read-1", "store-read-2"]);
        readers.close();
    }

    #[tokio::test]
    async fn one_that_panics_reads_on() {
        let readers = readers(1);
        assert!(matches!(readers.read::<()>(|_| panic!("of a test")).await, Err(Error::Closed)));
        assert_eq!(readers.read(|_| Ok(1)).await.unwrap(), 1);
        readers.close();
    }
}
