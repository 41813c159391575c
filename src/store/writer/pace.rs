//! How much of the writer's time bulk work gets: all that is left over, and the less the busier people are.
//!
//! A job of an import is short, but whoever comes while it is committed waits for it. So after each one the import
//! waits in turn, for as long as its share says.

use std::time::{Duration, Instant};

/// Bulk work of one batch ends once it took this long, where nobody else is about.
const SLICE: Duration = Duration::from_millis(1);

/// People's share of the time is measured over so long, and halves so often once they are gone.
const WINDOW: Duration = Duration::from_millis(100);

/// With people there all the time, bulk work pauses for so many times as long as it took.
const PAUSE: f64 = 60.0;

/// It always goes on after that.
const LONGEST: Duration = Duration::from_millis(20);

/// Below this share nobody is about.
const NOBODY: f64 = 0.002;

#[derive(Debug)]
pub(in crate::store) struct Pace {
    window_began: Instant,
    in_window: Duration,
    /// Of the time, people's work took so much.
    share: f64,
    next: Instant,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { window_began: now, in_window: Duration::ZERO, share: 0.0, next: now }
    }

    /// When bulk work may go on.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// How long the bulk work of one batch may take; a job that was begun ends all the same.
    pub fn slice(&self) -> Duration {
        if self.share < NOBODY { SLICE } else { Duration::ZERO }
    }

    /// A batch is over: it began then, and `bulk` of it was bulk work.
    pub fn settle(&mut self, began: Instant, now: Instant, people: bool, bulk: Duration) {
        let took = now.saturating_duration_since(began);
        if people {
            self.in_window += took.saturating_sub(bulk);
        }
        let window = now.saturating_duration_since(self.window_began);
        if window >= WINDOW {
            let share = self.in_window.as_secs_f64() / window.as_secs_f64();
            // A long window is several that are over.
            let halvings = (window.as_secs_f64() / WINDOW.as_secs_f64()).min(64.0);
            let kept = 0.5f64.powf(halvings);
            self.share = self.share * kept + share * (1.0 - kept);
            (self.window_began, self.in_window) = (now, Duration::ZERO);
        }
        if !bulk.is_zero() {
            // What it adds to a commit that was there anyway is about as much again as applying it.
            let cost = if people { bulk * 2 } else { took };
            self.next = now + cost.mul_f64(self.share * PAUSE).min(LONGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn bulk_work_goes_on_at_once_where_nobody_is_about() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for at in 0..100 {
            let began = start + MS * at * 2;
            pace.settle(began, began + MS, false, MS);
            assert_eq!((pace.next(), pace.slice()), (began + MS, SLICE));
        }
    }

    #[test]
    fn the_busier_people_are_the_longer_it_pauses_and_it_recovers_once_they_are_gone() {
        let pause = |busy: u32| {
            let start = Instant::now();
            let mut pace = Pace::new(start);
            let mut now = start;
            for _ in 0..200 {
                // So many of ten milliseconds are people's.
                pace.settle(now, now + MS * busy, true, Duration::ZERO);
                now += MS * 10;
            }
            pace.settle(now, now + MS / 2, false, MS / 2);
            (pace.next().saturating_duration_since(now + MS / 2), pace, now)
        };
        let (seldom, busy) = (pause(1).0, pause(9).0);
        assert!(seldom > MS * 2 && seldom < MS * 4, "{seldom:?}");
        assert_eq!(busy, LONGEST);

        let (_, mut pace, now) = pause(9);
        let mut later = now;
        for _ in 0..3 {
            later += Duration::from_secs(1);
            pace.settle(later, later + MS, false, MS);
        }
        assert!(pace.next() < later + MS + MS / 100);
        assert_eq!(pace.slice(), SLICE);
    }
}
