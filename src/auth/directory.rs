//! The directory of users and keys: a snapshot in memory for every request, `control.db` for what changes.
//!
//! Writes are short and synchronous, and wait for the disk: call them where blocking a moment is fine.
//! [`Directory::authenticate`] and, for keys, [`Directory::still_valid`] only read the snapshot.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::database::{self, KeyRow};
use super::key::{KeyHash, KeyText, TextKind};
use super::session::Sessions;
use super::token_holder::Tokens;
use super::{ApiKey, AuthError, Error, Membership, User, Workspace, permissions_of};
use crate::clock::{Clock, Timestamp};
use crate::id::{KeyId, UserId, WorkspaceId};
use crate::scope::{Credential, Maker, Permission, Scope, WorkspaceRole};

const NEVER: i64 = i64::MIN;

pub struct Directory {
    pub(super) db: Mutex<Connection>,
    clock: Clock,
    /// The latest time that was seen: a clock that goes back brings no expired key back to life.
    latest: AtomicI64,
    workspace_id: WorkspaceId,
    owner_id: UserId,
    root_key: Option<KeyHash>,
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) sessions: RwLock<Sessions>,
    pub(super) tokens: Tokens,
    changes: watch::Sender<u64>,
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub workspace_id: WorkspaceId,
    pub user_id: UserId,
    pub name: String,
    /// Empty: all that the user's role allows, save `admin` and `tokens:mint`.
    pub permissions: Vec<Permission>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Default)]
pub(super) struct Snapshot {
    by_hash: HashMap<KeyHash, Arc<LiveKey>>,
    by_id: HashMap<KeyId, Arc<LiveKey>>,
    users: HashMap<UserId, User>,
    /// Whether anyone has a name and a password.
    pub has_logins: bool,
}

struct LiveKey {
    row: KeyRow,
    /// Milliseconds; written to the row by [`Directory::save_usage`].
    last_used: AtomicI64,
}

