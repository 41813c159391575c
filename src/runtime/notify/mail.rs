//! Mails about approvals: written to whoever may decide them, gathered, and never with a link that decides.

mod letter;
mod post;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use self::letter::Letter;
pub use self::post::{Post, Unsendable, is_address};

use super::Failure;
use crate::auth::{Directory, User, permissions_of};
use crate::chat::approval::{Approval, ApprovalState};
use crate::id::{ApprovalId, UserId, WorkspaceId};
use crate::notify::{DueMail, Notices};
use crate::runtime::Runtime;
use crate::scope::{Credential, Permission, Scope};
use crate::store::Notifications;

const PAGE: usize = 200;
const LOOKS_AGAIN: Duration = Duration::from_secs(30);
/// What could not be sent is tried again after these, and then dropped: the queue in the page still has it.
const RETRY: [Duration; 5] = [
    Duration::from_secs(30),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
];

#[derive(Clone)]
pub struct Mails {
    runtime: Runtime,
    notices: Notices,
    directory: Arc<Directory>,
    post: Post,
    options: Arc<MailOptions>,
}

#[derive(Debug, Clone)]
pub struct MailOptions {
    /// Of the page, for links.
    pub url: String,
    /// What comes within this time is one mail.
    pub gather: Duration,
    /// Whether people are written to about approvals at all; they may confirm their addresses either way.
    pub approvals: bool,
}

impl Mails {
    pub fn new(
        runtime: Runtime,
        notices: Notices,
        directory: Arc<Directory>,
        post: Post,
        options: MailOptions,
    ) -> Self {
        Self { runtime, notices, directory, post, options: Arc::new(options) }
    }

    /// Sends the code that the owner of an address has to name.
    pub async fn send_code(&self, address: &str, code: &str) -> Result<(), Unsendable> {
        self.post.send(address, &Letter::code(code)).await
    }

    /// As long as it is polled.
    pub async fn run(&self) {
        if self.options.approvals {
            tokio::join!(self.follow(), self.deliver());
        }
    }

    async fn follow(&self) {
        let mut feed = self.runtime.store().feed_changes();
        let mut read = HashMap::new();
        loop {
            feed.mark_unchanged();
            if let Err(error) = self.catch_up(&mut read).await {
                warn!(%error, "nobody is written to for now");
                tokio::time::sleep(LOOKS_AGAIN).await;
                continue;
            }
            tokio::select! {
                Ok(()) = feed.changed() => {}
                () = tokio::time::sleep(LOOKS_AGAIN) => {}
            }
            tokio::time::sleep(super::BREATH).await;
        }
    }

    /// `read` is how far each feed was read without anything to write down.
    async fn catch_up(&self, read: &mut HashMap<WorkspaceId, u64>) -> Result<(), Failure> {
        let (directory, notices) = (self.directory.clone(), self.notices.clone());
        let found = self.runtime.aside(move || {
            let recipients = notices.recipients()?;
            let mut cursors = Vec::new();
            for workspace in directory.workspaces()? {
                cursors.push((workspace.id, notices.mail_cursor(workspace.id)?));
            }
            Ok::<_, Failure>((recipients, cursors))
        });
        let (recipients, cursors) = found.await?;
        for (workspace_id, cursor) in cursors {
            let after = match cursor {
                Some(cursor) => read.get(&workspace_id).copied().unwrap_or(cursor),
                // What was asked before anybody could be written to is old news.
                None => {
                    let end = self.runtime.store().feed_position().await?;
                    self.write_down(workspace_id, Vec::new(), end).await?;
                    end
                }
            };
            read.insert(workspace_id, self.catch_up_one(workspace_id, &recipients, after).await?);
        }
        Ok(())
    }

