//! Whose turn it is to be told: endpoints that hang hold up neither other webhooks nor other workspaces.

use std::collections::HashMap;

use crate::id::{DeliveryId, WebhookId, WorkspaceId};
use crate::notify::Due;

/// Deliveries that are on their way at the same time.
const ALL: usize = 32;
const OF_WORKSPACE: usize = 8;
pub const OF_WEBHOOK: usize = 2;

#[derive(Debug, Default)]
pub struct Slots {
    taken: HashMap<DeliveryId, (WorkspaceId, WebhookId)>,
    /// When each had its last turn, as a count of turns.
    served: HashMap<WebhookId, u64>,
    turns: u64,
}

impl Slots {
    /// Those that may be sent now, each with a slot: of the workspace that has the fewest, for the webhook that was
    /// not served for longest.
    pub fn take(&mut self, due: Vec<Due>) -> Vec<Due> {
        let mut waiting: Vec<Due> = due.into_iter().filter(|due| !self.taken.contains_key(&due.id)).collect();
        self.served.retain(|id, _| waiting.iter().any(|due| due.webhook_id == *id));
        let mut going = Vec::new();
        while let Some(next) = self.next(&waiting) {
            let due = waiting.remove(next);
            self.turns += 1;
            self.served.insert(due.webhook_id, self.turns);
            self.taken.insert(due.id, (due.workspace_id, due.webhook_id));
            going.push(due);
        }
        going
    }

    pub fn free(&mut self, id: DeliveryId) {
        self.taken.remove(&id);
    }

    fn next(&self, waiting: &[Due]) -> Option<usize> {
        if self.taken.len() >= ALL {
            return None;
        }
        let has_room = |due: &Due| {
            self.of_workspace(due.workspace_id) < OF_WORKSPACE && self.of_webhook(due.webhook_id) < OF_WEBHOOK
        };
        let ready = waiting.iter().enumerate().filter(|(_, due)| has_room(due));
        // What was written down first goes first, where nothing else counts.
        let turn = |due: &Due| (self.of_workspace(due.workspace_id), self.served.get(&due.webhook_id));
        ready.min_by_key(|(place, due)| (turn(due), *place)).map(|(place, _)| place)
    }

    fn of_workspace(&self, id: WorkspaceId) -> usize {
        self.taken.values().filter(|(workspace_id, _)| *workspace_id == id).count()
    }

    fn of_webhook(&self, id: WebhookId) -> usize {
        self.taken.values().filter(|(_, webhook_id)| *webhook_id == id).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(workspace_id: WorkspaceId, webhook_id: WebhookId) -> Due {
        let (url, payload) = (String::new(), String::new());
        Due {
            id: DeliveryId::new(),
            workspace_id,
            webhook_id,
            url,
            secrets: Vec::new(),
            payload,
            attempts: 0,
        }
    }

    fn webhooks(due: &[Due]) -> Vec<WebhookId> {
        due.iter().map(|due| due.webhook_id).collect()
    }

    #[test]
    fn a_webhook_has_two_slots_and_a_workspace_eight() {
        let (mut slots, here, elsewhere) = (Slots::default(), WorkspaceId::new(), WorkspaceId::new());
        let hooks: Vec<WebhookId> = (0..6).map(|_| WebhookId::new()).collect();
        let all: Vec<Due> = hooks.iter().flat_map(|hook| (0..3).map(|_| due(here, *hook))).collect();
        let going = slots.take(all.clone());
        assert_eq!(webhooks(&going), [&hooks[..], &hooks[..2]].concat());
        assert!(slots.take(all.clone()).is_empty(), "eight are on their way");

        let other = due(elsewhere, WebhookId::new());
        let with_other = [all.clone(), vec![other.clone()]].concat();
        assert_eq!(webhooks(&slots.take(with_other)), [other.webhook_id]);

        // The slot that gets free is for the one that waits for longest, not for the one that had it.
        slots.free(going[0].id);
        let left: Vec<Due> = all.into_iter().filter(|due| due.id != going[0].id).collect();
        assert_eq!(webhooks(&slots.take(left)), [hooks[2]]);
    }

    #[test]
    fn workspaces_that_want_everything_leave_a_slot_to_the_next_one_as_soon_as_there_is_one() {
        let mut slots = Slots::default();
        let greedy: Vec<WorkspaceId> = (0..5).map(|_| WorkspaceId::new()).collect();
        let all: Vec<Due> =
            greedy.iter().flat_map(|id| (0..20).map(|_| due(*id, WebhookId::new()))).collect();
        let going = slots.take(all.clone());
        assert_eq!(going.len(), ALL);
        let modest = due(WorkspaceId::new(), WebhookId::new());
        let waiting = [all, vec![modest.clone()]].concat();
        assert!(slots.take(waiting.clone()).is_empty());
        slots.free(going[0].id);
        assert_eq!(webhooks(&slots.take(waiting)), [modest.webhook_id]);
    }
}
