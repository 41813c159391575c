//! What is asked of each API: the whole request, as it goes over the wire.

use futures_util::StreamExt;
use serde_json::{Value, json};
use weir::chat::context::{Item, Prompt, PromptPart, ToolSpec};
use weir::chat::message::{Opaque, Part};
use weir::chat::turn::ModelOutput;
use weir::clock::Clock;
use weir::id::{CallId, FileId};
use weir::provider::{
    Capability, Ending, FailureKind, InputKind, Kind, Options, Provider, Reattach, Request, choose, connect,
};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CALL: CallId = CallId::from_bytes([7; 16]);
const OTHER_CALL: CallId = CallId::from_bytes([9; 16]);

fn text(text: &str) -> Part {
    Part::Text { text: text.into() }
}

fn plain(part: Part) -> PromptPart {
    PromptPart { part, opaque: None }
}

fn kept(part: Part, kind: Kind, data: Value) -> PromptPart {
    PromptPart { part, opaque: Some(Opaque { api: kind.name().into(), data }) }
}

fn call(call_id: CallId, args: &str) -> Part {
    Part::ToolCall { call_id, name: "files.delete".into(), args_text: args.into(), discarded: false }
}

fn thought(text: &str) -> Part {
    Part::Reasoning { text: text.into() }
}

fn result(call_id: CallId, output: &str) -> Item {
    Item::ToolResult { call_id, name: "files.delete".into(), output: output.into(), is_error: output == "no" }
}

/// A conversation with everything in it: `own` is what the provider wrote beside its thought and its call.
fn request(kind: Kind, own_thought: Value, own_call: Value) -> Request {
    let discarded = Part::ToolCall {
        call_id: OTHER_CALL,
        name: "clock".into(),
        args_text: "{\"a".into(),
        discarded: true,
    };
    let items = vec![
        Item::User { parts: vec![text("delete both")] },
        Item::Assistant {
            parts: vec![
                kept(thought("hm"), kind, own_thought),
                plain(text("Sure.")),
                kept(call(CALL, r#"{"path": "b", "force": true}"#), kind, own_call),
                // Of another provider, and with arguments that are none.
                kept(call(OTHER_CALL, ""), Kind::Demo, json!({"id": "foreign"})),
                plain(discarded),
            ],
        },
        result(CALL, "done"),
        result(OTHER_CALL, "no"),
        Item::User { parts: vec![text("and"), text("now?")] },
    ];
    let mut request = Request::new("model-x", Prompt { system: Some("Be brief.".into()), items });
    request.tools = vec![ToolSpec {
        name: "files.delete".into(),
        description: "Deletes".into(),
        schema: json!({"type": "object"}),
    }];
    request.tool_choice = Some(json!({"type": "function", "function": {"name": "files.delete"}}));
    request.settings.temperature = Some(0.7);
    request.settings.max_output_tokens = Some(100);
    request
}

async fn provider(server: &MockServer, kind: Kind) -> std::sync::Arc<dyn Provider> {
    let mut options = Options { api_key: Some("secret-key".into()), max_retries: 0, ..Options::new(kind) };
    options.base_url = Some(server.uri());
    options.headers.insert("X-Gateway".into(), "g1".into());
    options.query.insert("api-version".into(), "2026-01-01".into());
    connect(&options, &|_| None, Clock::System).unwrap()
}

/// The body, and the address with the headers that matter.
async fn asked(kind: Kind, request: Request) -> (Value, String) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(400)).mount(&server).await;
    let _: Vec<_> = provider(&server, kind).await.stream(request).collect().await;
    let received = server.received_requests().await.unwrap().remove(0);
    let header =
        |name: &str| received.headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let about = format!(
        "{}?{} {} {} {} {}",
        received.url.path(),
        received.url.query().unwrap_or_default(),
        header("authorization"),
        header("x-api-key"),
        header("anthropic-version"),
        header("x-gateway")
    );
    (received.body_json().unwrap(), about)
}

/// The id of the call that another provider made, as all of them take it.
fn short_id() -> String {
    let id = OTHER_CALL.to_string();
    id[id.len() - 9..].to_owned()
}

