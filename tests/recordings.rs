//! Replays recorded streams of real providers, and compares what we make of them with a second, plain reading.
//!
//! The recordings are not part of the project: `WEIR_RECORDINGS` says where they are, by default
//! `../shared/recordings`. The second reading knows nothing of the code under test: it reads line by line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use weir::chat::message::{FinishReason, Part, Usage};
use weir::chat::turn::ModelOutput;
use weir::provider::{Failure, Kind, decode};

const FOLDERS: &[(&str, Kind)] = &[
    ("openai-chat", Kind::OpenaiChat),
    ("groq-chat", Kind::OpenaiChat),
    ("openrouter-chat", Kind::OpenaiChat),
    ("openai-responses", Kind::OpenaiResponses),
    ("anthropic-messages", Kind::Anthropic),
];

/// Of each folder, so many of the shortest recordings are cut at every byte.
const CUT_EVERYWHERE: usize = 2;
const RANDOM_CUTS: usize = 12;

struct Recording {
    name: String,
    kind: Kind,
    status: u64,
    body: Vec<u8>,
}

/// What an answer says, however its parts were cut.
#[derive(Debug, Default, Clone, PartialEq)]
struct Said {
    text: String,
    reasoning: String,
    calls: Vec<Call>,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
    failed: bool,
}

#[derive(Debug, Default, Clone, PartialEq)]
struct Call {
    id: String,
    name: String,
    args: String,
}

fn recordings() -> Option<Vec<Recording>> {
    let root = std::env::var_os("WEIR_RECORDINGS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recordings"), PathBuf::from);
    if !root.is_dir() {
        eprintln!("skipped: there are no recordings in {} (set WEIR_RECORDINGS)", root.display());
        return None;
    }
    let mut recordings = Vec::new();
    for (folder, kind) in FOLDERS {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "sse"));
        files.sort();
        for path in files {
            let about: Value =
                serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
            recordings.push(Recording {
                name: format!("{folder}/{}", path.file_stem().unwrap().to_string_lossy()),
                kind: *kind,
                status: about["status"].as_u64().unwrap_or(200),
                body: std::fs::read(&path).unwrap(),
            });
        }
    }
    Some(recordings)
}

/// The shortest ones of each folder.
fn shortest(recordings: &[Recording]) -> Vec<&Recording> {
    let mut folders: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
    for recording in recordings {
        folders.entry(recording.name.split('/').next().unwrap()).or_default().push(recording);
    }
    folders
        .into_values()
        .flat_map(|mut folder| {
            folder.sort_by_key(|recording| recording.body.len());
            folder.truncate(CUT_EVERYWHERE);
            folder
        })
        .collect()
}

/// Before each read there is nothing to read for a moment, as on a network.
async fn replay(kind: Kind, reads: Vec<Vec<u8>>) -> Vec<Result<ModelOutput, Failure>> {
    let reads = stream::iter(reads).then(|read| async {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(Bytes::from(read))
    });
    decode(kind, reads).collect().await
}

/// Reads the outputs, and checks that they keep their promises.
fn said(outputs: &[Result<ModelOutput, Failure>]) -> Said {
    let mut said = Said::default();
    let mut parts: Vec<(Part, String, bool)> = Vec::new();
    let mut ids: BTreeMap<u32, String> = BTreeMap::new();
    for (at, output) in outputs.iter().enumerate() {
        assert!(said.finish_reason.is_none() && !said.failed, "something follows the end: {output:?}");
        match output {
            Ok(ModelOutput::Opened { .. }) => assert_eq!(at, 0, "opened comes first"),
            Ok(ModelOutput::PartStarted { index, part }) => {
                assert_eq!(*index as usize, parts.len(), "parts are numbered as they start");
                parts.push((part.clone(), String::new(), true));
            }
            Ok(ModelOutput::Delta { index, text }) => {
                let part = &mut parts[*index as usize];
                assert!(part.2 && !text.is_empty(), "a delta has text and belongs to an open part");
                part.1.push_str(text);
            }
            Ok(ModelOutput::PartCompleted { index, opaque }) => {
                assert!(std::mem::replace(&mut parts[*index as usize].2, false), "a part completes once");
                let id = opaque.as_ref().and_then(|opaque| opaque.data["id"].as_str());
                ids.insert(*index, id.unwrap_or_default().to_owned());
            }
            Ok(ModelOutput::Finished { finish_reason, usage }) => {
                assert!(parts.iter().all(|(_, _, open)| !open), "every part completes before the end");
                said.finish_reason = Some(finish_reason.clone());
                said.usage = *usage;
            }
            Err(_) => said.failed = true,
        }
    }
    for (index, (part, text, _)) in (0..).zip(parts) {
        match part {
            Part::Text { .. } => said.text.push_str(&text),
            Part::Reasoning { .. } => said.reasoning.push_str(&text),
            Part::ToolCall { name, .. } => {
                said.calls.push(Call { id: ids.remove(&index).unwrap_or_default(), name, args: text });
            }
            Part::Source { .. } => {}
            other => panic!("a provider does not make {other:?}"),
        }
    }
    said
}

