//! How many streams and sockets a user has open.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::State;
use super::problem::{Error, Kind, Result};
use crate::id::UserId;

pub struct Slots {
    most: u32,
    taken: Mutex<HashMap<UserId, u32>>,
}

/// One open stream or socket. Free again when it is dropped.
pub struct Slot {
    state: State,
    user_id: UserId,
}

impl Slots {
    pub fn new(most: u32) -> Self {
        Self { most, taken: Mutex::default() }
    }
}

impl Slot {
    pub fn take(state: &State, user_id: UserId) -> Result<Self> {
        let Slots { most, taken } = state.slots();
        let mut taken = taken.lock();
        let open = taken.entry(user_id).or_default();
        if *open >= *most {
            let detail = format!("{most} streams and sockets are open already; close one of them");
            return Err(Error::new(Kind::RateLimited, detail).retry_after(Duration::from_secs(5)));
        }
        *open += 1;
        Ok(Self { state: state.clone(), user_id })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.state.slots().taken.lock();
        if let Some(open) = taken.get_mut(&self.user_id) {
            *open -= 1;
            if *open == 0 {
                taken.remove(&self.user_id);
            }
        }
    }
}
