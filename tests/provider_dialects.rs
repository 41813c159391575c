//! The many ways in which servers speak the APIs: each answer by the rules of its API, read through the public face.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use weir::chat::message::{FinishReason, Part, Usage};
use weir::chat::turn::ModelOutput;
use weir::provider::{Failure, Kind, decode};

/// An answer, part by part.
#[derive(Debug, Default, PartialEq)]
struct Told {
    parts: Vec<(String, Value)>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    failure: Option<Failure>,
}

impl Told {
    fn parts(&self) -> Vec<&str> {
        self.parts.iter().map(|(part, _)| part.as_str()).collect()
    }

    fn ending(&self) -> (Vec<&str>, Option<FinishReason>) {
        (self.parts(), self.finish.clone())
    }
}

async fn told(kind: Kind, body: String) -> Told {
    let read = Ok::<_, std::io::Error>(Bytes::from(body));
    let outputs: Vec<_> = decode(kind, stream::iter([read])).collect().await;
    let mut told = Told::default();
    for output in outputs {
        match output {
            Ok(ModelOutput::Opened { .. }) => {}
            Ok(ModelOutput::PartStarted { part, .. }) => {
                let head = match part {
                    Part::Text { .. } => "text ".to_owned(),
                    Part::Reasoning { .. } => "reasoning ".to_owned(),
                    Part::ToolCall { name, .. } => format!("call {name} "),
                    Part::Source { url, .. } => format!("source {url}"),
                    other => panic!("a provider does not make {other:?}"),
                };
                told.parts.push((head, Value::Null));
            }
            Ok(ModelOutput::Delta { index, text }) => told.parts[index as usize].0 += &text,
            Ok(ModelOutput::PartCompleted { index, opaque }) => {
                told.parts[index as usize].1 = opaque.map_or(Value::Null, |opaque| opaque.data);
            }
            Ok(ModelOutput::Finished { finish_reason, usage }) => {
                (told.finish, told.usage) = (Some(finish_reason), usage);
            }
            Err(failure) => told.failure = Some(failure),
        }
    }
    told
}

/// A chat completion of these deltas, and a finish reason.
async fn chat(deltas: &[Value], finish: &str) -> Told {
    let mut body: String = deltas
        .iter()
        .map(|delta| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]})))
        .collect();
    body += &format!(
        "data: {}\n\ndata: [DONE]\n\n",
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    );
    told(Kind::OpenaiChat, body).await
}

async fn chunks(chunks: &[Value]) -> Told {
    told(Kind::OpenaiChat, chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()).await
}

#[tokio::test]
async fn reasoning_comes_under_many_keys() {
    for delta in [
        json!({"content": null, "reasoning_content": "hm"}),
        json!({"content": "", "reasoning": "hm"}),
        json!({"thinking": "hm"}),
        json!({"reasoning": "hm", "reasoning_content": "hm"}),
        json!({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]}),
        json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm", "index": 0}]}),
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        json!({"content": [{"type": "thinking", "thinking": "hm"}]}),
    ] {
        let told =
            chat(&[delta.clone(), json!({"content": "Hello"}), json!({"content": " you"})], "stop").await;
        assert_eq!(told.parts(), ["reasoning hm", "text Hello you"], "{delta}");
        assert_eq!(told.finish, Some(FinishReason::Stop));
    }
}

#[tokio::test]
async fn content_in_pieces_is_put_together() {
    let told = chat(
        &[
            json!({"content": [{"type": "text", "text": "He"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "llo"}]}),
            json!({"content": ["!", null, 7]}),
            json!({"content": {"type": "text", "text": "!"}}),
        ],
        "stop",
    )
    .await;
    assert_eq!(told.parts(), ["text Hello!!"]);
}

