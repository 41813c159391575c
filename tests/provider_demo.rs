//! The built-in model, on paused time.

use futures_util::StreamExt;
use serde_json::json;
use weir::chat::context::{Item, Prompt, PromptPart, ToolSpec};
use weir::chat::message::{FinishReason, Part};
use weir::chat::turn::ModelOutput;
use weir::clock::Clock;
use weir::id::CallId;
use weir::provider::{Ending, Kind, Options, Request, choose, connect};

fn user(text: &str) -> Item {
    Item::User { parts: vec![Part::Text { text: text.into() }] }
}

fn said(text: &str) -> Item {
    let part = Part::Text { text: text.into() };
    Item::Assistant { parts: vec![PromptPart { part, opaque: None }] }
}

fn request(items: Vec<Item>) -> Request {
    let tool = |name: &str| ToolSpec { name: name.into(), description: String::new(), schema: json!({}) };
    let mut request = Request::new("demo", Prompt { system: None, items });
    request.tools = ["clock", "calculator", "files.delete"].map(tool).to_vec();
    request
}

/// The parts of an answer, and why it ended.
async fn answer(request: Request) -> (Vec<String>, FinishReason) {
    let provider = connect(&Options::new(Kind::Demo), &|_| None, Clock::System).unwrap();
    let mut parts = Vec::new();
    let mut stream = provider.stream(request);
    while let Some(output) = stream.next().await {
        match output.unwrap() {
            ModelOutput::Opened { .. } | ModelOutput::PartCompleted { .. } => {}
            ModelOutput::PartStarted { part: Part::ToolCall { name, .. }, .. } => {
                parts.push(format!("{name} "))
            }
            ModelOutput::PartStarted { .. } => parts.push(String::new()),
            ModelOutput::Delta { index, text } => parts[index as usize] += &text,
            ModelOutput::Finished { finish_reason, usage } => {
                assert!(usage.unwrap().output_tokens > 0 || parts.is_empty());
                return (parts, finish_reason);
            }
        }
    }
    panic!("the demo always finishes");
}

async fn text(request: Request) -> String {
    answer(request).await.0.concat()
}

#[tokio::test(start_paused = true)]
async fn it_counts_at_about_fifty_deltas_a_second() {
    let began = tokio::time::Instant::now();
    let counted = text(request(vec![user("Please count to 500.")])).await;
    assert!(counted.starts_with("1, 2, 3, ") && counted.ends_with(", 499, 500"), "{counted}");
    let seconds = began.elapsed().as_secs_f64();
    assert!((9.0..12.0).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn it_says_what_it_is_in_markdown() {
    let page = text(request(vec![user("Hello there")])).await;
    for something in ["demo model", "# ", "- `count", "```rust", "|---|", "日本語", "> Hello there"] {
        assert!(page.contains(something), "{something} is not in {page}");
    }
    assert_eq!(page, text(request(vec![user("Hello there")])).await);
}

#[tokio::test(start_paused = true)]
async fn it_calls_the_tools_that_it_was_given() {
    for (question, call) in [
        ("What time is it?", "clock {}"),
        ("what is 12*7", r#"calculator {"expression":"12*7"}"#),
        ("What is (3 + 4) / 2?", r#"calculator {"expression":"(3 + 4) / 2"}"#),
        ("Delete the file Notes.txt.", r#"files.delete {"path":"Notes.txt"}"#),
    ] {
        let (parts, reason) = answer(request(vec![user(question)])).await;
        assert_eq!((parts[1].as_str(), reason), (call, FinishReason::ToolCalls), "{question}");

        let mut without = request(vec![user(question)]);
        without.tools.clear();
        let (parts, reason) = answer(without).await;
        assert_eq!((parts.len(), reason), (1, FinishReason::Stop));
        assert!(parts[0].contains("would call the tool"), "{}", parts[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn it_passes_on_what_the_tools_said() {
    let call_id = CallId::from_bytes([1; 16]);
    let part = Part::ToolCall { call_id, name: "clock".into(), args_text: "{}".into(), discarded: false };
    let call = Item::Assistant { parts: vec![PromptPart { part, opaque: None }] };
    let result = |output: &str, is_error| Item::ToolResult {
        call_id,
        name: "clock".into(),
        output: output.into(),
        is_error,
    };
    let asked = user("what time is it");
    let told = text(request(vec![asked.clone(), call.clone(), result("10:00", false)])).await;
    assert_eq!(told, "The tool `clock` says: 10:00");
    let told = text(request(vec![asked, call, result("denied", true)])).await;
    assert_eq!(told, "The tool `clock` did not do it: denied");
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_exactly_where_it_was_cut() {
    for question in ["count to 40", "Hello there"] {
        let whole = text(request(vec![user(question)])).await;
        for at in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)).step_by(17) {
            let (shown, rest) = whole.split_at(at);
            let mut prefill = request(vec![user(question), said(shown)]);
            prefill.ending = Ending::Prefill;
            assert_eq!(text(prefill).await, rest);
            if at == 0 {
                continue;
            }
            let instruction = "Your last answer was cut off. Go on from exactly where it stops.";
            assert_eq!(text(request(vec![user(question), said(shown), user(instruction)])).await, rest);
            // Cut twice.
            let (first, second) = shown.split_at(shown.floor_char_boundary(at / 2));
            let twice = vec![user(question), said(first), said(second), user(instruction)];
            assert_eq!(text(request(twice)).await, rest);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_reasons_when_asked_and_stops_at_its_limit() {
    let mut reasoning = request(vec![user("count to 3")]);
    reasoning.settings.reasoning_effort = Some("low".into());
    let (parts, _) = answer(reasoning).await;
    assert_eq!((parts.len(), parts[1].as_str()), (2, "1, 2, 3"));

    let mut limited = request(vec![user("count to 100")]);
    limited.settings.max_output_tokens = Some(3);
    assert_eq!(answer(limited).await, (vec!["1, 2, 3,".to_owned()], FinishReason::Length));
}

#[tokio::test]
async fn it_is_the_model_that_auto_chooses() {
    let provider = connect(&Options::new(Kind::Demo), &|_| None, Clock::System).unwrap();
    assert_eq!(choose(provider.as_ref(), "auto").await.unwrap().id, "demo");
}