#[tokio::test]
async fn chat_completions_are_asked() {
    let details = json!([{"type": "reasoning.text", "text": "hm", "signature": "s"}]);
    let own_call = json!({"id": "call_1", "extra_content": {"google": {"thought_signature": "t"}}});
    let request = request(Kind::OpenaiChat, json!({"reasoning_details": details}), own_call);
    let (body, about) = asked(Kind::OpenaiChat, request).await;
    assert_eq!(about, "/chat/completions?api-version=2026-01-01 Bearer secret-key - - g1");
    assert_eq!(
        body,
        json!({
            "model": "model-x",
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.7,
            "max_tokens": 100,
            "tools": [{"type": "function", "function": {
                "name": "files_delete", "description": "Deletes", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "files_delete"}},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "delete both"},
                {"role": "assistant", "content": "Sure.", "reasoning_details": details, "tool_calls": [
                    {"id": "call_1", "type": "function", "extra_content": {"google": {"thought_signature": "t"}},
                        "function": {"name": "files_delete", "arguments": r#"{"path": "b", "force": true}"#}},
                    {"id": short_id(), "type": "function",
                        "function": {"name": "files_delete", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "call_1", "content": "done"},
                {"role": "tool", "tool_call_id": short_id(), "content": "no"},
                {"role": "user", "content": "and\n\nnow?"},
            ],
        })
    );
}

#[tokio::test]
async fn reasoning_content_goes_back_only_with_a_call() {
    let field = json!({"field": "reasoning_content"});
    let (body, _) = asked(Kind::OpenaiChat, request(Kind::OpenaiChat, field.clone(), json!({}))).await;
    assert_eq!(body["messages"][2]["reasoning_content"], "hm");

    let parts = vec![kept(thought("hm"), Kind::OpenaiChat, field), plain(text("Hi"))];
    let items = vec![Item::User { parts: vec![text("a")] }, Item::Assistant { parts }];
    let (body, _) = asked(Kind::OpenaiChat, Request::new("m", Prompt { system: None, items })).await;
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "Hi"}));
}

#[tokio::test]
async fn reasoning_models_are_told_their_limit_in_their_own_word() {
    let mut request = request(Kind::OpenaiChat, json!({}), json!({}));
    request.model = "openai/gpt-5-mini".into();
    request.settings.reasoning_effort = Some("xhigh".into());
    let (body, _) = asked(Kind::OpenaiChat, request).await;
    assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(100), &Value::Null));
    assert_eq!(body["reasoning_effort"], "xhigh");
}

#[tokio::test]
async fn messages_are_asked() {
    let request = request(Kind::Anthropic, json!({"signature": "sig"}), json!({"id": "toolu_1"}));
    let (body, about) = asked(Kind::Anthropic, request).await;
    assert_eq!(about, "/v1/messages?api-version=2026-01-01 - secret-key 2023-06-01 g1");
    assert_eq!(
        body,
        json!({
            "model": "model-x",
            "stream": true,
            "max_tokens": 100,
            "temperature": 0.7,
            "system": "Be brief.",
            "tools": [{"name": "files_delete", "description": "Deletes", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "files_delete"},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "delete both"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "text", "text": "Sure."},
                    {"type": "tool_use", "id": "toolu_1", "name": "files_delete",
                        "input": {"path": "b", "force": true}},
                    {"type": "tool_use", "id": short_id(), "name": "files_delete", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"},
                    {"type": "tool_result", "tool_use_id": short_id(), "content": "no", "is_error": true},
                    {"type": "text", "text": "and\n\nnow?"},
                ]},
            ],
        })
    );
}

#[tokio::test]
async fn thinking_goes_back_only_with_its_signature() {
    for (own, block) in [
        (json!({"redacted": "xx"}), json!({"type": "redacted_thinking", "data": "xx"})),
        (json!({}), json!({"type": "text", "text": "Sure."})),
    ] {
        let (body, _) = asked(Kind::Anthropic, request(Kind::Anthropic, own, json!({}))).await;
        assert_eq!(body["messages"][1]["content"][0], block);
    }
    let of_another = request(Kind::OpenaiChat, json!({"signature": "sig"}), json!({"id": "x"}));
    let (body, _) = asked(Kind::Anthropic, of_another).await;
    assert_eq!(body["messages"][1]["content"][0]["type"], "text");
}

