//! Asks again while nothing of an answer was shown, with full-jitter back-off inside one deadline.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use crate::chat::turn::ModelOutput;
use crate::provider::ModelStream;
use crate::provider::failure::Failure;

const FIRST_STEP: Duration = Duration::from_millis(400);
const LONGEST_STEP: Duration = Duration::from_secs(15);

/// How long we keep trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) deadline: Duration,
    pub(crate) retries: u32,
}

/// Whether an answer that was accepted can be followed again by its id, and so must be announced at once and never
/// be asked for twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuity {
    OneConnection,
    Reattachable,
}

/// The stream of the first attempt that shows something, or the failure of the last.
pub(crate) fn persist(
    patience: Patience,
    continuity: Continuity,
    attempt: impl Fn() -> ModelStream + Send + Sync + 'static,
) -> ModelStream {
    // Boxed, since it changes hands with every output.
    let trying = Box::new(Trying {
        stream: attempt(),
        attempt,
        patience,
        continuity,
        began: None,
        retries: 0,
        opened: None,
        next: None,
        phase: Phase::Asking,
    });
    stream::unfold(trying, |mut trying| async move {
        let item = trying.next().await?;
        Some((item, trying))
    })
    .boxed()
}

struct Trying<F> {
    stream: ModelStream,
    attempt: F,
    patience: Patience,
    continuity: Continuity,
    began: Option<Instant>,
    retries: u32,
    /// Held back until something follows it, since another attempt would have another one.
    opened: Option<ModelOutput>,
    next: Option<ModelOutput>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Asking,
    Showing,
    Over,
}

impl<F: Fn() -> ModelStream> Trying<F> {
    async fn next(&mut self) -> Option<Result<ModelOutput, Failure>> {
        if let Some(output) = self.next.take() {
            return Some(Ok(output));
        }
        match self.phase {
            Phase::Over => None,
            Phase::Showing => self.stream.next().await,
            Phase::Asking => self.first().await,
        }
    }

    async fn first(&mut self) -> Option<Result<ModelOutput, Failure>> {
        let began = *self.began.get_or_insert_with(Instant::now);
        loop {
            match self.stream.next().await {
                Some(Ok(opened @ ModelOutput::Opened { .. }))
                    if self.continuity == Continuity::OneConnection =>
                {
                    self.opened = Some(opened);
                }
                Some(Ok(output)) => {
                    self.phase = Phase::Showing;
                    let Some(opened) = self.opened.take() else {
                        return Some(Ok(output));
                    };
                    self.next = Some(output);
                    return Some(Ok(opened));
                }
                None => {
                    self.phase = Phase::Over;
                    return self.opened.take().map(Ok);
                }
                Some(Err(failure)) => {
                    let left = self.patience.deadline.saturating_sub(began.elapsed());
                    let Some(pause) = self.pause(&failure).filter(|pause| *pause < left) else {
                        self.phase = Phase::Over;
                        return Some(Err(failure.without_output()));
                    };
                    sleep(pause).await;
                    self.retries += 1;
                    self.opened = None;
                    self.stream = (self.attempt)();
                }
            }
        }
    }

    /// How long to wait before the next attempt, where one is due.
    fn pause(&self, failure: &Failure) -> Option<Duration> {
        if !failure.is_retryable() || self.retries >= self.patience.retries {
            return None;
        }
        let step = FIRST_STEP.saturating_mul(1 << self.retries.min(10)).min(LONGEST_STEP);
        let jitter = step.mul_f64(rand::random::<f64>());
        // Never before the provider said, but not all of us in the same moment either.
        Some(match failure.retry_after {
            Some(asked) => asked.saturating_add(jitter.min(asked / 10 + Duration::from_millis(50))),
            None => jitter,
        })
    }
}
