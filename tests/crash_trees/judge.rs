//! The oracle: what was lost, half done, or has come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Count;
use crate::support::client::{Ack, Client, Reply};
use crate::support::log::{Log, position};
use crate::support::oracle::{Tables, whole_path};
use crate::support::upstream::summary;
use crate::talk::{Done, Fork, Talk, What, id_of};

/// What a deleted branch leaves behind is gone by then, whoever was killed meanwhile.
const ERASED_WITHIN: Duration = Duration::from_secs(10);

impl Talk {
    /// Everything has been answered, and nothing else happens once all turns have ended.
    pub async fn is_as_it_should_be(&mut self, client: &Client, count: &mut Count) -> Result<(), String> {
        let fresh = self.done[self.judged..].to_vec();
        let log = self.at_rest(client, &fresh).await?;
        let everything = |shown: &Log| shown.end >= log.end;
        self.by_sse.sees("the whole log by SSE", everything).await;
        self.by_socket.sees("the whole log by WebSocket", everything).await;
        for (follower, how) in [(&self.by_sse, "SSE"), (&self.by_socket, "WebSocket")] {
            let shown = follower.log();
            if shown.end != log.end {
                return Err(format!("{how} was shown {} positions, {} are stored", shown.end, log.end));
            }
            shown.is_part_of_what_is_left(&log).map_err(|wrong| format!("by {how}: {wrong}"))?;
        }
        let earlier = self.log.is_part_of_what_is_left(&log);
        earlier.map_err(|wrong| format!("what was stored at the last rest: {wrong}"))?;

        let tables = Tables::of(&log)?;
        tables.are_at_rest()?;
        tables.are_what_the_server_says(client, &self.id).await?;
        self.the_tree_is_the_same(client, &tables).await?;
        for (n, done) in fresh.iter().enumerate() {
            let later_deletion = fresh[n..].iter().any(|done| matches!(done.what, What::Delete { .. }));
            self.is_in(done, &log, &tables, later_deletion, count)?;
        }
        self.forks_are_there_once(client, &fresh, count).await?;
        self.repeats_are_answered_as_the_first(client, &fresh).await?;
        count.messages_deleted += self.deleted.iter().filter(|id| self.log.speaks_of(id)).count();
        let redacted = |log: &Log| log.redactions().map(|(prev, seq)| seq - prev).sum::<u64>();
        count.redacted += redacted(&log) - redacted(&self.log);
        self.judged = self.done.len();
        self.log = log;
        Ok(())
    }

