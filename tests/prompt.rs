//! The embedded system prompt.

use minijinja::{Environment, context};

const PROMPT: &str = include_str!("../prompts/default.md");

#[test]
fn the_default_prompt_renders_with_what_there_is() {
    let environment = Environment::new();
    let bare =
        environment.render_str(PROMPT, context! { agent_name => "Weir", date => "2026-11-21" }).unwrap();
    assert!(bare.starts_with("You are Weir, a helpful assistant.\nToday is 2026-11-21.\n"), "{bare}");
    assert!(!bare.contains("tools") && !bare.contains('{'), "{bare}");

    let full = context! {
        agent_name => "Weir",
        agent_description => "answers for the shop",
        date => "2026-11-21",
        tools => ["clock", "refund"],
    };
    let full = environment.render_str(PROMPT, full).unwrap();
    assert!(full.starts_with("You are Weir: answers for the shop.\n"), "{full}");
    assert!(full.contains("You have these tools: clock, refund."), "{full}");
}