#[tokio::test]
async fn reasoning_details_are_put_together_and_kept() {
    let detail = |detail: Value| json!({"reasoning": detail["text"], "reasoning_details": [detail]});
    let told = chat(
        &[
            detail(
                json!({"type": "reasoning.text", "text": "a", "format": "anthropic-claude-v1", "index": 0}),
            ),
            detail(
                json!({"type": "reasoning.text", "text": "b", "format": "anthropic-claude-v1", "index": 0}),
            ),
            detail(json!({"type": "reasoning.text", "signature": "sig", "index": 0})),
            detail(json!({"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "index": 1})),
            json!({"content": "Hi"}),
            detail(json!({"type": "reasoning.encrypted", "data": "late", "index": 2})),
        ],
        "stop",
    )
    .await;
    assert_eq!(told.parts(), ["reasoning ab", "text Hi", "reasoning "]);
    assert_eq!(
        told.parts[0].1,
        json!({"reasoning_details": [
            {"type": "reasoning.text", "text": "ab", "format": "anthropic-claude-v1", "index": 0, "signature": "sig"},
            {"type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "index": 1},
        ]})
    );
    assert_eq!(
        told.parts[2].1,
        json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "late", "index": 2}]})
    );
}

#[tokio::test]
async fn calls_are_told_apart_however_they_are_numbered() {
    let f = |name: &str, args: &str| json!({"name": name, "arguments": args});
    let two = ["call f {\"a\":1}", "call g {\"b\":2}"];
    for (how, deltas) in [
        (
            "by index, interleaved",
            vec![
                json!([{"index": 0, "id": "x", "function": f("f", "{\"a\"")}]),
                json!([{"index": 1, "id": "y", "function": f("g", "{\"b\"")}]),
                json!([{"index": 0, "function": {"arguments": ":1}"}}]),
                json!([{"index": 1, "function": {"arguments": ":2}"}}]),
            ],
        ),
        (
            "without index",
            vec![
                json!([{"id": "x", "function": f("f", "{\"a\":1}")}, {"id": "y", "function": f("g", "{\"b\":2}")}]),
            ],
        ),
        (
            "without index, in pieces",
            vec![
                json!([{"id": "x", "function": f("f", "")}]),
                json!([{"function": {"arguments": "{\"a\":1}"}}]),
                json!([{"id": "y", "function": f("g", "")}]),
                json!([{"id": "y", "function": {"name": "", "arguments": "{\"b\":2}"}}]),
            ],
        ),
        (
            "all under index 0",
            vec![
                json!([{"index": 0, "id": "x", "function": f("f", "{\"a\":1}")}]),
                json!([{"index": 0, "id": "y", "function": f("g", "{\"b\":2}")}]),
            ],
        ),
        (
            "without anything",
            vec![json!([{"function": f("f", "{\"a\":1}")}]), json!([{"function": f("g", "{\"b\":2}")}])],
        ),
        (
            "with nulls",
            vec![
                json!([{"index": 0, "id": null, "type": null, "function": {"name": "f", "arguments": null}}]),
                json!([{"index": 0, "id": null, "function": {"name": null, "arguments": "{\"a\":1}"}}]),
                json!([{"index": 1, "id": "", "function": {"name": "g", "arguments": "{\"b\":2}"}}]),
            ],
        ),
        (
            "name and id repeated in each delta",
            vec![
                json!([{"index": 0, "id": "x", "function": f("f", "{\"a\"")}]),
                json!([{"index": 0, "id": "x", "function": f("f", ":1}")}]),
                json!([{"index": 1, "id": "y", "function": f("g", "{\"b\":2}")}]),
            ],
        ),
        (
            "a new id in each delta",
            vec![
                json!([{"index": 0, "id": "x1", "function": f("f", "{\"a\"")}]),
                json!([{"index": 0, "id": "x2", "function": {"arguments": ":1}"}}]),
                json!([{"index": 1, "id": "y", "function": f("g", "{\"b\":2}")}]),
            ],
        ),
        (
            "arguments as objects",
            vec![json!([
                {"id": "x", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "y", "function": {"name": "g", "arguments": {"b": 2}}},
            ])],
        ),
        (
            "indexes from one, backwards",
            vec![
                json!([{"index": 2, "id": "x", "function": f("f", "{\"a\":1}")}]),
                json!([{"index": 1, "id": "y", "function": f("g", "{\"b\":2}")}]),
            ],
        ),
    ] {
        let deltas: Vec<_> =
            deltas.into_iter().map(|calls| json!({"content": null, "tool_calls": calls})).collect();
        let told = chat(&deltas, "tool_calls").await;
        assert_eq!(told.parts(), two, "{how}");
        assert_eq!(told.finish, Some(FinishReason::ToolCalls));
    }
}