#[tokio::test]
async fn thinking_is_asked_for_as_the_model_wants_it() {
    for (model, effort, thinking, output) in [
        ("claude-sonnet-4-5-20250929", "low", json!({"type": "enabled", "budget_tokens": 2048}), Value::Null),
        ("claude-opus-4-7", "high", json!({"type": "adaptive"}), json!({"effort": "high"})),
        ("claude-opus-4-7", "none", Value::Null, Value::Null),
    ] {
        let mut request = request(Kind::Anthropic, json!({}), json!({}));
        request.model = model.into();
        request.tool_choice = None;
        request.settings.max_output_tokens = None;
        request.settings.reasoning_effort = Some(effort.into());
        let (body, _) = asked(Kind::Anthropic, request).await;
        assert_eq!((&body["thinking"], &body["output_config"]), (&thinking, &output), "{model} {effort}");
        let expected = if thinking.is_null() { json!(0.7) } else { Value::Null };
        assert_eq!(body["temperature"], expected);
        assert!(body["max_tokens"].as_u64().unwrap() > 8_000);
    }
}

#[tokio::test]
async fn responses_are_asked() {
    let item = json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"});
    let mut request =
        request(Kind::OpenaiResponses, json!({"item": item}), json!({"id": "call_1", "item_id": "fc"}));
    request.settings.reasoning_effort = Some("low".into());
    request.settings.response_format =
        Some(json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": true}}));
    let (body, about) = asked(Kind::OpenaiResponses, request).await;
    assert_eq!(about, "/responses?api-version=2026-01-01 Bearer secret-key - - g1");
    assert_eq!(
        body,
        json!({
            "model": "model-x",
            "stream": true,
            "store": false,
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"},
            "instructions": "Be brief.",
            "temperature": 0.7,
            "max_output_tokens": 100,
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": true}},
            "tools": [{"type": "function", "name": "files_delete", "description": "Deletes",
                "parameters": {"type": "object"}, "strict": false}],
            "tool_choice": {"type": "function", "name": "files_delete"},
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "delete both"}]},
                item,
                {"type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": "Sure.", "annotations": []}]},
                {"type": "function_call", "call_id": "call_1", "name": "files_delete",
                    "arguments": r#"{"path": "b", "force": true}"#},
                {"type": "function_call", "call_id": short_id(), "name": "files_delete", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "done"},
                {"type": "function_call_output", "call_id": short_id(), "output": "no"},
                {"role": "user", "content": [{"type": "input_text", "text": "and\n\nnow?"}]},
            ],
        })
    );
}

#[tokio::test]
async fn ollama_is_asked() {
    let mut request = request(Kind::Ollama, json!({}), json!({}));
    request.context_tokens = Some(16_384);
    request.settings.reasoning_effort = Some("low".into());
    let (body, about) = asked(Kind::Ollama, request).await;
    assert!(about.starts_with("/api/chat?"), "{about}");
    assert_eq!(
        body,
        json!({
            "model": "model-x",
            "stream": true,
            "think": true,
            "options": {"num_ctx": 16_384, "temperature": 0.7, "num_predict": 100},
            "tools": [{"type": "function", "function": {
                "name": "files_delete", "description": "Deletes", "parameters": {"type": "object"}}}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "delete both"},
                {"role": "assistant", "content": "Sure.", "thinking": "hm", "tool_calls": [
                    {"function": {"name": "files_delete", "arguments": {"path": "b", "force": true}}},
                    {"function": {"name": "files_delete", "arguments": {}}},
                ]},
                {"role": "tool", "tool_name": "files_delete", "content": "done"},
                {"role": "tool", "tool_name": "files_delete", "content": "no"},
                {"role": "user", "content": "and\n\nnow?"},
            ],
        })
    );
}