impl Directory {
    /// Opens `control.db`; at the first start makes the default workspace and its owner.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, Error> {
        let mut db = database::open(path)?;
        let (workspace_id, owner_id) = match database::installation(&db)? {
            Some(installation) => installation,
            None => install(&mut db, clock.now())?,
        };
        let tokens = Tokens::open(&db)?;
        let directory = Self {
            db: Mutex::new(db),
            tokens,
            latest: AtomicI64::new(clock.now().millis()),
            clock,
            workspace_id,
            owner_id,
            root_key: None,
            snapshot: ArcSwap::default(),
            sessions: RwLock::default(),
            changes: watch::Sender::new(0),
        };
        let db = directory.db.lock();
        directory.refresh(&db)?;
        *directory.sessions.write() = Sessions::of(database::sign_in::sessions(&db, directory.now())?);
        drop(db);
        Ok(directory)
    }

    /// Lets `WEIR_ROOT_KEY` in as the owner of the default workspace. The configuration has checked its length.
    pub fn with_root_key(mut self, key: &SecretString) -> Self {
        self.root_key = Some(KeyHash::of(key.expose_secret()));
        self
    }

    pub fn default_workspace(&self) -> WorkspaceId {
        self.workspace_id
    }

    /// The owner of the default workspace.
    pub fn owner(&self) -> UserId {
        self.owner_id
    }

    /// The time, never earlier than it was before.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now().millis();
        Timestamp::from_millis(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// Who comes with this bearer token. Reads memory only.
    pub fn authenticate(&self, token: Option<&str>) -> Result<Scope, AuthError> {
        let token = token.filter(|token| !token.is_empty()).ok_or(AuthError::Missing)?;
        let hash = KeyHash::of(token);
        let snapshot = self.snapshot.load();
        if self.root_key.is_some_and(|root| root.matches(&hash)) {
            return self.root_scope(&snapshot);
        }
        let key = snapshot.by_hash.get(&hash).ok_or(AuthError::Unknown)?;
        let now = self.now();
        let scope = key.scope(now)?;
        key.last_used.fetch_max(now.millis(), Ordering::Relaxed);
        Ok(scope)
    }

    /// Whether a scope that was given out still stands, as it was given. Ask after each of [`Self::changes`], and
    /// every few seconds, since a key may also expire.
    pub fn still_valid(&self, scope: &Scope) -> bool {
        let snapshot = self.snapshot.load();
        let now = match scope.credential {
            Credential::Root => self.root_scope(&snapshot).ok(),
            Credential::Key(id) => snapshot.by_id.get(&id).and_then(|key| key.scope(self.now()).ok()),
            Credential::Session(id) => self.session_scope(id),
            Credential::Token { expires_at, maker } => return self.token_stands(scope, expires_at, maker),
        };
        now.as_ref() == Some(scope)
    }

    /// Whether what a token was made with still lets its holder in.
    pub(super) fn maker_stands(&self, maker: Maker) -> bool {
        match maker {
            Maker::Root => self.root_key.is_some(),
            Maker::Key(id) => {
                self.snapshot.load().by_id.get(&id).is_some_and(|key| key.scope(self.now()).is_ok())
            }
            Maker::Session(id) => self.session_scope(id).is_some(),
        }
    }

    /// What a user is in a workspace today; `None` where they may not come in.
    pub fn role(&self, workspace_id: WorkspaceId, user_id: UserId) -> Option<WorkspaceRole> {
        self.snapshot.load().role(user_id, workspace_id).ok()
    }

    /// Marked whenever a key or session is revoked or a user suspended: what is open may have to end.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes a key for a user, as an operator may. The text is returned here and never again.
    pub fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeyText), Error> {
        let (name, now) = (valid_name(new.name)?, self.now());
        let db = self.db.lock();
        let user = database::user(&db, new.user_id)?.ok_or_else(|| no_user(new.user_id))?;
        let membership =
            user.memberships.iter().find(|membership| membership.workspace_id == new.workspace_id);
        let role = membership.ok_or(Error::NotAMember(new.user_id, new.workspace_id))?.role;
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::AlreadyExpired);
        }

        let text = KeyText::random(TextKind::ApiKey);
        let key = ApiKey {
            id: KeyId::new(),
            workspace_id: new.workspace_id,
            user_id: new.user_id,
            name,
            prefix: text.prefix(),
            permissions: within(new.permissions, permissions_of(role))?,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        database::insert_key(&db, &key, &text.hash())?;
        self.refresh(&db)?;
        Ok((key, text))
    }

    /// Makes a key for the caller, with no right that the caller does not have, and no longer life than that of the
    /// key or token that the caller came with.
    pub fn create_own_key(
        &self,
        scope: &Scope,
        name: String,
        permissions: Vec<Permission>,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, KeyText), Error> {
        let permissions = within(permissions, &scope.permissions)?;
        let end = match scope.credential {
            Credential::Key(_) | Credential::Token { .. } => self.expires_at(scope),
            // A person in their browser may make what lasts.
            Credential::Root | Credential::Session(_) => None,
        };
        let expires_at = expires_at.into_iter().chain(end).min();
        let (workspace_id, user_id) = (scope.workspace_id, scope.user_id);
        self.create_key(NewKey { workspace_id, user_id, name, permissions, expires_at })
    }

    /// Every key of every workspace, for the operator; oldest first.
    pub fn keys(&self) -> Vec<ApiKey> {
        let mut keys: Vec<_> = self.snapshot.load().by_id.values().map(|key| key.shown()).collect();
        keys.sort_by_key(|key| key.id);
        keys
    }

    /// The caller's own keys; to an admin, all of the workspace.
    pub fn visible_keys(&self, scope: &Scope) -> Vec<ApiKey> {
        self.keys().into_iter().filter(|key| sees(scope, key)).collect()
    }

    pub(super) fn key_expires_at(&self, id: KeyId) -> Option<Timestamp> {
        self.snapshot.load().by_id.get(&id)?.row.key.expires_at
    }

    /// Revokes a key for good. Nothing happens to one that was revoked before.
    pub fn revoke_key(&self, id: KeyId) -> Result<ApiKey, Error> {
        let db = self.db.lock();
        database::revoke_key(&db, id, self.now())?;
        self.refresh(&db)?;
        self.announce();
        self.snapshot.load().by_id.get(&id).map(|key| key.shown()).ok_or(Error::NoSuchKey(id))
    }

    /// Revokes a key that the caller sees; another one is not there.
    pub fn revoke_visible_key(&self, scope: &Scope, id: KeyId) -> Result<Option<ApiKey>, Error> {
        match self.snapshot.load().by_id.get(&id).is_some_and(|key| sees(scope, &key.row.key)) {
            true => self.revoke_key(id).map(Some),
            false => Ok(None),
        }
    }

    /// Writes down when keys and sessions were last used. Call it about once a minute, and before the end.
    pub fn save_usage(&self) -> Result<(), Error> {
        let mut db = self.db.lock();
        let transaction = db.transaction()?;
        for key in self.snapshot.load().by_id.values() {
            let used = key.last_used.load(Ordering::Relaxed);
            if used > key.row.key.last_used_at.map_or(NEVER, Timestamp::millis) {
                database::touch_key(&transaction, key.row.key.id, Timestamp::from_millis(used))?;
            }
        }
        let mut sessions = self.sessions.write();
        for session in sessions.iter() {
            if let Some(used) = session.unsaved_use() {
                database::sign_in::touch_session(&transaction, session.as_opened().id, used)?;
            }
        }
        sessions.forget_expired(self.now());
        drop(sessions);
        transaction.commit()?;
        self.refresh(&db)
    }

    pub fn create_workspace(&self, name: String) -> Result<Workspace, Error> {
        let workspace = Workspace { id: WorkspaceId::new(), name: valid_name(name)?, created_at: self.now() };
        database::insert_workspace(&self.db.lock(), &workspace)?;
        Ok(workspace)
    }

    pub fn workspaces(&self) -> Result<Vec<Workspace>, Error> {
        database::workspaces(&self.db.lock())
    }

    /// The workspace with this id or name.
    pub fn find_workspace(&self, id_or_name: &str) -> Result<Workspace, Error> {
        let id = id_or_name.parse::<WorkspaceId>().ok();
        let mut all = self.workspaces()?.into_iter();
        all.find(|workspace| id == Some(workspace.id) || workspace.name == id_or_name)
            .ok_or_else(|| Error::NoSuchWorkspace(id_or_name.to_owned()))
    }

    pub fn create_user(
        &self,
        name: String,
        workspace_id: WorkspaceId,
        role: WorkspaceRole,
    ) -> Result<User, Error> {
        let user = User {
            id: UserId::new(),
            name: valid_name(name)?,
            created_at: self.now(),
            suspended_at: None,
            memberships: vec![Membership { workspace_id, role }],
        };
        let mut db = self.db.lock();
        if !database::workspaces(&db)?.iter().any(|workspace| workspace.id == workspace_id) {
            return Err(Error::NoSuchWorkspace(workspace_id.to_string()));
        }
        let transaction = db.transaction()?;
        database::insert_user(&transaction, &user)?;
        transaction.commit()?;
        self.refresh(&db)?;
        Ok(user)
    }

    pub fn users(&self) -> Result<Vec<User>, Error> {
        database::users(&self.db.lock())
    }

    pub fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        database::user(&self.db.lock(), id)
    }

    /// The user with this id, or the only one with this name.
    pub fn find_user(&self, id_or_name: &str) -> Result<User, Error> {
        let id = id_or_name.parse::<UserId>().ok();
        let mut found = self.users()?;
        found.retain(|user| id == Some(user.id) || user.name == id_or_name);
        match found.len() {
            0 | 1 => found.pop().ok_or_else(|| Error::NoSuchUser(id_or_name.to_owned())),
            _ => Err(Error::AmbiguousUser(id_or_name.to_owned())),
        }
    }

    /// Locks a user out: every key of theirs stops working, and what they have open ends.
    pub fn suspend_user(&self, id: UserId) -> Result<User, Error> {
        self.set_suspended(id, Some(self.now()))
    }

    /// Lets a suspended user in again.
    pub fn reinstate_user(&self, id: UserId) -> Result<User, Error> {
        self.set_suspended(id, None)
    }

    fn set_suspended(&self, id: UserId, at: Option<Timestamp>) -> Result<User, Error> {
        let db = self.db.lock();
        database::set_suspended(&db, id, at)?;
        self.refresh(&db)?;
        self.announce();
        database::user(&db, id)?.ok_or_else(|| no_user(id))
    }

    fn root_scope(&self, snapshot: &Snapshot) -> Result<Scope, AuthError> {
        let role = snapshot.role(self.owner_id, self.workspace_id)?;
        Ok(Scope {
            workspace_id: self.workspace_id,
            user_id: self.owner_id,
            role,
            permissions: permissions_of(role).to_vec(),
            credential: Credential::Root,
            only: None,
        })
    }

    /// Reads the keys anew. The caller holds the database, so snapshots follow each other in order.
    pub(super) fn refresh(&self, db: &Connection) -> Result<(), Error> {
        let read = Snapshot::read(db, &self.snapshot.load());
        // What cannot be read lets nobody in: the change may have been a revocation.
        let (snapshot, outcome) = match read {
            Ok(snapshot) => (snapshot, Ok(())),
            Err(error) => (Snapshot::default(), Err(error)),
        };
        self.snapshot.store(Arc::new(snapshot));
        outcome
    }

    pub(super) fn announce(&self) {
        self.changes.send_modify(|version| *version += 1);
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("workspace_id", &self.workspace_id).finish_non_exhaustive()
    }
}

