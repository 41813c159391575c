//! What becomes of a turn that is cut: by a kill, by the provider, by a person, by a limit, by SIGTERM.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use support::client::{Client, message};
use support::follower::Follower;
use support::oracle::{Tables, database_is_sound};
use support::script::{Fault, Script};
use support::server::Server;
use support::upstream::{CONTINUES, FROM_THE_TOP, REFUSES_PREFILL, Upstream};

/// A server, the model that it asks, and one conversation that is followed.
struct Scene {
    upstream: Upstream,
    server: Server,
    client: Client,
    conversation: String,
    follower: Follower,
}

impl Scene {
    async fn with(agent: &str) -> Self {
        let upstream = Upstream::start().await;
        let config = upstream.config();
        Self::set(agent, upstream, &config).await
    }

    async fn set(agent: &str, upstream: Upstream, config: &str) -> Self {
        let server = Server::start(config).await;
        let client = server.client();
        let conversation = client.converse(agent).await;
        let follower = Follower::by_sse(&client, &conversation);
        Self { upstream, server, client, conversation, follower }
    }

    /// Sends a script and waits until the model holds its breath.
    async fn say_and_see_held(&self, script: &Script) -> String {
        let turn_id = self.client.say(&self.conversation, script).await.turn_id;
        let first = if script.calls > 0 { script.preface() } else { script.answer() };
        self.follower.sees_text(&first, script.at).await;
        turn_id
    }

    async fn kill_and_restart(&mut self) {
        self.server.kill9();
        database_is_sound(&self.server.data()).expect("the database is sound");
        self.server.restart().await;
    }

    /// Waits for the end of this turn, and judges the whole conversation.
    async fn ends(&self, turn_id: &str) -> Tables {
        self.follower.sees_the_end_of(turn_id).await;
        self.at_rest().await
    }

    async fn at_rest(&self) -> Tables {
        self.follower.sees("every turn to end", |log| log.unfinished_turns().is_empty()).await;
        let log = self.client.log(&self.conversation).await;
        self.follower.sees("the whole log", |shown| shown.end == log.end).await;
        assert_eq!(self.follower.log(), log, "shown and stored are the same");
        let tables = Tables::of(&log).unwrap_or_else(|wrong| panic!("{wrong}"));
        tables.are_at_rest().unwrap_or_else(|wrong| panic!("{wrong}"));
        let told = tables.are_what_the_server_says(&self.client, &self.conversation).await;
        told.unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(self.upstream.complaints(), Vec::<String>::new());
        tables
    }

    /// The problem that ended a turn.
    fn problem_of(&self, turn_id: &str) -> Value {
        let log = self.follower.log();
        let end = log.events().find(|event| event["turn_id"] == turn_id && !event["problem"].is_null());
        end.map_or(Value::Null, |event| event["problem"].clone())
    }
}

/// The answers of a turn, in the order in which they were made: status, text, and what they hang below.
fn answers(tables: &Tables, turn_id: &str) -> Vec<(String, String, String)> {
    let own = tables.messages.values().filter(|message| message.body["turn_id"] == turn_id);
    let mut answers: Vec<_> = own.filter(|message| message.body["role"] == "assistant").collect();
    answers.sort_by_key(|message| (message.body["step"].as_u64(), message.body["attempt"].as_u64()));
    let shown = |message: &&support::oracle::Message| {
        let parent = message.body["parent_id"].as_str().unwrap_or_default().to_owned();
        (message.status().to_owned(), message.text(), parent)
    };
    answers.iter().map(shown).collect()
}

fn statuses(tables: &Tables, turn_id: &str) -> Vec<String> {
    answers(tables, turn_id).into_iter().map(|(status, _, _)| status).collect()
}

#[tokio::test]
async fn a_model_that_takes_a_prefill_goes_on_from_its_own_words() {
    let mut scene = Scene::with("prefill").await;
    let script = Script { reasoning: 80, ..Script::new("prefilled", 900) }.held_at(400);
    let turn_id = scene.say_and_see_held(&script).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "completed");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted", "complete"]);
    let asked = scene.upstream.asked("prefilled");
    let how: Vec<_> = asked.iter().map(|asked| (asked.prefilled, asked.told_to_go_on)).collect();
    assert_eq!(how, [(false, false), (true, false)]);
    assert_eq!(asked[1].model, CONTINUES);
}

