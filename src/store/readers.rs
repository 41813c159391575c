//! Reading: a few threads, each with a connection of its own that cannot write.
//!
//! One read is one transaction on one thread; none is held over an await.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::error::Error;

type Task = Box<dyn FnOnce(&Connection) + Send>;

/// Reads that wait for a thread, at most.
const LIMIT: usize = 16_384;

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Readers {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl Readers {
    pub fn start(connections: Vec<Connection>) -> Result<Arc<Self>, Error> {
        let readers = Arc::new(Self::default());
        for (number, conn) in connections.into_iter().enumerate() {
            let work = Arc::clone(&readers);
            std::thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || work.run(&conn))?;
        }
        Ok(readers)
    }

    pub async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(move |conn| {
            if answer.is_closed() {
                return;
            }
            let _ = answer.send(in_transaction(conn, f));
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
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    fn run(&self, conn: &Connection) {
        while let Some(task) = self.take() {
            // A task that panics drops its answer: its caller learns of it and the thread goes on.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task(conn)));
            if done.is_err() && !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
        }
    }

    fn take(&self) -> Option<Task> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            if queue.closed {
                return None;
            }
            self.arrived.wait(&mut queue);
        }
    }

    /// Nothing more comes in; what waits is still read.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.arrived.notify_all();
    }
}

fn in_transaction<T>(conn: &Connection, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    let tx = conn.unchecked_transaction()?;
    f(&tx)
}
