//! Takes the questions of a running call to its conversation, one after the other, and the answers back.

use tokio::sync::mpsc;

use super::tool::{Ended, Line};
use crate::chat::question::{Answer, Question};
use crate::chat::turn::Input;
use crate::id::{CallId, QuestionId};
use crate::tool::Asked;

/// Where the actor puts what people answered, once that is durable.
pub(super) type Answers = mpsc::Receiver<(QuestionId, Answer)>;

/// One question is open at a time; beside its answer there may be late ones to those that were withdrawn.
pub(super) const ROOM: usize = 8;

pub(super) async fn ask(
    mut asked: mpsc::Receiver<Asked>,
    mut answers: Answers,
    call_id: CallId,
    line: &Line,
) -> Ended {
    while let Some(Asked { message, schema, url, mut reply }) = asked.recv().await {
        let id = QuestionId::new();
        line.tell(Input::ToolAsked { call_id, question: Question { id, message, schema, url } }).await;
        let mut wanted = true;
        let answer = loop {
            tokio::select! {
                passed = answers.recv() => match passed {
                    Some((of, answer)) if of == id => break answer,
                    Some(_) => {}
                    None => break Answer::cancel(),
                },
                () = reply.closed(), if wanted => {
                    wanted = false;
                    let answer = Answer::cancel();
                    line.tell(Input::ToolAnswered { call_id, question_id: id, answer }).await;
                }
            }
        };
        // Whoever asked may have lost interest.
        let _ = reply.send(answer);
    }
    // The call asks no more; its end comes by itself.
    std::future::pending().await
}