#[tokio::test]
async fn a_model_that_refuses_a_prefill_is_asked_in_words() {
    let mut scene = Scene::with("refusing").await;
    let turn_id = scene.say_and_see_held(&Script::new("refused", 900).held_at(400)).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "completed");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted", "complete"]);
    let asked = scene.upstream.asked("refused");
    let how: Vec<_> = asked.iter().map(|asked| (asked.prefilled, asked.told_to_go_on)).collect();
    assert_eq!(how, [(false, false), (true, false), (false, true)]);
    assert_eq!(asked[2].model, REFUSES_PREFILL);
}

#[tokio::test]
async fn a_model_that_is_asked_in_words_goes_on_below_the_cut_answer() {
    let mut scene = Scene::with("default").await;
    let script = Script::new("in words", 900).held_at(400);
    let turn_id = scene.say_and_see_held(&script).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    let answers = answers(&tables, &turn_id);
    let [(cut_status, cut, _), (status, rest, below)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!([cut_status, status], ["interrupted", "complete"]);
    assert_eq!(format!("{cut}{rest}"), script.answer());
    assert_eq!(tables.messages[below].text(), *cut);
    let log = scene.follower.log();
    let resumed = log.events_of_type("turn.resumed").next().expect("it was resumed");
    assert_eq!((&resumed["attempt"], &resumed["reason"]), (&json!(2), &json!("restart")));
    assert_eq!(log.events_of_type("notice").count(), 1);
}

#[tokio::test]
async fn a_model_that_begins_again_makes_a_sibling_of_the_cut_answer() {
    let mut scene = Scene::with("top").await;
    let script = Script::new("from the top", 900).held_at(400);
    let turn_id = scene.say_and_see_held(&script).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    let answers = answers(&tables, &turn_id);
    let [(_, cut, cut_below), (status, whole, below)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(script.answer().starts_with(cut));
    assert_eq!((status.as_str(), whole), ("complete", &script.answer()));
    assert_eq!(below, cut_below, "the two are siblings");
    let head = tables.head.clone().expect("there is a head");
    assert_eq!(tables.messages[&head].text(), *whole, "the whole one is shown");
    assert_eq!(scene.upstream.asked("from the top")[1].model, FROM_THE_TOP);
}

#[tokio::test]
async fn an_agent_that_restarts_keeps_the_cut_answer_as_a_branch() {
    let mut scene = Scene::with("restart").await;
    let turn_id = scene.say_and_see_held(&Script::new("again", 900).held_at(400)).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    let answers = answers(&tables, &turn_id);
    let [(cut, _, cut_below), (status, _, below)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!([cut, status], ["interrupted", "complete"]);
    assert_eq!(below, cut_below);
    let asked = scene.upstream.asked("again");
    assert_eq!((asked[1].given.as_str(), asked[1].told_to_go_on), ("", false));
}

#[tokio::test]
async fn an_agent_that_fails_keeps_what_was_shown_and_asks_nobody_again() {
    let mut scene = Scene::with("fail").await;
    let turn_id = scene.say_and_see_held(&Script::new("no more", 900).held_at(400)).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "interrupted");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted"]);
    assert_eq!(scene.upstream.asked("no more").len(), 1);
    // The conversation goes on all the same.
    let next = scene.client.say(&scene.conversation, &Script::new("next", 50)).await.turn_id;
    assert_eq!(scene.ends(&next).await.turns[&next].state, "completed");
}

#[tokio::test]
async fn a_call_that_was_cut_never_runs() {
    let mut scene = Scene::with("default").await;
    scene.upstream.pace(Duration::from_millis(4));
    let script = Script { calls: 2, piece: 4, ..Script::new("half a call", 100) };
    let turn_id = scene.client.say(&scene.conversation, &script).await.turn_id;
    let beginning = &script.arguments(1)[..12];
    scene.follower.sees("the second call's arguments", |log| log.has_text(beginning)).await;
    scene.kill_and_restart().await;
    scene.upstream.pace(Duration::ZERO);
    let tables = scene.ends(&turn_id).await;
    assert_eq!(statuses(&tables, &turn_id), ["interrupted", "complete", "complete"]);
    assert_eq!(scene.follower.log().events_of_type("tool.proposed").count(), 2, "those of the whole message");
}

#[tokio::test]
async fn an_answer_that_the_provider_cuts_is_never_complete() {
    for (fault, name) in [(Fault::Eof, "eof"), (Fault::Reset, "reset")] {
        let scene = Scene::with("default").await;
        let script = Script { fault: Some(fault), at: 300, ..Script::new(name, 900) };
        let turn_id = scene.client.say(&scene.conversation, &script).await.turn_id;
        let tables = scene.ends(&turn_id).await;
        assert_eq!(tables.turns[&turn_id].state, "completed", "{name}");
        assert_eq!(statuses(&tables, &turn_id), ["interrupted", "complete"], "{name}");
        let log = scene.follower.log();
        let resumed = log.events_of_type("turn.resumed").next().expect("it was resumed");
        assert_eq!(resumed["reason"], "provider_interrupted", "{name}");
    }
}

#[tokio::test]
async fn after_three_attempts_a_turn_is_interrupted() {
    let scene = Scene::with("default").await;
    let script = Script { fault: Some(Fault::Eof), at: 100, times: 9, ..Script::new("thrice", 900) };
    let turn_id = scene.client.say(&scene.conversation, &script).await.turn_id;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "interrupted");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted"; 3]);
    assert_eq!(scene.upstream.asked("thrice").len(), 3);
    assert_eq!(scene.problem_of(&turn_id)["type"], "provider-interrupted");
}

#[tokio::test]
async fn three_kills_interrupt_a_turn_and_a_whole_step_in_between_counts_anew() {
    let mut scene = Scene::with("default").await;
    let script = Script { times: 9, ..Script::new("kills", 2000) }.held_at(50);
    let turn_id = scene.say_and_see_held(&script).await;
    for attempt in 2..=3 {
        scene.kill_and_restart().await;
        scene.upstream.is_asked("kills", attempt).await;
        let shown = |log: &support::log::Log| log.events_of_type("message.created").count() == attempt + 1;
        scene.follower.sees("the next attempt", shown).await;
    }
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "interrupted");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted"; 3]);
    assert_eq!(scene.upstream.asked("kills").len(), 3);
}