    /// The log, once every turn has ended and what was deleted is erased: at once where the deletion was answered
    /// with success, soon where it was cut off after its commit.
    async fn at_rest(&mut self, client: &Client, fresh: &[Done]) -> Result<Log, String> {
        let mut log = client.log(&self.id).await;
        for done in fresh {
            let What::Delete { root, below } = &done.what else { continue };
            let committed = log.events_of_type("branch.deleted").any(|event| event["message_id"] == **root);
            let status = done.reply.as_ref().map(|reply| reply.status);
            if status == Some(204)
                && let Some(id) = below.iter().find(|id| log.speaks_of(id))
            {
                return Err(format!("{id} was said to be deleted, and the log speaks of it"));
            }
            match (status, committed) {
                (Some(204 | 404) | None, true) => self.deleted.extend(below.iter().cloned()),
                (None, false) => {}
                // It went with the branch that it was on.
                (Some(404), false) if self.deleted.contains(root) => {}
                _ => return Err(format!("{done:?}, but the log says {committed}")),
            }
        }
        let deadline = Instant::now() + ERASED_WITHIN;
        loop {
            let left = self.deleted.iter().find(|id| log.speaks_of(id));
            let running = log.unfinished_turns();
            if left.is_none() && running.is_empty() {
                return Ok(log);
            }
            if Instant::now() > deadline {
                return Err(format!("not erased: {left:?}; not ended: {running:?}"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            log = client.log(&self.id).await;
        }
    }

    async fn the_tree_is_the_same(&self, client: &Client, tables: &Tables) -> Result<(), String> {
        let person = self.person(client, "reader");
        let tree: BTreeSet<String> = person.tree().await.iter().map(id_of).collect();
        let logged: BTreeSet<String> = tables.messages.keys().cloned().collect();
        if tree != logged {
            return Err(format!("the tree is {tree:?}, the log says {logged:?}"));
        }
        for id in &self.deleted {
            let page = client.get(&format!("{}/messages?head={id}", person.base)).await;
            if page.status != 404 || tree.contains(id) {
                return Err(format!("{id} was deleted, and is answered {page:?}"));
            }
        }
        let stored = person.read("/compactions").await;
        let stored: BTreeMap<String, Value> = stored["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|compaction| (id_of(compaction), compaction.clone()))
            .collect();
        if stored != tables.compactions {
            return Err(format!("the summaries are {stored:?}, the log says {:?}", tables.compactions));
        }
        match stored.values().find(|compaction| compaction["summary"] != summary()) {
            Some(cut) => Err(format!("a summary that is not whole: {cut}")),
            None => Ok(()),
        }
    }

    /// What was acknowledged is there; what was cut off is there or not.
    fn is_in(
        &self,
        done: &Done,
        log: &Log,
        tables: &Tables,
        later_deletion: bool,
        count: &mut Count,
    ) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{why}: {done:?}"));
        let name = done.what.name();
        let Some(reply) = &done.reply else {
            let is_done = match &done.what {
                What::Say(script) => log.events().any(|event| event.to_string().contains(&script.id)),
                What::Delete { root, .. } => self.deleted.contains(root),
                What::Regenerate
                | What::Switch { .. }
                | What::Fork { .. }
                | What::Compact
                | What::Undo { .. } => {
                    return Ok(());
                }
            };
            let cut = if is_done { &mut count.cut_and_done } else { &mut count.cut_and_undone };
            *cut += 1;
            return Ok(());
        };
        let accepted = matches!(reply.status, 200..=204);
        let tally = if accepted { &mut count.done } else { &mut count.refused };
        *tally.entry(name).or_default() += 1;
        match (&done.what, reply.status) {
            (What::Say(_) | What::Regenerate, 202) => {
                let ack = Ack::of(&reply.body);
                let gone = self.deleted.contains(&ack.message_id)
                    || (later_deletion && !tables.turns.contains_key(&ack.turn_id));
                let there = tables.turns.contains_key(&ack.turn_id)
                    && log.events().any(|event| {
                        event["message"]["id"] == ack.message_id
                            || event["turn"]["message_id"] == ack.message_id
                    });
                if there || gone { Ok(()) } else { wrong("not in the log") }
            }
            (What::Switch { to }, 200) => {
                let cursor = reply.body["cursor"].as_str().map(position).unwrap_or_default();
                let then = Tables::of(&log.between(0, cursor))?;
                if then.head.as_ref() == Some(to) || self.deleted.contains(to) {
                    return Ok(());
                }
                wrong(&format!("at {cursor} the head is {:?}", then.head))
            }
            (What::Compact, 201) => {
                let id = id_of(&reply.body);
                let mut made = log.events_of_type("conversation.compacted");
                let there = made.any(|event| event["compaction"] == reply.body) && !id.is_empty();
                let gone = reply.body["message_id"].as_str().is_some_and(|id| self.deleted.contains(id));
                match (there, gone) {
                    (true, false) | (false, true) => Ok(()),
                    (false, false) => wrong("not in the log"),
                    (true, true) => wrong("left in the log"),
                }
            }
            (What::Undo { compaction_id }, 204) => {
                let mut undone = log.events_of_type("conversation.uncompacted");
                match undone.any(|event| event["compaction_id"] == **compaction_id)
                    && !tables.compactions.contains_key(compaction_id)
                {
                    true => Ok(()),
                    false => wrong("not in the log"),
                }
            }
            // Its turn may still run; it may be summarised already; its branch may be gone.
            (What::Regenerate, 409) | (What::Compact, 404 | 409) | (What::Undo { .. }, 404) => Ok(()),
            // Both were looked at.
            (What::Delete { .. }, 204 | 404) | (What::Fork { .. }, 201) => Ok(()),
            _ => wrong("nobody should answer like this"),
        }
    }

    /// A fork exists once for each key, and shows what its origin showed, whatever became of that.
    async fn forks_are_there_once(
        &mut self,
        client: &Client,
        fresh: &[Done],
        count: &mut Count,
    ) -> Result<(), String> {
        let all = conversations(client).await;
        for done in fresh {
            let What::Fork { title, above } = &done.what else { continue };
            let found: Vec<&Value> = all.iter().filter(|one| one["title"] == **title).collect();
            let id = match (&done.reply, found.as_slice()) {
                (Some(reply), [one]) if reply.body["conversation"]["id"] == one["id"] => id_of(one),
                (None, [one]) => {
                    count.cut_and_done += 1;
                    id_of(one)
                }
                (None, []) => {
                    count.cut_and_undone += 1;
                    continue;
                }
                (reply, found) => return Err(format!("{title} was answered {reply:?}, there are {found:?}")),
            };
            self.forks.push(Fork { id, above: above.clone() });
        }
        for Fork { id, above } in &self.forks {
            let log = client.log(id).await;
            let tables = Tables::of_fork(&log, above)?;
            tables
                .are_what_the_server_says(client, id)
                .await
                .map_err(|wrong| format!("fork {id}: {wrong}"))?;
            let base = format!("/v1/conversations/{id}");
            let head = tables.head.as_deref().ok_or(format!("the fork {id} has no head"))?;
            let at = above.iter().max_by_key(|message| message["seq"].as_u64()).map(id_of);
            if at.as_deref() != Some(head) || whole_path(client, &base, head).await.len() != above.len() {
                return Err(format!("the fork {id} is at {head}, it was made at {at:?}"));
            }
        }
        Ok(())
    }

    async fn repeats_are_answered_as_the_first(&self, client: &Client, fresh: &[Done]) -> Result<(), String> {
        for done in fresh {
            let Some(reply) = &done.reply else { continue };
            let told = |reply: &Reply| match &done.what {
                What::Say(_) | What::Regenerate if reply.status == 202 => {
                    Some(json!([reply.body["message_id"], reply.body["turn"]["id"]]))
                }
                What::Fork { .. } if reply.status == 201 => Some(reply.body["conversation"]["id"].clone()),
                _ => None,
            };
            let Some(first) = told(reply) else { continue };
            let names_what_is_gone = match &done.what {
                What::Fork { above, .. } => {
                    above.iter().any(|message| self.deleted.contains(&id_of(message)))
                }
                _ => client.get(&format!("/v1/turns/{}", Ack::of(&reply.body).turn_id)).await.status == 404,
            };
            if names_what_is_gone {
                continue;
            }
            let again = client.insist(done.method.clone(), &done.path, &done.body, &done.key).await;
            if told(&again) != Some(first) {
                return Err(format!("{done:?}, and then {again:?}"));
            }
        }
        Ok(())
    }
}

async fn conversations(client: &Client) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/conversations?limit=200{cursor}")).await.expect(200);
        all.extend(page["items"].as_array().expect("a list has items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}
