//! How much anyone may ask for in a minute, and how often somebody may try to sign in.
//!
//! The generic cell rate algorithm (`governor`): a bucket that refills evenly. Told as the IETF's `RateLimit` fields
//! (draft-ietf-httpapi-ratelimit-headers).

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::problem::{Error, Kind, Result};
use crate::scope::{Credential, Scope};

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Passwords tried for one account from one place, for one account at all, and from one place at all, in a minute.
const TRIES: [u32; 3] = [10, 60, 60];

/// Wrong passwords from places where their account is not known, of everybody together: so many at once, and from then
/// on one in [`STRANGERS_EVERY`]. A hash takes some 20 ms of a processor, which those who read would notice.
const STRANGERS: u32 = 20;
const STRANGERS_EVERY: Duration = Duration::from_secs(6);

type Keyed<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

pub struct Rates {
    requests: Limit<Scoped>,
    requests_per_minute: u32,
    account_from_place: Limit<(Account, Neighbourhood)>,
    account: Limit<Account>,
    place: Limit<Neighbourhood>,
    strangers: Mutex<Strangers>,
}

/// Each key has its own allowance; what a person does in several browsers is one.
type Scoped = (crate::id::UserId, Option<crate::id::KeyId>);

/// The hash of a name as it is typed: whoever invents names does not choose how much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Account([u8; 32]);

impl Account {
    fn of(name: &str) -> Self {
        Self(Sha256::digest(name.trim().to_lowercase()).into())
    }
}

/// An address, or the network that an IPv6 user has to themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Neighbourhood(Option<IpAddr>);

impl Neighbourhood {
    fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        }))
    }
}

impl Rates {
    pub fn new(requests_per_minute: u32) -> Self {
        let [both, account, place] = TRIES;
        Self {
            requests: Limit::per_minute(requests_per_minute),
            requests_per_minute,
            account_from_place: Limit::per_minute(both),
            account: Limit::per_minute(account),
            place: Limit::per_minute(place),
            strangers: Mutex::new(Strangers::new(Instant::now())),
        }
    }

    /// Counts a request; what is left, for the answer.
    pub fn request(&self, scope: &Scope) -> Result<Left> {
        let key = match scope.credential {
            Credential::Key(id) => Some(id),
            Credential::Root | Credential::Session(_) | Credential::Token { .. } => None,
        };
        let quota = self.requests_per_minute;
        match self.requests.take(&(scope.user_id, key)) {
            Ok(left) => Ok(Left { quota, left, wait: None }),
            Err(wait) => Err(too_many("so many requests", Left { quota, left: 0, wait: Some(wait) })),
        }
    }

    /// Counts a try to sign in under that name from there. What one place may not is not held against the account.
    pub fn attempt(&self, name: &str, address: Option<IpAddr>) -> Result<()> {
        let (account, place) = (Account::of(name), Neighbourhood::of(address));
        let [both, account_alone, anywhere] = TRIES;
        let refused = |quota: u32| {
            move |wait| too_many("so many tries to sign in", Left { quota, left: 0, wait: Some(wait) })
        };
        self.place.take(&place).map_err(refused(anywhere))?;
        self.account_from_place.take(&(account, place)).map_err(refused(both))?;
        self.account.take(&account).map_err(refused(account_alone))?;
        Ok(())
    }

    /// Counts a try as one that will fail, unless whoever has that name has signed in from there before: when all the
    /// world guesses passwords, people still get in from where they are at home. [`Self::proven`] takes it back.
    pub fn stranger(&self, address: Option<IpAddr>, at_home: &[String]) -> Result<Tried> {
        let place = Neighbourhood::of(address);
        if at_home.iter().any(|home| home.parse().is_ok_and(|home| Neighbourhood::of(Some(home)) == place)) {
            return Ok(Tried::AtHome);
        }
        let busy = "too many wrong passwords come in right now; try again later, or from where you have signed in before";
        let tried = self.strangers.lock().attempt(Instant::now());
        tried.map_err(|wait| Error::new(Kind::RateLimited, busy).retry_after(wait))?;
        Ok(Tried::AsStranger)
    }

