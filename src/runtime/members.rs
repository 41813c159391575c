//! Who belongs to a workspace now, as the floor above knows it.

use std::sync::Arc;

use crate::id::{UserId, WorkspaceId};
use crate::scope::WorkspaceRole;

type Role = dyn Fn(WorkspaceId, UserId) -> Option<WorkspaceRole> + Send + Sync;

#[derive(Clone)]
pub struct Members(Arc<Role>);

impl Members {
    /// `role` says what a user is in a workspace today; `None` where they may not come in.
    pub fn new(role: impl Fn(WorkspaceId, UserId) -> Option<WorkspaceRole> + Send + Sync + 'static) -> Self {
        Self(Arc::new(role))
    }

    /// Whoever was let in once is trusted for ever: where nobody is asked who belongs here.
    pub fn trusted() -> Self {
        Self::new(|_, _| Some(WorkspaceRole::Owner))
    }

    pub fn role(&self, workspace_id: WorkspaceId, user_id: UserId) -> Option<WorkspaceRole> {
        (self.0)(workspace_id, user_id)
    }
}
