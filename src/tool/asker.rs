//! How a running call asks a person.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::chat::question::Answer;

/// One question is open at a time; the next ones wait.
#[derive(Debug, Clone)]
pub struct Asker(mpsc::Sender<Asked>);

/// What a call wants to know. Whoever asked has lost interest when nobody holds the other end of `reply`.
#[derive(Debug)]
pub struct Asked {
    pub message: String,
    /// JSON Schema of a form, already checked by [`super::check_declared_schema`].
    pub schema: Option<Value>,
    pub url: Option<String>,
    pub reply: oneshot::Sender<Answer>,
}

impl Asker {
    pub fn channel() -> (Self, mpsc::Receiver<Asked>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// One that nobody listens to.
    pub fn unheard() -> Self {
        Self::channel().0
    }

    /// Waits for as long as people may take; who drops the future withdraws the question.
    pub async fn ask(&self, message: String, schema: Option<Value>, url: Option<String>) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.0.send(Asked { message, schema, url, reply }).await.is_err() {
            return Answer::cancel();
        }
        answer.await.unwrap_or(Answer::cancel())
    }
}