    /// The password was right.
    pub fn proven(&self, tried: Tried) {
        if tried == Tried::AsStranger {
            self.strangers.lock().forgive();
        }
    }

    /// Counts a try with a setup code from there.
    pub fn setup(&self, address: Option<IpAddr>) -> Result<()> {
        let quota = TRIES[2];
        let taken = self.place.take(&Neighbourhood::of(address));
        taken
            .map(drop)
            .map_err(|wait| too_many("so many tries to sign in", Left { quota, left: 0, wait: Some(wait) }))
    }

    /// Forgets those who were quiet for long enough to have all of their allowance again.
    pub fn forget_the_quiet(&self) {
        self.requests.0.retain_recent();
        self.account_from_place.0.retain_recent();
        self.account.0.retain_recent();
        self.place.0.retain_recent();
    }
}

/// From where a password was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Tried {
    AtHome,
    AsStranger,
}

/// A bucket that leaks. `governor`'s cannot give back what was taken.
#[derive(Debug, Clone, Copy)]
struct Strangers {
    /// When it is empty again. The further in the future, the fuller.
    empty_at: Instant,
}

impl Strangers {
    const fn new(now: Instant) -> Self {
        Self { empty_at: now }
    }

    /// Or how long until there is room.
    fn attempt(&mut self, now: Instant) -> Result<(), Duration> {
        let filled = self.empty_at.max(now) + STRANGERS_EVERY;
        let wait = (filled - now).saturating_sub(STRANGERS_EVERY * STRANGERS);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.empty_at = filled;
        Ok(())
    }

    fn forgive(&mut self) {
        self.empty_at -= STRANGERS_EVERY;
    }
}

fn too_many(what: &str, left: Left) -> Error {
    let wait = left.wait.unwrap_or_default();
    Error::new(Kind::RateLimited, format!("{what} in a minute are too many")).retry_after(wait).rate(left)
}

/// What is left of an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    quota: u32,
    left: u32,
    /// Until there is some again.
    wait: Option<Duration>,
}

impl Left {
    pub fn write(self, headers: &mut HeaderMap) {
        let Self { quota, left, wait } = self;
        let reset = wait.map(|wait| format!(";t={}", wait.as_secs().max(1))).unwrap_or_default();
        let policy = HeaderValue::try_from(format!("\"minute\";q={quota};w=60"));
        let state = HeaderValue::try_from(format!("\"minute\";r={left}{reset}"));
        if let (Ok(policy), Ok(state)) = (policy, state) {
            headers.insert(RATE_LIMIT_POLICY, policy);
            headers.insert(RATE_LIMIT, state);
        }
    }
}

struct Limit<K: Clone + Eq + Hash>(Keyed<K>);

impl<K: Clone + Eq + Hash> Limit<K> {
    fn per_minute(most: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN));
        Self(RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>())
    }

    /// What is left after this one, or how long to wait for it.
    fn take(&self, key: &K) -> Result<u32, Duration> {
        match self.0.check_key(key) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(refused) => Err(refused.wait_time_from(DefaultClock::default().now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_a_burst_and_then_one_try_at_a_time() {
        let begin = Instant::now();
        let mut strangers = Strangers::new(begin);
        (0..STRANGERS).for_each(|_| assert_eq!(strangers.attempt(begin), Ok(())));
        assert_eq!(strangers.attempt(begin), Err(STRANGERS_EVERY));
        // One that was right is not counted.
        strangers.forgive();
        assert_eq!(strangers.attempt(begin), Ok(()));
        assert_eq!(strangers.attempt(begin + Duration::from_secs(1)), Err(Duration::from_secs(5)));
        let later = begin + STRANGERS_EVERY;
        assert_eq!(strangers.attempt(later), Ok(()));
        assert_eq!(strangers.attempt(later), Err(STRANGERS_EVERY));
        // It does not fill up beyond a burst.
        let much_later = begin + Duration::from_secs(3600);
        (0..STRANGERS).for_each(|_| assert_eq!(strangers.attempt(much_later), Ok(())));
        assert!(strangers.attempt(much_later).is_err());
    }
}