impl Snapshot {
    fn read(db: &Connection, before: &Self) -> Result<Self, Error> {
        let users = database::users(db)?.into_iter().map(|user| (user.id, user)).collect();
        let has_logins = database::sign_in::count_logins(db)? > 0;
        let mut snapshot = Self { users, has_logins, ..Self::default() };
        for row in database::keys(db)? {
            let stored = row.key.last_used_at.map_or(NEVER, Timestamp::millis);
            let seen =
                before.by_id.get(&row.key.id).map_or(NEVER, |key| key.last_used.load(Ordering::Relaxed));
            let key = Arc::new(LiveKey { last_used: AtomicI64::new(stored.max(seen)), row });
            snapshot.by_hash.insert(key.row.hash, Arc::clone(&key));
            snapshot.by_id.insert(key.row.key.id, key);
        }
        Ok(snapshot)
    }

    /// The user's role in the workspace, if the user may come in at all.
    pub fn role(&self, user_id: UserId, workspace_id: WorkspaceId) -> Result<WorkspaceRole, AuthError> {
        let user = self.users.get(&user_id).ok_or(AuthError::Unknown)?;
        if user.suspended_at.is_some() {
            return Err(AuthError::Suspended);
        }
        let here = user.memberships.iter().find(|membership| membership.workspace_id == workspace_id);
        Ok(here.ok_or(AuthError::Unknown)?.role)
    }

