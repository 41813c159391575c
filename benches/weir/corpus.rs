//! What many people have said: conversations drawn from a seed, the same in every process and every run.
//!
//! Words are drawn as in a real language, the second half as often as the first, and so on (Zipf's law with exponent
//! 1); a conversation comes back to words of its own; answers are longer than questions, 60 words on average; most is
//! English, some is German, French and Japanese, and some answers hold code. No word of it is anybody's.

mod code;
mod dice;
mod tongue;

pub use dice::Dice;
use tongue::{Tongue, Tongues};

/// Conversations have so many messages on average.
pub const MESSAGES: usize = 20;
pub const USERS: usize = 200;

/// So many of a hundred conversations are read by everybody in the workspace.
const SHARED: u64 = 5;

/// What everything was said in: two years, in milliseconds since 1970.
pub const FROM: i64 = 1_700_000_000_000;
pub const UNTIL: i64 = FROM + 730 * 24 * 3_600_000;

/// Words that a conversation comes back to, and how many of a hundred words those are.
const TOPIC: usize = 12;
const ON_TOPIC: u64 = 15;

pub struct Corpus {
    tongues: Tongues,
    pub conversations: usize,
}

pub struct Conversation {
    /// Below [`USERS`].
    pub owner: usize,
    pub shared: bool,
    pub agent: &'static str,
    pub title: String,
    pub messages: Vec<Said>,
}

/// A message. The first is a user's, and they take turns.
pub struct Said {
    pub role: &'static str,
    pub text: String,
    pub at: i64,
}

impl Corpus {
    /// Of about so many messages.
    pub fn new(messages: usize) -> Self {
        Self { tongues: Tongues::new(), conversations: messages / MESSAGES }
    }

    pub fn conversation(&self, number: usize) -> Conversation {
        let mut dice = Dice::new(number as u64);
        let tongue = self.tongues.of(dice.below(100));
        let topic: Vec<&str> = (0..TOPIC).map(|_| tongue.topical(&mut dice)).collect();
        let title: Vec<&str> = topic.iter().take(4).copied().collect();
        let mut at = self.began(number, &mut dice);
        let mut said = |dice: &mut Dice, role| {
            at += 20_000 + i64::try_from(dice.below(100_000)).expect("minutes");
            Said { role, text: text(dice, tongue, &topic, role), at }
        };
        let pairs = 1 + dice.long_tailed(MESSAGES as f64 / 2.0 - 1.0, 60);
        let mut messages = Vec::with_capacity(2 * pairs);
        for _ in 0..pairs {
            messages.push(said(&mut dice, "user"));
            messages.push(said(&mut dice, "assistant"));
        }
        Conversation {
            owner: number % USERS,
            shared: dice.below(100) < SHARED,
            agent: match dice.below(10) {
                0 => "paced-50",
                1 | 2 => "instant",
                _ => "default",
            },
            title: title.join(tongue.space()),
            messages,
        }
    }

    /// They begin one after another.
    fn began(&self, number: usize, dice: &mut Dice) -> i64 {
        let each = (UNTIL - FROM).unsigned_abs() / self.conversations.max(1) as u64;
        FROM + i64::try_from(number as u64 * each + dice.below(each)).expect("two years")
    }

    /// Whether it is one of the words that are in every other sentence.
    pub fn is_frequent(&self, word: &str) -> bool {
        self.tongues.is_frequent(word)
    }
}

fn text(dice: &mut Dice, tongue: &Tongue, topic: &[&str], role: &str) -> String {
    let asks = role == "user";
    let words = if asks { 3 + dice.long_tailed(25.0, 300) } else { 10 + dice.long_tailed(80.0, 800) };
    let mut text = String::with_capacity(words * 7);
    let mut in_sentence = 0;
    for left in (0..words).rev() {
        let word =
            if dice.below(100) < ON_TOPIC { topic[dice.index(topic.len())] } else { tongue.draw(dice) };
        if in_sentence > 0 {
            text.push_str(tongue.space());
            text.push_str(word);
        } else {
            text.extend(word.chars().take(1).flat_map(char::to_uppercase));
            text.extend(word.chars().skip(1));
        }
        in_sentence += 1;
        if left == 0 || (in_sentence > 4 && dice.below(12) == 0) {
            text.push_str(tongue.stop(asks && left == 0));
            in_sentence = 0;
            if left > 0 {
                text.push_str(if dice.below(6) == 0 { "\n\n" } else { tongue.space() });
            }
        } else if in_sentence > 1 && dice.below(14) == 0 {
            text.push_str(tongue.comma());
        }
    }
    if !asks && dice.below(8) == 0 {
        text.push_str("\n\n");
        code::write(&mut text, dice, topic, tongue);
    }
    text
}
