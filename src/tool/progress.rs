//! How a running call says how far it has come.

use tokio::sync::watch;

use crate::chat::message;

/// Most of what a call says at once that is kept.
const MESSAGE_CHARS: usize = 2000;

/// Never waits: what is said before the last thing was passed on takes its place.
#[derive(Debug, Clone)]
pub struct Progress(watch::Sender<message::Progress>);

impl Progress {
    /// The second half hears the newest thing that was said.
    pub fn channel() -> (Self, watch::Receiver<message::Progress>) {
        let (sender, receiver) = watch::channel(message::Progress::default());
        (Self(sender), receiver)
    }

    /// One that nobody listens to.
    pub fn unheard() -> Self {
        Self::channel().0
    }

    /// `fraction` goes from 0 to 1, where it is known.
    pub fn say(&self, message: Option<&str>, fraction: Option<f64>) {
        let message = message.map(|message| message.chars().take(MESSAGE_CHARS).collect());
        let fraction =
            fraction.filter(|fraction| fraction.is_finite()).map(|fraction| fraction.clamp(0.0, 1.0));
        self.0.send_replace(message::Progress { message, fraction });
    }
}
