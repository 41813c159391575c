//! What people ask of search: words of something that they may read, as they remember it.

use crate::corpus::{Conversation, Corpus, Dice, FROM, UNTIL, USERS};

/// Shorter words are seldom what somebody looks for.
const SHORTEST: usize = 4;

const ASSISTANT: &str = "assistant";

/// A prefix has so many letters.
const PREFIX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Words,
    Phrase,
    Prefix,
    InConversation,
    ByRole,
    ByAgent,
    Since,
    Japanese,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Word,
        Self::Words,
        Self::Phrase,
        Self::Prefix,
        Self::InConversation,
        Self::ByRole,
        Self::ByAgent,
        Self::Since,
        Self::Japanese,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Word => "a word",
            Self::Words => "three words",
            Self::Phrase => "a phrase",
            Self::Prefix => "a prefix",
            Self::InConversation => "a word in one conversation",
            Self::ByRole => "a word of the assistant",
            Self::ByAgent => "a word of one agent",
            Self::Since => "a word of the last months",
            Self::Japanese => "Japanese",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One search.
pub struct Question {
    /// Below [`USERS`].
    pub user: usize,
    /// As it is typed.
    pub typed: String,
    pub only: Option<Only>,
}

/// What a search is narrowed to.
pub enum Only {
    Conversation(usize),
    Role(&'static str),
    Agent(&'static str),
    Since(i64),
}

impl Question {
    /// Another one for each number.
    pub fn draw(corpus: &Corpus, kind: Kind, number: u64) -> Self {
        let mut dice = Dice::new(u64::MAX - number);
        loop {
            // Something of one's own.
            let user = dice.index(USERS.min(corpus.conversations));
            let own = corpus.conversations.div_ceil(USERS);
            let from = (user + USERS * dice.index(own)).min(corpus.conversations - 1);
            let conversation = corpus.conversation(from);
            let user = conversation.owner;
            let Some(typed) = remembered(corpus, kind, &conversation, &mut dice) else { continue };
            let only = match kind {
                Kind::InConversation => Some(Only::Conversation(from)),
                Kind::ByRole => Some(Only::Role(ASSISTANT)),
                Kind::ByAgent => Some(Only::Agent(conversation.agent)),
                Kind::Since => Some(Only::Since(UNTIL - (UNTIL - FROM) / 8)),
                Kind::Word | Kind::Words | Kind::Phrase | Kind::Prefix | Kind::Japanese => None,
            };
            return Self { user, typed, only };
        }
    }

    /// The parameters of a request.
    pub fn query(&self, conversation_id: impl Fn(usize) -> String) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", &self.typed);
        match self.only {
            None => {}
            Some(Only::Conversation(number)) => {
                query.append_pair("conversation_id", &conversation_id(number));
            }
            Some(Only::Role(role)) => {
                query.append_pair("role", role);
            }
            Some(Only::Agent(agent)) => {
                query.append_pair("agent", agent);
            }
            Some(Only::Since(millis)) => {
                let at = jiff::Timestamp::from_millisecond(millis).expect("a time of our days");
                query.append_pair("since", &format!("{at:.3}"));
            }
        }
        query.finish()
    }
}

fn remembered(corpus: &Corpus, kind: Kind, conversation: &Conversation, dice: &mut Dice) -> Option<String> {
    let said = &conversation.messages[dice.index(conversation.messages.len())];
    if kind == Kind::ByRole && said.role != ASSISTANT {
        return None;
    }
    let text = &said.text;
    let japanese = !text.is_ascii() && !text.contains(' ');
    if japanese != (kind == Kind::Japanese) {
        return None;
    }
    if japanese {
        // Between two stops.
        let stretches: Vec<Vec<char>> = text
            .split(|letter: char| !letter.is_alphanumeric())
            .map(|stretch| stretch.chars().collect())
            .filter(|letters: &Vec<char>| letters.len() >= 4)
            .collect();
        let letters = stretches.get(dice.index(stretches.len().max(1)))?;
        let length = 2 + dice.index(3);
        let from = dice.index(letters.len() - length + 1);
        return Some(letters[from..from + length].iter().collect());
    }
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase())
        .collect();
    let is_word = |word: &&String| word.chars().all(char::is_alphanumeric);
    let telling: Vec<&String> = words
        .iter()
        .filter(is_word)
        .filter(|word| word.chars().count() >= SHORTEST && !corpus.is_frequent(word))
        .collect();
    match kind {
        Kind::Words => {
            let mut some: Vec<&str> =
                (0..3.min(telling.len())).map(|_| telling[dice.index(telling.len())].as_str()).collect();
            some.dedup();
            (some.len() == 3).then(|| some.join(" "))
        }
        Kind::Phrase => {
            let from = dice.index(words.len().checked_sub(3)?.max(1));
            let stretch = words.get(from..from + 3)?;
            let whole = stretch.iter().all(|word| is_word(&word) && !word.is_empty());
            (whole && stretch.iter().any(|word| telling.contains(&word)))
                .then(|| format!("\"{}\"", stretch.join(" ")))
        }
        Kind::Prefix => {
            let word = telling.get(dice.index(telling.len().max(1)))?;
            Some(word.chars().take(PREFIX).chain(['*']).collect())
        }
        Kind::Word | Kind::InConversation | Kind::ByRole | Kind::ByAgent | Kind::Since | Kind::Japanese => {
            telling.get(dice.index(telling.len().max(1))).map(|word| (*word).clone())
        }
    }
}
