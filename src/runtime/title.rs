//! A title for a conversation, from the model, after the first exchange. Never waited for.

use tracing::debug;

use super::Shared;
use super::compaction::ask;
use crate::chat::context::{Item, Prompt, spoken};
use crate::chat::event::Settings;
use crate::chat::message::{Part, Role};
use crate::id::{ConversationId, MessageId};
use crate::provider::Purpose;

/// Of the conversation so much is read.
const READ_AT_MOST: usize = 8 * 1024;

/// Of each message.
const SAID_AT_MOST: usize = 2000;

const TITLE_CHARS: usize = 80;

/// Room for a few words, and for a model that thinks before it speaks.
const TITLE_TOKENS: u32 = 1024;

pub(super) async fn find(
    shared: &Shared,
    id: ConversationId,
    head: MessageId,
    agent: &str,
) -> Option<String> {
    let agent = shared.agents.get(agent)?;
    let model = agent.model(agent.options.title_model.as_deref()).await.ok()?;
    let path = shared.store.prompt_path(id, head, READ_AT_MOST).await.ok()??;
    let messages = path.messages.iter().take(4).map(|message| {
        let who = if message.role == Role::Assistant { "assistant" } else { "person" };
        let text = spoken(message);
        let text = &text[..text.floor_char_boundary(SAID_AT_MOST)];
        format!("<message from=\"{who}\">\n{}\n</message>\n", text.trim())
    });
    let text = messages.collect::<Vec<_>>().join("\n");
    let system = Some(include_str!("../../prompts/title.md").trim().to_owned());
    let prompt = Prompt { system, items: vec![Item::User { parts: vec![Part::Text { text }] }] };
    let settings = Settings { max_output_tokens: Some(TITLE_TOKENS), ..Settings::default() };
    match ask(agent, &model, Purpose::Title, prompt, settings).await {
        Ok(title) => tidy(&title),
        Err(failure) => {
            debug!(%failure, "no title was found");
            None
        }
    }
}

/// The first line, without what models like to put around it.
fn tidy(title: &str) -> Option<String> {
    let line = title.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = line.trim_start_matches(['#', ' ']);
    let line = line.strip_prefix("Title:").unwrap_or(line);
    let ornament = [' ', '"', '\'', '*', '“', '”', '«', '»', '„'];
    let line = line.trim_start_matches(ornament).trim_end_matches(|c| c == '.' || ornament.contains(&c));
    let line: String = line.chars().filter(|c| !c.is_control()).take(TITLE_CHARS).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn a_title_is_one_line_without_ornament() {
        assert_eq!(tidy("\n**\"Counting sheep\"**.\nMore"), Some("Counting sheep".to_owned()));
        assert_eq!(tidy("# Title: Über Züge"), Some("Über Züge".to_owned()));
        assert_eq!(tidy(&"x".repeat(500)).unwrap().len(), 80);
        assert_eq!(tidy(" \n \"\" "), None);
    }
}