#[tokio::test]
async fn a_cancel_survives_a_kill() {
    let mut scene = Scene::with("default").await;
    let turn_id = scene.say_and_see_held(&Script::new("cancelled", 900).held_at(400)).await;
    scene.client.cancel(&turn_id).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "cancelled");
    assert_eq!(statuses(&tables, &turn_id), ["cancelled"]);
    scene.upstream.is_left_alone("cancelled").await;
    assert_eq!(scene.upstream.asked("cancelled").len(), 1);
    // To say it again changes nothing.
    let again = scene.client.cancel(&turn_id).await;
    assert!((200..300).contains(&again.status), "{again:?}");
    assert_eq!(scene.ends(&turn_id).await.turns[&turn_id].state, "cancelled");
}

#[tokio::test]
async fn a_queue_survives_a_kill_and_runs_in_its_order() {
    let mut scene = Scene::with("default").await;
    let queue = format!("/v1/conversations/{}/queue", scene.conversation);
    let running = scene.say_and_see_held(&Script::new("running", 900).held_at(400)).await;
    let mut queued = Vec::new();
    for name in ["a", "b", "c", "d"] {
        queued.push(scene.client.say(&scene.conversation, &Script::new(name, 50)).await.turn_id);
    }
    let order = [&queued[2], &queued[0], &queued[3], &queued[1]];
    let reordered = scene.client.send(Method::PUT, &queue, &json!({"turn_ids": order})).await;
    assert!((200..300).contains(&reordered.status), "{reordered:?}");
    let edited = message(&Script::new("edited", 50), &json!({}));
    let edited = scene.client.send(Method::PATCH, &format!("{queue}/{}", queued[0]), &edited).await;
    assert!((200..300).contains(&edited.status), "{edited:?}");
    let withdrawn = scene.client.send(Method::DELETE, &format!("{queue}/{}", queued[3]), &json!({})).await;
    assert!((200..300).contains(&withdrawn.status), "{withdrawn:?}");

    scene.kill_and_restart().await;
    let tables = scene.ends(&queued[1]).await;
    let log = scene.follower.log();
    let started = log.events_of_type("turn.started").filter_map(|event| event["turn_id"].as_str());
    let started: Vec<&str> = started.collect();
    assert_eq!(started, [&running, &queued[2], &queued[0], &queued[1]]);
    assert_eq!(tables.turns[&queued[3]].state, "cancelled");
    let ran: Vec<usize> = ["a", "b", "c", "d", "edited"].map(|id| scene.upstream.asked(id).len()).into();
    assert_eq!(ran, [0, 1, 1, 0, 1]);
    let head = tables.head.clone().expect("there is a head");
    assert_eq!(tables.path(&head).len(), 2 + 1 + 3 * 2, "one branch, with the cut answer in it");
}