#[tokio::test]
async fn a_prefilled_answer_is_the_last_message() {
    for (kind, list, expected) in [
        (Kind::OpenaiChat, "messages", json!({"role": "assistant", "content": "Once upon "})),
        (Kind::Ollama, "messages", json!({"role": "assistant", "content": "Once upon "})),
        // White space at the end is refused.
        (
            Kind::Anthropic,
            "messages",
            json!({"role": "assistant", "content": [{"type": "text", "text": "Once upon"}]}),
        ),
        (
            Kind::OpenaiResponses,
            "input",
            json!({"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "Once upon ", "annotations": []}]}),
        ),
    ] {
        let items = vec![
            Item::User { parts: vec![text("a tale")] },
            Item::Assistant { parts: vec![plain(text("Once upon "))] },
        ];
        let mut request = Request::new("m", Prompt { system: None, items });
        request.ending = Ending::Prefill;
        let (body, _) = asked(kind, request).await;
        assert_eq!(body[list].as_array().unwrap().last(), Some(&expected), "{kind}");
    }
}

#[tokio::test]
async fn white_space_that_was_shown_is_not_shown_again() {
    for (said, shown) in [(" a time", "a time"), ("a time", "a time"), ("\na time", "\na time")] {
        let server = MockServer::start().await;
        let events = [
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said}}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        ];
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let answer = ResponseTemplate::new(200).set_body_raw(body, "text/event-stream");
        Mock::given(path("/v1/messages")).respond_with(answer).mount(&server).await;
        let items = vec![
            Item::User { parts: vec![text("a tale")] },
            Item::Assistant { parts: vec![plain(text("Once upon "))] },
        ];
        let mut request = Request::new("m", Prompt { system: None, items });
        request.ending = Ending::Prefill;
        let outputs: Vec<_> = provider(&server, Kind::Anthropic).await.stream(request).collect().await;
        let texts: String = outputs
            .into_iter()
            .filter_map(|output| match output.unwrap() {
                ModelOutput::Delta { text, .. } => Some(text),
                ModelOutput::Opened { .. }
                | ModelOutput::PartStarted { .. }
                | ModelOutput::PartCompleted { .. }
                | ModelOutput::Finished { .. } => None,
            })
            .collect();
        assert_eq!(texts, shown, "{said:?}");
    }
}

#[tokio::test]
async fn a_tool_is_called_by_our_name_for_it() {
    let server = MockServer::start().await;
    let delta = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {
        "tool_calls": [{"index": 0, "id": "x", "function": {"name": "files_delete", "arguments": "{}"}}]}}]});
    let answer = ResponseTemplate::new(200).set_body_raw(format!("data: {delta}\n\n"), "text/event-stream");
    Mock::given(path("/chat/completions")).respond_with(answer).mount(&server).await;
    let provider = provider(&server, Kind::OpenaiChat).await;
    let outputs: Vec<_> = provider.stream(request(Kind::OpenaiChat, json!({}), json!({}))).collect().await;
    let Some(Ok(ModelOutput::PartStarted { part: Part::ToolCall { name, .. }, .. })) = outputs.get(1) else {
        panic!("expected a call, found {outputs:?}");
    };
    assert_eq!(name, "files.delete");
}

#[tokio::test]
async fn a_background_run_is_kept_and_can_be_followed_again() {
    let server = MockServer::start().await;
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "background": true}}),
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let answer = ResponseTemplate::new(200).set_body_raw(body, "text/event-stream");
    Mock::given(path("/responses")).respond_with(answer.clone()).mount(&server).await;
    Mock::given(method("GET")).and(path("/responses/resp_1")).respond_with(answer).mount(&server).await;
    let options =
        Options { base_url: Some(server.uri()), background: true, ..Options::new(Kind::OpenaiResponses) };
    let provider = connect(&options, &|_| None, Clock::System).unwrap();
    let mut request = Request::new("m", Prompt::default());
    let outputs: Vec<_> = provider.stream(request.clone()).collect().await;
    let opened = ModelOutput::Opened { model: Some("m".into()), response_id: Some("resp_1".into()) };
    assert_eq!(outputs[0], Ok(opened));
    request.reattach = Some(Reattach { response_id: "resp_1".into(), after: Some(41) });
    let again: Vec<_> = provider.stream(request).collect().await;
    assert_eq!(again, outputs);

    let received = server.received_requests().await.unwrap();
    let body: Value = received[0].body_json().unwrap();
    assert_eq!((&body["store"], &body["background"]), (&json!(true), &json!(true)));
    assert_eq!(received[1].url.query(), Some("stream=true&starting_after=41"));
}