#[tokio::test]
async fn the_same_tool_called_twice_makes_two_calls() {
    let whole = json!({"tool_calls": [{"index": 0, "id": "", "function": {"name": "f", "arguments": "{}"}}]});
    assert_eq!(chat(&[whole.clone(), whole], "tool_calls").await.parts(), ["call f {}", "call f {}"]);
    let named = |id: &str| json!({"tool_calls": [{"index": 0, "id": id, "function": {"name": "f", "arguments": "{}"}}]});
    let told = chat(&[named("a"), named("b")], "tool_calls").await;
    assert_eq!(told.parts(), ["call f {}", "call f {}"]);
    assert_eq!([&told.parts[0].1, &told.parts[1].1], [&json!({"id": "a"}), &json!({"id": "b"})]);
}

#[tokio::test]
async fn a_name_may_come_after_the_arguments_or_never() {
    let told = chat(
        &[
            json!({"tool_calls": [{"index": 0, "id": "x", "function": {"arguments": "{\"a\""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ":1}"}}]}),
        ],
        "tool_calls",
    )
    .await;
    assert_eq!(told.parts(), ["call f {\"a\":1}"]);
    let told =
        chat(&[json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]})], "tool_calls").await;
    assert_eq!(told.parts(), ["call unnamed {}"]);
}

#[tokio::test]
async fn a_call_keeps_what_gemini_wants_back() {
    let extra = json!({"google": {"thought_signature": "sig"}});
    let call = json!({"id": "x", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra});
    let told = chat(&[json!({"tool_calls": [call]})], "stop").await;
    assert_eq!(told.parts[0].1, json!({"id": "x", "extra_content": extra}));
}

#[tokio::test]
async fn a_function_call_from_before_there_were_tools_is_a_call() {
    let told = chat(
        &[
            json!({"function_call": {"name": "f", "arguments": ""}}),
            json!({"function_call": {"arguments": "{\"a\":1}"}}),
        ],
        "function_call",
    )
    .await;
    assert_eq!(told.ending(), (vec!["call f {\"a\":1}"], Some(FinishReason::ToolCalls)));
}

#[tokio::test]
async fn a_refusal_is_said_in_words() {
    let told = chat(&[json!({"content": null, "refusal": "I "}), json!({"refusal": "won't"})], "stop").await;
    assert_eq!(told.parts(), ["text I won't"]);
}

#[tokio::test]
async fn finish_reasons_are_translated() {
    for (reason, expected) in [
        ("stop", FinishReason::Stop),
        ("end_turn", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("STOP", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("max_tokens", FinishReason::Length),
        ("MAX_TOKENS", FinishReason::Length),
        ("model_length", FinishReason::Length),
        ("function_call", FinishReason::ToolCalls),
        ("tool_use", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("SAFETY", FinishReason::ContentFilter),
        ("weather", FinishReason::Other("weather".into())),
    ] {
        assert_eq!(chat(&[json!({"content": "a"})], reason).await.finish, Some(expected), "{reason}");
    }
    for reason in ["", "error", "insufficient_system_resource"] {
        let told = chat(&[json!({"content": "a"})], reason).await;
        assert!(told.finish.is_none() && told.failure.is_some(), "{reason}");
    }
}

#[tokio::test]
async fn usage_is_found_wherever_it_is() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
    let expected = Usage { input_tokens: 3, output_tokens: 5, ..Usage::default() };
    let stop = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
    for (how, told) in [
        ("after the reason", vec![json!({"choices": [stop]}), json!({"choices": [], "usage": usage})]),
        ("without choices", vec![json!({"choices": [stop]}), json!({"usage": usage})]),
        ("with the reason", vec![json!({"choices": [stop], "usage": usage})]),
        ("in x_groq", vec![json!({"choices": [stop], "x_groq": {"id": "r", "usage": usage}})]),
        (
            "in the choice",
            vec![json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}]})],
        ),
        (
            "growing",
            vec![
                json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
                json!({"choices": [stop], "usage": usage}),
                json!({"choices": [], "usage": {"prompt_tokens": null, "completion_tokens": null}}),
            ],
        ),
    ] {
        assert_eq!(chunks(&told).await.usage, Some(expected), "{how}");
    }
    let deepseek = json!({"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16, "prompt_cache_hit_tokens": 4,
        "completion_tokens_details": {"reasoning_tokens": 2}, "prompt_tokens_details": null});
    let xai = json!({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 16,
        "completion_tokens_details": {"reasoning_tokens": 2}, "prompt_tokens_details": {"cached_tokens": 4}});
    for usage in [deepseek, xai] {
        let told = chunks(&[json!({"choices": [stop], "usage": usage})]).await;
        let expected = Usage {
            input_tokens: 9,
            output_tokens: 7,
            reasoning_tokens: 2,
            cached_input_tokens: 4,
            cache_write_tokens: 0,
        };
        assert_eq!(told.usage, Some(expected), "{usage}");
    }
}