    async fn catch_up_one(
        &self,
        workspace_id: WorkspaceId,
        recipients: &[UserId],
        mut after: u64,
    ) -> Result<u64, Failure> {
        loop {
            let page = self.runtime.store().notifications(workspace_id, after, PAGE).await?;
            let Notifications { items, through, more } = page;
            let asked = items.iter().filter(|item| item.kind == "approval.requested");
            let asked: Vec<ApprovalId> =
                asked.filter_map(|item| item.approval.as_ref()).map(|approval| approval.id).collect();
            let mut mails = Vec::new();
            for approval_id in asked {
                for user_id in recipients {
                    if self.decidable(*user_id, workspace_id, approval_id).await?.is_some() {
                        mails.push((*user_id, approval_id));
                    }
                }
            }
            // A restored database has a feed that ends earlier.
            if !mails.is_empty() || more || through < after {
                self.write_down(workspace_id, mails, through).await?;
            }
            if !more {
                return Ok(through);
            }
            after = through;
        }
    }

    async fn write_down(
        &self,
        workspace_id: WorkspaceId,
        mails: Vec<(UserId, ApprovalId)>,
        through: u64,
    ) -> Result<(), Failure> {
        let (notices, at) = (self.notices.clone(), self.runtime.clock().now().plus(self.options.gather));
        let write = move || notices.add_mails(workspace_id, &mails, through, at);
        Ok(self.runtime.aside(write).await?)
    }

    /// The approval, if it is open and that user may decide it.
    async fn decidable(
        &self,
        user_id: UserId,
        workspace_id: WorkspaceId,
        id: ApprovalId,
    ) -> Result<Option<Approval>, Failure> {
        let directory = self.directory.clone();
        let user = self.runtime.aside(move || directory.user(user_id)).await?;
        let Some(scope) = user.and_then(|user| scope_of(&user, workspace_id)) else { return Ok(None) };
        let approval = self.runtime.store().approval(&scope, id).await?;
        Ok(approval.filter(|approval| approval.state == ApprovalState::Pending))
    }

    async fn deliver(&self) {
        // Several within that time are one mail, so there is no hurry.
        let pause = self.options.gather.clamp(Duration::from_millis(50), LOOKS_AGAIN);
        loop {
            if let Err(error) = self.send_due().await {
                warn!(%error, "nobody is written to for now");
                tokio::time::sleep(LOOKS_AGAIN).await;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn send_due(&self) -> Result<(), Failure> {
        let (notices, now) = (self.notices.clone(), self.runtime.clock().now());
        for mail in self.runtime.aside(move || notices.due_mails(now)).await? {
            self.send(mail).await?;
        }
        Ok(())
    }

    /// What was decided meanwhile, and what they may no longer decide, is left out.
    async fn send(&self, mail: DueMail) -> Result<(), Failure> {
        let mut open = Vec::new();
        for (workspace_id, id) in &mail.approvals {
            open.extend(self.decidable(mail.user_id, *workspace_id, *id).await?);
        }
        let sent = match open.is_empty() {
            true => None,
            false => Some(self.post.send(&mail.address, &Letter::approvals(&open, &self.options.url)).await),
        };
        let (notices, now) = (self.notices.clone(), self.runtime.clock().now());
        let write = move || match sent {
            None => notices.mail_is_done(&mail, false, now),
            Some(Ok(())) => notices.mail_is_done(&mail, true, now),
            Some(Err(error)) => {
                warn!(%error, user_id = %mail.user_id, "a mail could not be sent");
                match RETRY.get(mail.attempts as usize) {
                    Some(pause) if error.may_pass => notices.mail_waits(&mail, *pause, now),
                    Some(_) | None => notices.mail_is_done(&mail, false, now),
                }
            }
        };
        Ok(self.runtime.aside(write).await?)
    }
}

fn scope_of(user: &User, workspace_id: WorkspaceId) -> Option<Scope> {
    let member = |user: &User| user.memberships.iter().find(|it| it.workspace_id == workspace_id).copied();
    let role = member(user).filter(|_| user.suspended_at.is_none())?.role;
    let permissions = permissions_of(role).to_vec();
    let scope =
        Scope { workspace_id, user_id: user.id, role, permissions, credential: Credential::Root, only: None };
    scope.permits(Permission::ApprovalsDecide).then_some(scope)
}