/// The second reading.
mod plain {
    use super::*;

    pub fn events(body: &str) -> Vec<Value> {
        body.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(str::trim)
            .filter(|data| !data.is_empty() && *data != "[DONE]")
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    pub fn read(kind: Kind, body: &str) -> Said {
        match kind {
            Kind::OpenaiChat => chat(&events(body)),
            Kind::OpenaiResponses => responses(&events(body)),
            Kind::Anthropic => anthropic(&events(body)),
            Kind::Ollama | Kind::Demo => unreachable!("there are no recordings of {kind}"),
        }
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap_or("")
    }

    fn number(value: &Value) -> u64 {
        value.as_u64().unwrap_or(0)
    }

    fn chat(events: &[Value]) -> Said {
        let mut said = Said::default();
        let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
        for event in events {
            said.failed |= event.get("error").is_some_and(|error| !error.is_null());
            for usage in [&event["x_groq"]["usage"], &event["usage"]] {
                if usage.is_object() {
                    said.usage = Some(Usage {
                        input_tokens: number(&usage["prompt_tokens"]),
                        output_tokens: number(&usage["completion_tokens"]),
                        reasoning_tokens: number(&usage["completion_tokens_details"]["reasoning_tokens"]),
                        cached_input_tokens: number(&usage["prompt_tokens_details"]["cached_tokens"]),
                        cache_write_tokens: number(&usage["prompt_tokens_details"]["cache_write_tokens"]),
                    });
                }
            }
            let first = event["choices"].as_array().and_then(|all| all.iter().find(|one| one["index"] == 0));
            let Some(choice) = first else { continue };
            let delta = &choice["delta"];
            said.text += text(&delta["content"]);
            said.text += text(&delta["refusal"]);
            said.reasoning += text(&delta["reasoning"]);
            for call in delta["tool_calls"].as_array().into_iter().flatten() {
                let known = calls.entry(number(&call["index"])).or_default();
                known.id += text(&call["id"]);
                known.name += text(&call["function"]["name"]);
                known.args += text(&call["function"]["arguments"]);
            }
            said.finish_reason = match choice["finish_reason"].as_str() {
                Some("stop") => Some(FinishReason::Stop),
                Some("length") => Some(FinishReason::Length),
                Some("tool_calls") => Some(FinishReason::ToolCalls),
                Some("content_filter") => Some(FinishReason::ContentFilter),
                Some(other) => Some(FinishReason::Other(other.to_owned())),
                None => said.finish_reason,
            };
        }
        said.calls = calls.into_values().collect();
        said
    }

    /// The last event holds the whole answer.
    fn responses(events: &[Value]) -> Said {
        let last = events.iter().find(|event| {
            matches!(
                event["type"].as_str(),
                Some("response.completed" | "response.incomplete" | "response.failed")
            )
        });
        let Some(last) = last else { return Said { failed: true, ..Said::default() } };
        let response = &last["response"];
        let mut said = Said { failed: response["status"] == "failed", ..Said::default() };
        for item in response["output"].as_array().into_iter().flatten() {
            match text(&item["type"]) {
                "message" => {
                    for piece in item["content"].as_array().into_iter().flatten() {
                        said.text += text(&piece["text"]);
                        said.text += text(&piece["refusal"]);
                    }
                }
                "reasoning" => {
                    for piece in item["summary"].as_array().into_iter().flatten() {
                        said.reasoning += text(&piece["text"]);
                    }
                }
                "function_call" => said.calls.push(Call {
                    id: text(&item["call_id"]).to_owned(),
                    name: text(&item["name"]).to_owned(),
                    args: text(&item["arguments"]).to_owned(),
                }),
                other => eprintln!("an item of the type {other} is not read"),
            }
        }
        said.finish_reason =
            match (text(&response["status"]), text(&response["incomplete_details"]["reason"])) {
                ("incomplete", "max_output_tokens") => Some(FinishReason::Length),
                ("incomplete", "content_filter") => Some(FinishReason::ContentFilter),
                ("completed", _) if said.calls.is_empty() => Some(FinishReason::Stop),
                ("completed", _) => Some(FinishReason::ToolCalls),
                other => panic!("an unknown ending {other:?}"),
            };
        let usage = &response["usage"];
        said.usage = Some(Usage {
            input_tokens: number(&usage["input_tokens"]),
            output_tokens: number(&usage["output_tokens"]),
            reasoning_tokens: number(&usage["output_tokens_details"]["reasoning_tokens"]),
            cached_input_tokens: number(&usage["input_tokens_details"]["cached_tokens"]),
            cache_write_tokens: number(&usage["input_tokens_details"]["cache_write_tokens"]),
        });
        said
    }

    fn anthropic(events: &[Value]) -> Said {
        let mut said = Said::default();
        let mut calls: BTreeMap<u64, Call> = BTreeMap::new();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for event in events {
            let index = number(&event["index"]);
            match text(&event["type"]) {
                "error" => said.failed = true,
                "content_block_start" if event["content_block"]["type"] == "tool_use" => {
                    let block = &event["content_block"];
                    let (id, name) = (text(&block["id"]).to_owned(), text(&block["name"]).to_owned());
                    calls.insert(index, Call { id, name, args: String::new() });
                }
                "content_block_delta" => {
                    let delta = &event["delta"];
                    said.text += text(&delta["text"]);
                    said.reasoning += text(&delta["thinking"]);
                    if let Some(call) = calls.get_mut(&index) {
                        call.args += text(&delta["partial_json"]);
                    }
                }
                "message_delta" => {
                    said.finish_reason = Some(match text(&event["delta"]["stop_reason"]) {
                        "end_turn" | "stop_sequence" => FinishReason::Stop,
                        "max_tokens" => FinishReason::Length,
                        "tool_use" => FinishReason::ToolCalls,
                        "refusal" => FinishReason::ContentFilter,
                        other => FinishReason::Other(other.to_owned()),
                    });
                }
                _ => {}
            }
            for usage in [&event["message"]["usage"], &event["usage"]] {
                for key in [
                    "input_tokens",
                    "output_tokens",
                    "cache_read_input_tokens",
                    "cache_creation_input_tokens",
                ] {
                    if let Some(count) = usage[key].as_u64() {
                        counts.insert(key, count);
                    }
                }
                if let Some(count) = usage["output_tokens_details"]["thinking_tokens"].as_u64() {
                    counts.insert("thinking", count);
                }
            }
        }
        let count = |key| counts.get(key).copied().unwrap_or(0);
        let (read, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
        said.usage = Some(Usage {
            input_tokens: count("input_tokens") + read + written,
            output_tokens: count("output_tokens"),
            reasoning_tokens: count("thinking"),
            cached_input_tokens: read,
            cache_write_tokens: written,
        });
        said.calls = calls.into_values().collect();
        said
    }

    /// Whether these bytes tell that the answer is whole.
    pub fn is_finished(kind: Kind, body: &[u8]) -> bool {
        events(&String::from_utf8_lossy(body)).iter().any(|event| match kind {
            Kind::OpenaiChat => event["choices"].as_array().is_some_and(|all| {
                all.iter().any(|one| one["index"] == 0 && one["finish_reason"].is_string())
            }),
            Kind::OpenaiResponses => {
                matches!(text(&event["type"]), "response.completed" | "response.incomplete")
            }
            Kind::Anthropic => event["type"] == "message_stop" || event["delta"]["stop_reason"].is_string(),
            Kind::Ollama | Kind::Demo => unreachable!("there are no recordings of {kind}"),
        })
    }
}

#[tokio::test]
async fn every_recording_replays_to_what_it_says() {
    let Some(recordings) = recordings() else { return };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for recording in &recordings {
        assert_eq!(recording.status, 200, "{} is no stream: teach this test about it", recording.name);
        let expected = plain::read(recording.kind, std::str::from_utf8(&recording.body).unwrap());
        let actual = said(&replay(recording.kind, vec![recording.body.clone()]).await);
        match expected.failed {
            true => assert!(actual.failed && actual.finish_reason.is_none(), "{}", recording.name),
            false => assert_eq!(actual, expected, "{}", recording.name),
        }
        *counts.entry(recording.name.split('/').next().unwrap()).or_default() += 1;
    }
    println!("{} recordings replayed: {counts:?}", recordings.len());
}

#[tokio::test]
async fn where_the_bytes_are_cut_makes_no_difference() {
    let Some(recordings) = recordings() else { return };
    let seed = std::env::var("WEIR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("WEIR_SEED={seed} repeats this run");
    let mut dice = Dice(seed | 1);
    let mut cuts = 0;
    for recording in &recordings {
        let whole = said(&replay(recording.kind, vec![recording.body.clone()]).await);
        for _ in 0..RANDOM_CUTS.min(400_000 / recording.body.len().max(1)).max(2) {
            let mut at = [dice.below(recording.body.len() + 1), dice.below(recording.body.len() + 1)];
            at.sort_unstable();
            let (first, rest) = recording.body.split_at(at[0]);
            let (second, third) = rest.split_at(at[1] - at[0]);
            let reads = vec![first.to_vec(), second.to_vec(), third.to_vec()];
            assert_eq!(said(&replay(recording.kind, reads).await), whole, "{} at {at:?}", recording.name);
            cuts += 1;
        }
        if recording.body.len() < 20_000 {
            let bytes = recording.body.iter().map(|byte| vec![*byte]).collect();
            assert_eq!(said(&replay(recording.kind, bytes).await), whole, "{} byte by byte", recording.name);
        }
    }
    for recording in shortest(&recordings) {
        let whole = said(&replay(recording.kind, vec![recording.body.clone()]).await);
        for at in 0..=recording.body.len() {
            let (first, second) = recording.body.split_at(at);
            let actual = said(&replay(recording.kind, vec![first.to_vec(), second.to_vec()]).await);
            assert_eq!(actual, whole, "{} at {at}", recording.name);
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
}

#[tokio::test]
async fn line_ends_make_no_difference() {
    let Some(recordings) = recordings() else { return };
    for recording in &recordings {
        let whole = said(&replay(recording.kind, vec![recording.body.clone()]).await);
        let text = std::str::from_utf8(&recording.body).unwrap();
        for (ends, body) in [
            ("CRLF and a mark", format!("\u{feff}{}", text.replace('\n', "\r\n"))),
            ("CR", text.replace('\n', "\r")),
            ("no last line end", text.trim_end().to_owned()),
            ("comments", text.replace("\n\n", "\n: still here\n\n: and here\n\ndata:\n\n")),
        ] {
            let actual = said(&replay(recording.kind, vec![body.into_bytes()]).await);
            assert_eq!(actual, whole, "{} with {ends}", recording.name);
        }
    }
}

#[tokio::test]
async fn a_truncated_recording_never_counts_as_finished() {
    let Some(recordings) = recordings() else { return };
    let mut dice = Dice(7);
    let mut cuts = 0;
    let shortest: Vec<&str> = shortest(&recordings).iter().map(|recording| recording.name.as_str()).collect();
    for recording in &recordings {
        let length = recording.body.len();
        let whole = said(&replay(recording.kind, vec![recording.body.clone()]).await);
        let at: Vec<usize> = match shortest.contains(&recording.name.as_str()) {
            true => (0..length).collect(),
            false => (0..RANDOM_CUTS).map(|_| dice.below(length)).collect(),
        };
        for at in at {
            let cut = &recording.body[..at];
            let actual = said(&replay(recording.kind, vec![cut.to_vec()]).await);
            let finished = plain::is_finished(recording.kind, cut);
            assert_eq!(actual.finish_reason.is_some(), finished, "{} cut at {at}", recording.name);
            assert_eq!(actual.failed, !finished, "{} cut at {at}", recording.name);
            assert!(whole.text.starts_with(&actual.text), "{} cut at {at}", recording.name);
            assert!(whole.reasoning.starts_with(&actual.reasoning), "{} cut at {at}", recording.name);
            cuts += 1;
        }
    }
    println!("{cuts} truncations");
}

/// xorshift64: the same everywhere, which is all that is asked of it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}
