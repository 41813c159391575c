//! One conversation into the store, beside people's turns and in small jobs, so that nobody's stream notices.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::super::Runtime;
use crate::chat::event::{Event, Seq};
use crate::clock::Timestamp;
use crate::id::ConversationId;
use crate::import::{Format, Identity, Known, Plan, Reason, Skipped};
use crate::scope::Scope;
use crate::store::{self, Conflict, Imported, Job, Lane, Record};

/// What one job holds, at most: it is applied in a fraction of a millisecond.
const EVENTS: usize = 8;
const BYTES: usize = 64 * 1024;

/// Jobs of one conversation that wait for the writer at the same time.
const JOBS: usize = 32;

/// Somebody else may be writing the same conversation.
const TRIES: usize = 5;

/// A full disk is probed again so often, and an awake conversation looked at.
const AGAIN: Duration = Duration::from_secs(1);

/// What became of a conversation.
pub(super) enum Outcome {
    Created {
        messages: u64,
    },
    Grown {
        messages: u64,
    },
    Unchanged,
    Skipped(Skipped),
    /// An actor is awake there.
    Busy,
    /// Nothing is stored any more by this process.
    Ended,
}

pub(super) async fn store(runtime: &Runtime, identity: &Identity, plan: &mut Plan) -> Outcome {
    let scope = Scope::acting_for(identity.workspace_id, identity.user_id);
    let skipped = |plan: &Plan, reason| Outcome::Skipped(Skipped::new(reason).of(&plan.external_id));
    // Our own export, brought back to where it is from: what is still here needs no copy.
    if plan.format == Format::Weir
        && let Ok(original) = plan.external_id.parse::<ConversationId>()
        && runtime.store().conversation(&scope, original).await.is_ok_and(|found| found.is_some())
    {
        return Outcome::Unchanged;
    }
    let mut tries = 0;
    loop {
        let held = runtime.hold(plan.id());
        let (known, end, busy) = match runtime.store().imported(&scope, plan.id()).await {
            Ok(Imported::Never) => (Known::default(), Seq::START, false),
            Ok(Imported::Deleted) => return skipped(plan, Reason::Deleted),
            Ok(Imported::Here { head, last_seq, messages, deleted, busy }) => {
                (Known { exists: true, head, messages, deleted }, last_seq, busy)
            }
            Err(error) => return failed(plan, &error),
        };
        let steps = plan.steps(identity, &known, runtime.clock().now());
        if steps.events.is_empty() {
            plan.skipped.extend(steps.skipped);
            return Outcome::Unchanged;
        }
        let Some(held) = held.filter(|_| !busy) else { return Outcome::Busy };
        let messages = steps.messages;
        plan.skipped.extend(steps.skipped);
        let written = write(runtime, plan.id(), end, steps.events).await;
        held.tell(written.1);
        match written.0 {
            Ok(()) if known.exists => return Outcome::Grown { messages },
            Ok(()) => return Outcome::Created { messages },
            Err(store::Error::Full | store::Error::Busy) => tokio::time::sleep(AGAIN).await,
            Err(store::Error::Refused(Conflict::NameTaken { .. })) => plan.without_name(),
            Err(store::Error::Refused(_)) if tries < TRIES => tries += 1,
            Err(error) => return failed(plan, &error),
        }
    }
}

fn failed(plan: &Plan, error: &store::Error) -> Outcome {
    match error {
        store::Error::Sealed | store::Error::Closed => Outcome::Ended,
        error => {
            tracing::warn!(%error, conversation_id = %plan.id(), "a conversation could not be imported");
            let skipped = Skipped::new(Reason::Malformed).of(&plan.external_id);
            Outcome::Skipped(skipped.detail("the store does not take it"))
        }
    }
}

/// Appends the events, and says where the log ends now. A part of them may be there where it failed.
async fn write(
    runtime: &Runtime,
    id: ConversationId,
    end: Seq,
    events: Vec<(Timestamp, Event)>,
) -> (Result<(), store::Error>, Seq) {
    // Each is on its way before the one before it is answered; if that one fails, so do those behind it.
    let jobs = stream::iter(jobs(id, end, events)).map(|job| {
        let end = job.expected_last_seq.plus(job.records.len() as u64);
        async move { (runtime.store().commit(Lane::Bulk, job).await, end) }
    });
    let mut jobs = std::pin::pin!(jobs.buffered(JOBS));
    let (mut outcome, mut end) = (Ok(()), end);
    while let Some((committed, after)) = jobs.next().await {
        match (committed, &outcome) {
            (Ok(()), _) => end = after,
            (Err(error), Ok(())) => outcome = Err(error),
            (Err(_), Err(_)) => {}
        }
    }
    (outcome, end)
}

fn jobs(id: ConversationId, end: Seq, events: Vec<(Timestamp, Event)>) -> impl Iterator<Item = Job> {
    let mut events = events.into_iter().peekable();
    let mut end = end;
    std::iter::from_fn(move || {
        events.peek()?;
        let (mut records, mut bytes) = (Vec::with_capacity(EVENTS), 0);
        let expected_last_seq = end;
        while records.len() < EVENTS
            && let Some((at, event)) =
                events.next_if(|(_, event)| bytes == 0 || bytes + weight(event) <= BYTES)
        {
            bytes += weight(&event);
            records.push(Record::Event { conversation_id: id, prev: end, at, event });
            end = end.plus(1);
        }
        Some(Job { conversation_id: id, expected_last_seq, records })
    })
}

fn weight(event: &Event) -> usize {
    match event {
        Event::MessageCreated { message, .. } => {
            message.parts.iter().map(|part| part.streamed().len()).sum::<usize>() + 1
        }
        Event::ToolProposed { call, .. } => {
            call.args_text.len() + call.output.as_ref().map_or(0, String::len) + 1
        }
        _ => 1,
    }
}
