//! Applying another writer's batches, as they were.

use rusqlite::{Transaction, TransactionBehavior};

use super::Writer;
use super::queue::Work;
use crate::store::error::{Conflict, Error};
use crate::store::record::Batch;

impl Writer {
    /// The batch whose turn it is. An error ends the following: memory may be ahead of the database.
    pub fn follow(&mut self, mut batch: Batch) -> Result<(), Error> {
        if batch.position != self.journal.next {
            let (found, next) = (batch.position, self.journal.next);
            return Err(Conflict::Constraint(format!("batch {found} came where {next} belongs")).into());
        }
        self.gate.position = batch.position;
        let tx = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
        for records in &mut batch.jobs {
            let work = Work::Upkeep(std::mem::take(records));
            let result = self.gate.run(&tx, &work);
            let Work::Upkeep(taken) = work else { unreachable!("it was made just above") };
            *records = taken;
            result?;
        }
        self.journal.write_as_told(&tx, &batch, &self.gate.deltas)?;
        tx.commit()?;
        self.settle(&batch);
        Ok(())
    }
}