#[tokio::test]
async fn the_first_usable_model_of_the_list_is_chosen() {
    let server = MockServer::start().await;
    let list = json!({"object": "list", "data": [
        {"id": "text-embedding-3-small"}, {"id": "whisper-1"}, {"id": "llama-local", "max_model_len": 4096},
        {"id": "gpt-4o"}]});
    Mock::given(path("/models"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&server)
        .await;
    let provider = provider(&server, Kind::OpenaiChat).await;
    let auto = choose(provider.as_ref(), "auto").await.unwrap();
    assert_eq!((auto.id.as_str(), auto.context_tokens), ("llama-local", Some(4096)));
    let named = choose(provider.as_ref(), "gpt-4o").await.unwrap();
    assert_eq!((named.context_tokens, named.reasoning), (Some(128_000), Capability::No));
    let unlisted = choose(provider.as_ref(), "mystery").await.unwrap();
    assert_eq!((unlisted.id.as_str(), unlisted.context_tokens), ("mystery", None));
}

#[tokio::test]
async fn a_named_model_needs_no_list_and_auto_does() {
    let server = MockServer::start().await;
    Mock::given(path("/models")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    let provider = provider(&server, Kind::OpenaiChat).await;
    assert_eq!(choose(provider.as_ref(), "m").await.unwrap().id, "m");
    assert_eq!(choose(provider.as_ref(), "auto").await.unwrap_err().kind, FailureKind::Refused);
}

const IMAGE: FileId = FileId::from_bytes([1; 16]);
const PAPER: FileId = FileId::from_bytes([2; 16]);
const UNSEEN: FileId = FileId::from_bytes([3; 16]);

/// A person's message with an image, a document, and one of which there is no content.
async fn shown(kind: Kind) -> Value {
    let file = |file_id, name: &str, media_type: &str| Part::File {
        file_id,
        name: name.into(),
        media_type: media_type.into(),
        size: 3,
    };
    let parts = vec![
        text("what is"),
        text("this?"),
        file(IMAGE, "cat.png", "image/png"),
        file(PAPER, "paper.pdf", "application/pdf"),
        file(UNSEEN, "dog.png", "image/png"),
        text("and that?"),
    ];
    let items = vec![Item::User { parts }];
    let mut request = Request::new("model-x", Prompt { system: None, items });
    request.files.add(IMAGE, "cat".into());
    request.files.add(PAPER, "pdf".into());
    let (mut body, _) = asked(kind, request).await;
    let messages = if kind == Kind::OpenaiResponses { "input" } else { "messages" };
    body[messages][0].take()
}

const NOT_SHOWN: &str = "[File \"dog.png\": image/png, 3 bytes; it is not shown to you.]\n\nand that?";

#[tokio::test]
async fn each_api_is_given_files_in_its_own_way() {
    assert_eq!(
        shown(Kind::OpenaiChat).await,
        json!({"role": "user", "content": [
            {"type": "text", "text": "what is\n\nthis?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,Y2F0"}},
            {"type": "file", "file": {"filename": "paper.pdf", "file_data": "data:application/pdf;base64,cGRm"}},
            {"type": "text", "text": NOT_SHOWN},
        ]})
    );
    assert_eq!(
        shown(Kind::OpenaiResponses).await,
        json!({"role": "user", "content": [
            {"type": "input_text", "text": "what is\n\nthis?"},
            {"type": "input_image", "image_url": "data:image/png;base64,Y2F0"},
            {"type": "input_file", "filename": "paper.pdf", "file_data": "data:application/pdf;base64,cGRm"},
            {"type": "input_text", "text": NOT_SHOWN},
        ]})
    );
    assert_eq!(
        shown(Kind::Anthropic).await,
        json!({"role": "user", "content": [
            {"type": "text", "text": "what is\n\nthis?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "Y2F0"}},
            {"type": "document", "title": "paper.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}},
            {"type": "text", "text": NOT_SHOWN},
        ]})
    );
    let said = format!(
        "what is\n\nthis?\n\n[File \"paper.pdf\": application/pdf; it is not shown to you.]\n\n{NOT_SHOWN}"
    );
    assert_eq!(shown(Kind::Ollama).await, json!({"role": "user", "content": said, "images": ["Y2F0"]}));
}

#[tokio::test]
async fn anthropic_lists_its_models() {
    let server = MockServer::start().await;
    let list = json!({"data": [{"type": "model", "id": "claude-sonnet-4-6"}], "has_more": false});
    Mock::given(path("/v1/models"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&server)
        .await;
    let models = provider(&server, Kind::Anthropic).await.models().await.unwrap();
    assert_eq!((models[0].id.as_str(), models[0].context_tokens), ("claude-sonnet-4-6", Some(200_000)));
}

#[tokio::test]
async fn ollama_tells_the_window_and_the_abilities_of_its_models() {
    let server = MockServer::start().await;
    let tags = json!({"models": [{"name": "embed:latest"}, {"name": "small:1b"}, {"name": "large:70b"}]});
    Mock::given(path("/api/tags"))
        .respond_with(ResponseTemplate::new(200).set_body_json(tags))
        .mount(&server)
        .await;
    let show = |name: &str, shown: Value| {
        let body = wiremock::matchers::body_json(json!({"model": name}));
        Mock::given(path("/api/show")).and(body).respond_with(ResponseTemplate::new(200).set_body_json(shown))
    };
    show("embed:latest", json!({"capabilities": ["embedding"]})).mount(&server).await;
    let small =
        json!({"capabilities": ["completion", "tools"], "model_info": {"llama.context_length": 2048}});
    show("small:1b", small).mount(&server).await;
    let large = json!({"capabilities": ["completion", "vision", "thinking"],
        "model_info": {"x.context_length": 131_072}, "parameters": "stop \"x\"\nnum_ctx    65536"});
    show("large:70b", large).mount(&server).await;
    let models = provider(&server, Kind::Ollama).await.models().await.unwrap();
    let told: Vec<_> = models
        .iter()
        .map(|model| {
            (model.id.as_str(), model.context_tokens, model.tools, model.reasoning, model.input.len())
        })
        .collect();
    use Capability::{No, Yes};
    assert_eq!(told, [("small:1b", Some(2048), Yes, No, 1), ("large:70b", Some(65_536), No, Yes, 2)]);
    assert!(models[1].input.contains(&InputKind::Image));
}

#[test]
fn a_wrong_option_is_named() {
    let wrong = |options: Options| {
        connect(&options, &|_| None, Clock::System).err().expect("the options are wrong").to_string()
    };
    let openai = || Options::new(Kind::OpenaiChat);
    assert_eq!(
        wrong(Options { api_key_env: Some("NOT_SET".into()), ..openai() }),
        "api_key_env: the environment variable `NOT_SET` is not set"
    );
    assert_eq!(
        wrong(Options { api_key_env: Some("A".into()), api_key: Some("b".into()), ..openai() }),
        "api_key: expected one of api_key, api_key_env and api_key_file"
    );
    let url = wrong(Options { base_url: Some("ftp://x".into()), ..openai() });
    assert_eq!(url, "base_url: expected an http or https URL");
    let mut options = openai();
    options.headers.insert("bad name".into(), "x".into());
    assert_eq!(wrong(options), "headers: `bad name` is not the name of a header");
}

#[test]
fn options_are_read_and_unknown_ones_refused() {
    let read = |toml: Value| serde_json::from_value::<Options>(toml);
    let options =
        read(json!({"kind": "openai-chat", "idle_timeout": "2m", "headers": {"a": "canary"}})).unwrap();
    assert_eq!(options.idle_timeout.as_secs(), 120);
    assert_eq!(options.first_byte_timeout.as_secs(), 30);
    assert!(!format!("{options:?}").contains("canary"));
    assert!(read(json!({"kind": "openai-chat", "key": "x"})).is_err());
    assert!(read(json!({"kind": "openai"})).is_err());
}
