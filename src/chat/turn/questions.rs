//! What running tools ask people. A question is over when it is answered, when its time is over, or when its call ends;
//! a restart ends the call, or begins it anew, and the question with it.

use std::time::Duration;

use super::{Decision, Effect, OpenCall, Stamp, Turn, Wake};
use crate::chat::event::Event;
use crate::chat::message::CallState;
use crate::chat::question::{Answer, AnswerAction, Question};
use crate::id::{CallId, QuestionId};

/// Whoever does not answer for so long has cancelled.
const LASTS: Duration = Duration::from_hours(1);

pub(super) fn asked(turn: &Turn, call_id: CallId, question: Question, stamp: &Stamp) -> Decision {
    let mut decision = Decision::default();
    let Some(open) = turn.call(call_id).filter(|open| open.call.state == CallState::Started) else {
        return decision;
    };
    let (turn_id, question_id) = (turn.id, question.id);
    // One at a time; whoever asks waits for its turn.
    if open.call.question.is_some() {
        decision.effects.push(Effect::PassAnswer { call_id, question_id, answer: Answer::cancel() });
        return decision;
    }
    decision.event(Event::ToolAsked { turn_id, call_id, question });
    let at = stamp.now.plus(LASTS);
    decision.effects.push(Effect::WakeAt { turn_id, wake: Wake::Question(question_id), at });
    decision
}

/// The first one wins.
pub(super) fn answered(turn: &Turn, call_id: CallId, question_id: QuestionId, answer: Answer) -> Decision {
    let mut decision = Decision::default();
    if turn.call(call_id).is_some_and(|open| open.asks(question_id)) {
        let action = answer.action;
        decision.event(Event::ToolAnswered { turn_id: turn.id, call_id, question_id, action });
        decision.effects.push(Effect::PassAnswer { call_id, question_id, answer });
    }
    decision
}

pub(super) fn expired(turn: &Turn, question_id: QuestionId) -> Decision {
    match turn.calls.iter().find(|open| open.asks(question_id)) {
        Some(open) => answered(turn, open.call.id, question_id, Answer::cancel()),
        None => Decision::default(),
    }
}

/// A call begins anew: whoever asked is not there any more.
pub(super) fn forget(turn: &Turn, open: &OpenCall, decision: &mut Decision) {
    if let Some(question) = &open.call.question {
        let (turn_id, call_id, question_id) = (turn.id, open.call.id, question.id);
        let action = AnswerAction::Cancel;
        decision.event(Event::ToolAnswered { turn_id, call_id, question_id, action });
    }
}

pub(super) fn is_any_open(turn: &Turn) -> bool {
    turn.calls.iter().any(|open| open.call.question.is_some())
}

impl OpenCall {
    pub fn asks(&self, question_id: QuestionId) -> bool {
        self.call.question.as_ref().is_some_and(|question| question.id == question_id)
    }
}
