//! From the bytes of an answer to what they say. Knows nothing of sockets: a file will do.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};

use crate::provider::answer::Answer;
use crate::provider::caps::Caps;
use crate::provider::failure::Failure;
use crate::provider::redact::Redactor;
use crate::provider::sse::{Frame, Frames, Framing};
use crate::provider::tool_names::ToolNames;
use crate::provider::wire::{ByteStream, Lines, byte_stream};
use crate::provider::{Kind, ModelStream, anthropic, ollama, openai_chat, openai_responses};

/// Once the answer is whole, so long do we wait for what may still follow, such as the usage.
const GRACE: Duration = Duration::from_secs(5);

/// Turns the frames of one API into outputs.
pub(crate) trait Fold: Send {
    fn frame(&mut self, frame: &Frame, answer: &mut Answer) -> Result<Progress, Failure>;

    /// The bytes ended in good order: either the answer is whole, or it was cut.
    fn end(&mut self, answer: &mut Answer) -> Result<(), Failure>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    /// The provider said why it stopped. What follows is worth having but not needed.
    Whole,
    /// Nothing follows.
    Done,
}

/// Decodes one answer of that kind of API, with the default caps. The demo has no bytes and gives nothing.
pub fn decode<S, E>(kind: Kind, bytes: S) -> ModelStream
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Display + 'static,
{
    decode_within(kind, bytes, Caps::default())
}

/// Decodes one answer of that kind of API. Time counts from the first poll.
pub fn decode_within<S, E>(kind: Kind, bytes: S, caps: Caps) -> ModelStream
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Display + 'static,
{
    let bytes = byte_stream(bytes, Redactor::default());
    stream::once(async move {
        let manner = Manner { caps, redactor: Redactor::default(), tool_names: ToolNames::default() };
        match fold(kind, &manner) {
            Some((framing, fold)) => read(framing, fold, bytes, manner, Instant::now()),
            None => stream::empty().boxed(),
        }
    })
    .flatten()
    .boxed()
}

/// What decoding an answer depends on besides its bytes.
pub(crate) struct Manner {
    pub(crate) caps: Caps,
    pub(crate) redactor: Redactor,
    pub(crate) tool_names: ToolNames,
}

fn fold(kind: Kind, manner: &Manner) -> Option<(Framing, Box<dyn Fold>)> {
    let redactor = manner.redactor.clone();
    match kind {
        Kind::OpenaiChat => Some((Framing::Events, Box::new(openai_chat::Folding::new(redactor)))),
        Kind::OpenaiResponses => Some((Framing::Events, Box::new(openai_responses::Folding::new(redactor)))),
        Kind::Anthropic => Some((Framing::Events, Box::new(anthropic::Folding::new(redactor)))),
        Kind::Ollama => Some((Framing::JsonLines, Box::new(ollama::Folding::new(redactor)))),
        Kind::Demo => None,
    }
}

/// Reads an answer that was asked for at `asked_at`.
pub(crate) fn read(
    framing: Framing,
    fold: Box<dyn Fold>,
    bytes: ByteStream,
    manner: Manner,
    asked_at: Instant,
) -> ModelStream {
    // Boxed, since it changes hands with every output.
    let reading = Box::new(Reading {
        frames: Frames::new(framing, Lines::new(bytes, manner.caps, asked_at)),
        fold,
        answer: Answer::new(manner.tool_names),
        progress: Progress::More,
        failure: None,
    });
    stream::unfold(reading, |mut reading| async move {
        let item = reading.next().await?;
        Some((item, reading))
    })
    .boxed()
}

struct Reading {
    frames: Frames,
    fold: Box<dyn Fold>,
    answer: Answer,
    progress: Progress,
    failure: Option<Failure>,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<crate::chat::turn::ModelOutput, Failure>> {
        loop {
            if let Some(output) = self.answer.pop() {
                return Some(Ok(output));
            }
            if let Some(failure) = self.failure.take() {
                self.progress = Progress::Done;
                return Some(Err(match self.answer.has_output() {
                    true => failure.after_output(),
                    false => failure,
                }));
            }
            let frame = match self.progress {
                Progress::Done => return None,
                Progress::More => self.frames.next().await,
                Progress::Whole => timeout(GRACE, self.frames.next()).await.unwrap_or(None),
            };
            self.failure = self.take_in(frame).err();
        }
    }

    fn take_in(&mut self, frame: Option<Result<Frame, Failure>>) -> Result<(), Failure> {
        match frame {
            Some(Ok(frame)) => self.progress = self.fold.frame(&frame, &mut self.answer)?,
            // Whatever happens to the connection of a whole answer does not unmake it.
            Some(Err(failure)) if self.progress == Progress::More => return Err(failure),
            Some(Err(_)) | None => {
                self.progress = Progress::Done;
                self.fold.end(&mut self.answer)?;
            }
        }
        Ok(())
    }
}