    pub fn may_come_in(&self, id: UserId) -> bool {
        self.users.get(&id).is_some_and(|user| user.suspended_at.is_none() && !user.memberships.is_empty())
    }

    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }
}

impl LiveKey {
    fn scope(&self, now: Timestamp) -> Result<Scope, AuthError> {
        let KeyRow { key, role, suspended, .. } = &self.row;
        if key.revoked_at.is_some() {
            return Err(AuthError::Revoked);
        }
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(AuthError::Expired);
        }
        if *suspended {
            return Err(AuthError::Suspended);
        }
        // A role that was lowered takes its keys with it.
        let permitted = permissions_of(*role);
        Ok(Scope {
            workspace_id: key.workspace_id,
            user_id: key.user_id,
            role: *role,
            permissions: key.permissions.iter().copied().filter(|one| permitted.contains(one)).collect(),
            credential: Credential::Key(key.id),
            only: None,
        })
    }

    fn shown(&self) -> ApiKey {
        let used = self.last_used.load(Ordering::Relaxed);
        let last_used_at = (used != NEVER).then(|| Timestamp::from_millis(used));
        ApiKey { last_used_at, ..self.row.key.clone() }
    }
}

fn install(db: &mut Connection, now: Timestamp) -> Result<(WorkspaceId, UserId), Error> {
    let workspace = Workspace { id: WorkspaceId::new(), name: "default".to_owned(), created_at: now };
    let owner = User {
        id: UserId::new(),
        name: "owner".to_owned(),
        created_at: now,
        suspended_at: None,
        memberships: vec![Membership { workspace_id: workspace.id, role: WorkspaceRole::Owner }],
    };
    let transaction = db.transaction()?;
    database::insert_workspace(&transaction, &workspace)?;
    database::insert_user(&transaction, &owner)?;
    database::insert_installation(&transaction, workspace.id, owner.id, now)?;
    transaction.commit()?;
    Ok((workspace.id, owner.id))
}

/// Those that were asked for, if all are permitted; without any, the permitted ones that a plain client needs.
pub(super) fn within(asked: Vec<Permission>, permitted: &[Permission]) -> Result<Vec<Permission>, Error> {
    if asked.is_empty() {
        let plain = |one: &Permission| !matches!(one, Permission::Admin | Permission::TokensMint);
        return Ok(permitted.iter().copied().filter(plain).collect());
    }
    match asked.iter().find(|one| !permitted.contains(one)) {
        Some(beyond) => Err(Error::BeyondRights(*beyond)),
        None => {
            let mut asked = asked;
            asked.sort();
            asked.dedup();
            Ok(asked)
        }
    }
}

fn sees(scope: &Scope, key: &ApiKey) -> bool {
    let is_admin = scope.role >= WorkspaceRole::Admin && scope.permits(Permission::Admin);
    key.workspace_id == scope.workspace_id && (key.user_id == scope.user_id || is_admin)
}

pub(super) fn valid_name(name: String) -> Result<String, Error> {
    let name = name.trim();
    match (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(Error::InvalidName),
    }
}

fn no_user(id: UserId) -> Error {
    Error::NoSuchUser(id.to_string())
}
