//! Signed-in browsers, as every request looks them up: in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Session;
use super::key::KeyHash;
use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};

/// Whoever stays away for so long signs in again.
pub(super) const IDLE: Duration = Duration::from_secs(14 * 86_400);

/// And after so long in any case.
pub(super) const LONGEST: Duration = Duration::from_secs(90 * 86_400);

#[derive(Default)]
pub(super) struct Sessions {
    by_hash: HashMap<KeyHash, Arc<LiveSession>>,
    by_id: HashMap<SessionId, KeyHash>,
}

pub(super) struct LiveSession {
    session: Session,
    /// Milliseconds, as are those that stand in the row.
    last_used: AtomicI64,
    saved: AtomicI64,
}

impl Sessions {
    pub fn of(rows: Vec<(Session, KeyHash)>) -> Self {
        let mut sessions = Self::default();
        rows.into_iter().for_each(|(session, hash)| sessions.insert(session, hash));
        sessions
    }

    pub fn insert(&mut self, session: Session, hash: KeyHash) {
        self.by_id.insert(session.id, hash);
        let used = session.last_used_at.millis();
        let (last_used, saved) = (AtomicI64::new(used), AtomicI64::new(used));
        self.by_hash.insert(hash, Arc::new(LiveSession { session, last_used, saved }));
    }

    pub fn by_hash(&self, hash: &KeyHash) -> Option<&Arc<LiveSession>> {
        self.by_hash.get(hash)
    }

    pub fn by_id(&self, id: SessionId) -> Option<&Arc<LiveSession>> {
        self.by_hash.get(self.by_id.get(&id)?)
    }

    pub fn remove(&mut self, id: SessionId) {
        if let Some(hash) = self.by_id.remove(&id) {
            self.by_hash.remove(&hash);
        }
    }

    pub fn remove_of(&mut self, user_id: UserId) {
        self.retain(|live| live.session.user_id != user_id);
    }

    /// Lets go of what has expired.
    pub fn forget_expired(&mut self, now: Timestamp) {
        self.retain(|live| !live.is_expired(now));
    }

    pub fn iter(&self) -> impl Iterator<Item = &LiveSession> {
        self.by_hash.values().map(Arc::as_ref)
    }

    fn retain(&mut self, keep: impl Fn(&LiveSession) -> bool) {
        self.by_hash.retain(|_, live| keep(live));
        self.by_id.retain(|_, hash| self.by_hash.contains_key(hash));
    }
}

impl LiveSession {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let last_used = Timestamp::from_millis(self.last_used.load(Ordering::Relaxed));
        self.session.expires_at <= now || last_used.plus(IDLE) <= now
    }

    pub fn touch(&self, now: Timestamp) {
        self.last_used.fetch_max(now.millis(), Ordering::Relaxed);
    }

    /// When it was used, if that is not yet written down.
    pub fn unsaved_use(&self) -> Option<Timestamp> {
        let used = self.last_used.load(Ordering::Relaxed);
        (used > self.saved.swap(used, Ordering::Relaxed)).then_some(Timestamp::from_millis(used))
    }

    pub fn shown(&self) -> Session {
        let last_used_at = Timestamp::from_millis(self.last_used.load(Ordering::Relaxed));
        Session { last_used_at, ..self.session.clone() }
    }

    pub fn as_opened(&self) -> &Session {
        &self.session
    }
}