#[tokio::test]
async fn a_turn_ends_at_its_limits() {
    let scene = Scene::with("short").await;
    let calling = Script { calls: 1, ..Script::new("steps", 100) };
    let turn_id = scene.client.say(&scene.conversation, &calling).await.turn_id;
    assert_eq!(scene.ends(&turn_id).await.turns[&turn_id].state, "failed");
    assert_eq!(scene.problem_of(&turn_id)["type"], "turn-limit");
    assert_eq!(scene.upstream.asked("steps").len(), 1);

    let scene = Scene::with("frugal").await;
    let calling = Script { calls: 1, ..Script::new("tokens", 100) };
    let turn_id = scene.client.say(&scene.conversation, &calling).await.turn_id;
    assert_eq!(scene.ends(&turn_id).await.turns[&turn_id].state, "failed");
    assert_eq!(scene.problem_of(&turn_id)["type"], "turn-limit");

    let scene = Scene::with("hasty").await;
    let turn_id = scene.say_and_see_held(&Script::new("time", 900).held_at(100)).await;
    assert_eq!(scene.ends(&turn_id).await.turns[&turn_id].state, "failed");
    assert_eq!(scene.problem_of(&turn_id)["type"], "turn-limit");
    scene.upstream.is_left_alone("time").await;
}

#[tokio::test]
async fn a_turns_time_goes_on_over_a_kill() {
    let mut scene = Scene::with("hasty").await;
    let script = Script { times: 9, ..Script::new("late", 900) }.held_at(100);
    let turn_id = scene.say_and_see_held(&script).await;
    scene.kill_and_restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "failed");
    assert_eq!(scene.problem_of(&turn_id)["type"], "turn-limit");
}

#[tokio::test]
async fn a_provider_that_says_nothing_times_out_and_frees_its_slot() {
    let upstream = Upstream::start().await;
    let quick = "first_byte_timeout = \"300ms\"\nidle_timeout = \"300ms\"\nmax_retries = 1";
    let config = upstream.config_with(quick, "");
    let scene = Scene::set("default", upstream, &config).await;
    let silent = Script { fault: Some(Fault::Silent), times: 9, ..Script::new("silent", 900) };
    let turn_id = scene.client.say(&scene.conversation, &silent).await.turn_id;
    assert_eq!(scene.ends(&turn_id).await.turns[&turn_id].state, "failed");
    assert_eq!(scene.problem_of(&turn_id)["type"], "provider-timeout");
    scene.upstream.is_left_alone("silent").await;
    assert_eq!(scene.upstream.asked("silent").len(), 2, "asked again once");

    let stuck = Script::new("stuck", 900).held_at(300);
    let turn_id = scene.client.say(&scene.conversation, &stuck).await.turn_id;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "completed");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted", "complete"]);
    scene.upstream.is_left_alone("stuck").await;
}