#[tokio::test]
async fn chunks_of_azure_and_perplexity_are_read() {
    let told = chunks(&[
        json!({"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        json!({"model": "gpt-4o", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "content_filter_results": {}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "Hi"}, "message": {"role": "assistant", "content": "Hi"}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "!"}, "message": {"content": "Hi!"}}], "citations": ["https://a.example"]}),
        json!({"object": "chat.completion.done", "choices": [{"index": 0, "message": {"content": "Hi!"}, "finish_reason": "stop"}],
            "search_results": [{"title": "A", "url": "https://a.example"}, {"title": "A", "url": "https://a.example"}]}),
        json!({"choices": [{"index": 0, "content_filter_offsets": {}, "finish_reason": null}]}),
    ])
    .await;
    assert_eq!(told.ending(), (vec!["text Hi!", "source https://a.example"], Some(FinishReason::Stop)));
}

#[tokio::test]
async fn a_second_choice_is_not_mixed_in() {
    let told = chunks(&[
        json!({"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "yes"}}]}),
        json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}),
        json!({"choices": [{"delta": {"content": "!"}, "finish_reason": "stop"}]}),
    ])
    .await;
    assert_eq!(told.ending(), (vec!["text yes!"], Some(FinishReason::Stop)));
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_read_all_the_same() {
    let chat = json!({"model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": "Hi", "reasoning_content": "hm",
        "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "{}"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    let expected = vec!["reasoning hm", "text Hi", "call f {}"];
    let told_chat = told(Kind::OpenaiChat, format!("{chat:#}")).await;
    assert_eq!(told_chat.ending(), (expected.clone(), Some(FinishReason::ToolCalls)));

    let anthropic = json!({"type": "message", "model": "c", "stop_reason": "tool_use", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}}], "usage": {"input_tokens": 1, "output_tokens": 2}});
    let told_anthropic = told(Kind::Anthropic, format!("{anthropic:#}")).await;
    assert_eq!(told_anthropic.parts()[..2], expected[..2]);
    let args: Value =
        serde_json::from_str(told_anthropic.parts()[2].strip_prefix("call f ").unwrap()).unwrap();
    assert_eq!((args, told_anthropic.finish), (json!({"a": 1}), Some(FinishReason::ToolCalls)));

    let responses = json!({"object": "response", "status": "completed", "model": "m", "output": [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
        {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
        {"type": "function_call", "call_id": "x", "name": "f", "arguments": "{}"}]});
    let told_responses = told(Kind::OpenaiResponses, format!("{responses}")).await;
    assert_eq!(told_responses.ending(), (expected, Some(FinishReason::ToolCalls)));

    let error = told(
        Kind::Anthropic,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#.into(),
    );
    assert_eq!(error.await.failure.unwrap().detail, "no");
    let error = told(Kind::OpenaiChat, r#"{"error":{"message":"no","type":"invalid_request_error"}}"#.into());
    assert_eq!(error.await.failure.unwrap().detail, "no");
    let cut = told(Kind::OpenaiChat, r#"{"choices":[{"index":0,"message":{"content":"Hi"}"#.into()).await;
    assert!(cut.finish.is_none() && cut.failure.is_some());
}

#[tokio::test]
async fn anthropic_thinking_keeps_its_signature() {
    let event = |event: Value| format!("data: {event}\n\n");
    let body = [
        json!({"type": "message_start", "message": {"model": "c", "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "si"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "g"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "xx"}}),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"query\""}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "content_block_start", "index": 3, "content_block": {"type": "text", "text": "Hi"}}),
        json!({"type": "content_block_delta", "index": 3, "delta": {"type": "citations_delta", "citation": {"type": "web_search_result_location", "url": "https://a.example", "title": "A"}}}),
        json!({"type": "content_block_stop", "index": 3}),
        json!({"type": "content_block_start", "index": 4, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": 4, "delta": {"type": "input_json_delta", "partial_json": ""}}),
        json!({"type": "content_block_stop", "index": 4}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 30}}),
        json!({"type": "message_stop"}),
    ];
    let told = told(Kind::Anthropic, body.into_iter().map(event).collect()).await;
    assert_eq!(
        told.parts(),
        ["reasoning hm", "reasoning ", "text Hi", "call f ", "source https://a.example"]
    );
    assert_eq!(told.parts[0].1, json!({"signature": "sig"}));
    assert_eq!(told.parts[1].1, json!({"redacted": "xx"}));
    assert_eq!(told.parts[3].1, json!({"id": "t"}));
    let usage = Usage {
        input_tokens: 17,
        output_tokens: 30,
        reasoning_tokens: 0,
        cached_input_tokens: 5,
        cache_write_tokens: 2,
    };
    assert_eq!((told.usage, told.finish), (Some(usage), Some(FinishReason::ToolCalls)));
}

#[tokio::test]
async fn anthropic_stop_reasons_are_translated() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other("pause_turn".into())),
    ] {
        let event = json!({"type": "message_delta", "delta": {"stop_reason": reason}});
        assert_eq!(
            told(Kind::Anthropic, format!("data: {event}\n\n")).await.finish,
            Some(expected),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn ollama_answers_line_by_line() {
    let body = [
        json!({"model": "q", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": false}),
        json!({"model": "q", "message": {"role": "assistant", "content": "Hi"}, "done": false}),
        json!({"model": "q", "message": {"content": "", "tool_calls": [
            {"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g", "arguments": {}}}]}, "done": false}),
        json!({"model": "q", "message": {"content": ""}, "done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 5}),
    ];
    let told = told(Kind::Ollama, body.iter().map(|line| format!("{line}\n")).collect()).await;
    assert_eq!(told.parts(), ["reasoning hm", "text Hi", "call f {\"a\":1}", "call g {}"]);
    assert_eq!(told.finish, Some(FinishReason::ToolCalls));
    assert_eq!(told.usage, Some(Usage { input_tokens: 3, output_tokens: 5, ..Usage::default() }));
}

#[tokio::test]
async fn responses_without_deltas_are_read_from_their_items() {
    let body = [
        json!({"type": "response.created", "response": {"id": "r", "model": "m", "background": true}}),
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "hm"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e", "status": "completed"}}),
        json!({"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "Hi"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "message", "phase": "final_answer", "content": [{"type": "output_text", "text": "Hi",
            "annotations": [{"type": "url_citation", "url": "https://a.example", "title": "A"}]}]}}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": {"type": "function_call", "id": "fc", "call_id": "x", "name": "f", "arguments": "{}"}}),
        json!({"type": "response.incomplete", "response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}}),
    ];
    let told =
        told(Kind::OpenaiResponses, body.iter().map(|event| format!("data: {event}\n\n")).collect()).await;
    assert_eq!(told.parts(), ["reasoning hm", "text Hi", "call f {}", "source https://a.example"]);
    assert_eq!(
        told.parts[0].1,
        json!({"item": {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}})
    );
    assert_eq!(told.parts[1].1, json!({"phase": "final_answer"}));
    assert_eq!(told.parts[2].1, json!({"id": "x", "item_id": "fc"}));
    assert_eq!(told.finish, Some(FinishReason::ContentFilter));
}

#[tokio::test]
async fn half_a_surrogate_pair_does_not_end_the_answer() {
    let body = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\n\
                data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ude00b\"},\"finish_reason\":\"stop\"}]}\n\n";
    let told = told(Kind::OpenaiChat, body.to_owned()).await;
    assert_eq!(told.ending(), (vec!["text a\u{fffd}\u{fffd}b"], Some(FinishReason::Stop)));
}