#[tokio::test]
async fn a_provider_that_refuses_at_first_is_asked_again_before_anything_is_shown() {
    let scene = Scene::with("default").await;
    for (fault, name) in [(Fault::Status429, "busy"), (Fault::Status500, "broken")] {
        let script = Script { fault: Some(fault), ..Script::new(name, 200) };
        let turn_id = scene.client.say(&scene.conversation, &script).await.turn_id;
        let tables = scene.ends(&turn_id).await;
        assert_eq!(tables.turns[&turn_id].state, "completed", "{name}");
        assert_eq!(statuses(&tables, &turn_id), ["complete"], "{name}");
        assert_eq!(scene.upstream.asked(name).len(), 2, "{name}");
    }
}

#[tokio::test]
async fn sigterm_lets_a_running_turn_finish() {
    let mut scene = Scene::with("default").await;
    let turn_id = scene.say_and_see_held(&Script::new("in time", 900).held_at(400)).await;
    let queued = scene.client.say(&scene.conversation, &Script::new("after", 50)).await.turn_id;
    scene.server.sigterm();
    // It takes no more work, but it is still there for what runs.
    let refused = loop {
        let body = message(&Script::new("too late", 50), &json!({"on_busy": "reject"}));
        let path = format!("/v1/conversations/{}/messages", scene.conversation);
        match scene.client.ask(scene.client.request(Method::POST, &path).json(&body)).await {
            Ok(reply) if reply.status == 409 => tokio::time::sleep(Duration::from_millis(5)).await,
            Ok(reply) => break reply.status,
            Err(_) => break 0,
        }
    };
    assert!(refused == 503 || refused == 0, "{refused}");
    scene.upstream.release("in time");
    let status = scene.server.ended().await;
    assert_eq!(status.code(), Some(0));
    scene.server.restart().await;
    let tables = scene.ends(&queued).await;
    assert_eq!(tables.turns[&turn_id].state, "completed");
    assert_eq!(statuses(&tables, &turn_id), ["complete"], "it was not cut");
    assert_eq!(tables.turns[&queued].state, "completed");
}

#[tokio::test]
async fn a_turn_that_outlasts_the_grace_is_recovered_at_the_next_start() {
    let upstream = Upstream::start().await;
    let config = upstream.config().replace("grace = \"5s\"", "grace = \"500ms\"");
    let mut scene = Scene::set("default", upstream, &config).await;
    let turn_id = scene.say_and_see_held(&Script::new("too long", 900).held_at(400)).await;
    let began = Instant::now();
    scene.server.sigterm();
    let status = scene.server.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    scene.upstream.is_left_alone("too long").await;
    scene.server.restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "completed");
    assert_eq!(statuses(&tables, &turn_id), ["interrupted", "complete"]);
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once_and_loses_nothing() {
    let upstream = Upstream::start().await;
    let config = upstream.config().replace("grace = \"5s\"", "grace = \"40s\"");
    let mut scene = Scene::set("default", upstream, &config).await;
    let turn_id = scene.say_and_see_held(&Script::new("hurry", 900).held_at(400)).await;
    let began = Instant::now();
    scene.server.sigterm();
    tokio::time::sleep(Duration::from_millis(100)).await;
    scene.server.sigterm();
    scene.server.ended().await;
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    scene.server.restart().await;
    let tables = scene.ends(&turn_id).await;
    assert_eq!(tables.turns[&turn_id].state, "completed");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_exits_2_and_disturbs_nobody() {
    let scene = Scene::with("default").await;
    let turn_id = scene.say_and_see_held(&Script::new("undisturbed", 900).held_at(400)).await;
    let mut second = scene.server.command();
    second.env("WEIR_LISTEN", "127.0.0.1:0");
    let second = tokio::task::spawn_blocking(move || second.output()).await.expect("it does not panic");
    let second = second.expect("it can be started");
    assert_eq!(second.status.code(), Some(2), "{}", String::from_utf8_lossy(&second.stderr));
    scene.upstream.release("undisturbed");
    let tables = scene.ends(&turn_id).await;
    assert_eq!(statuses(&tables, &turn_id), ["complete"]);
}
