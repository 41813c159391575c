//! How a person comes in: a setup code once, then a name and a password, and from there on a session.

use std::time::Duration;

use secrecy::SecretString;

use super::directory::{Directory, valid_name};
use super::key::{KeyHash, KeyText, TextKind};
use super::session::{LONGEST, LiveSession};
use super::{AuthError, Error, Session, User, Workspace, database, password, permissions_of};
use crate::clock::Timestamp;
use crate::id::{SessionId, UserId};
use crate::scope::{Credential, Scope};

/// A setup code counts for a day.
const CODE_LASTS: Duration = Duration::from_secs(86_400);

/// What is known of a browser that signs in. Shown to its user, so that a strange one is noticed.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    pub user_agent: Option<String>,
    pub address: Option<String>,
}

/// A session that was just opened. Its token is shown here and never again.
#[derive(Debug)]
pub struct Opened {
    pub scope: Scope,
    pub session: Session,
    pub token: KeyText,
}

/// A password as it is kept.
#[derive(Debug)]
pub struct HashedPassword(String);

impl HashedPassword {
    /// Takes a while.
    pub fn of(password: &SecretString) -> Self {
        Self(password::hash(password))
    }
}

/// Somebody who wants to sign in.
#[derive(Debug)]
pub struct Candidate {
    login: String,
    found: Option<(UserId, String)>,
    addresses: Vec<String>,
}

/// Somebody who knew the password.
#[derive(Debug)]
pub struct Proven {
    user_id: UserId,
    login: String,
    kept: String,
    /// Where the kept one was made with other parameters than today's.
    renewed: Option<HashedPassword>,
}

impl Candidate {
    /// From where whoever has that name has signed in before.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Takes a while, and the same whether it is the name that is wrong or the password.
    pub fn prove(self, password: &SecretString) -> Option<Proven> {
        let Self { login, found, .. } = self;
        if !password::matches(password, found.as_ref().map(|(_, kept)| kept.as_str())) {
            return None;
        }
        let (user_id, kept) = found?;
        let renewed = password::is_outdated(&kept).then(|| HashedPassword::of(password));
        Some(Proven { user_id, login, kept, renewed })
    }
}

impl Directory {
    /// Whether nobody has a name and a password yet.
    pub fn needs_setup(&self) -> bool {
        !self.snapshot.load().has_logins
    }

    /// A code with which the user chooses a name and a password. Earlier ones no longer count.
    pub fn create_setup_code(&self, user_id: UserId) -> Result<KeyText, Error> {
        let (code, now) = (KeyText::random(TextKind::SetupCode), self.now());
        let mut db = self.db.lock();
        let transaction = db.transaction()?;
        database::sign_in::void_setup_codes(&transaction, user_id, now)?;
        let expires_at = now.plus(CODE_LASTS);
        database::sign_in::insert_setup_code(&transaction, &code.hash(), user_id, now, expires_at)?;
        transaction.commit()?;
        Ok(code)
    }

    /// Whether a code still counts, so that nobody makes the server hash without one.
    pub fn check_setup_code(&self, code: &str) -> Result<(), Error> {
        let code = KeyHash::of(code);
        match database::sign_in::setup_code_counts(&self.db.lock(), &code, self.now())? {
            true => Ok(()),
            false => Err(Error::NoSuchCode),
        }
    }

    /// Uses the code up: from now on its user signs in with that name and password, and only with those.
    pub fn set_up(
        &self,
        code: &str,
        name: String,
        password: &HashedPassword,
        visitor: Visitor,
    ) -> Result<Opened, Error> {
        let (name, now) = (valid_name(name)?, self.now());
        let login = name.to_lowercase();
        let mut db = self.db.lock();
        let transaction = db.transaction()?;
        let found = database::sign_in::use_setup_code(&transaction, &KeyHash::of(code), now)?;
        let user_id = found.ok_or(Error::NoSuchCode)?;
        // Their code counts again once they may come in.
        if !self.snapshot.load().may_come_in(user_id) {
            return Err(Error::NoSuchCode);
        }
        if database::sign_in::login(&transaction, &login)?.is_some_and(|(taken_by, _)| taken_by != user_id) {
            return Err(Error::LoginTaken(name));
        }
        database::sign_in::set_login(&transaction, user_id, &login, &password.0, now)?;
        database::sign_in::set_user_name(&transaction, user_id, &name)?;
        // Whoever knew the old password is out.
        database::sign_in::revoke_sessions_of(&transaction, user_id, now)?;
        transaction.commit()?;
        self.sessions.write().remove_of(user_id);
        self.refresh(&db)?;
        drop(db);
        self.announce();
        self.open_session(user_id, visitor)?.ok_or(Error::NoSuchCode)
    }

    /// What is kept of whoever signs in under that name, if there is such a one.
    pub fn candidate(&self, name: &str) -> Result<Candidate, Error> {
        let login = name.trim().to_lowercase();
        let db = self.db.lock();
        let found = database::sign_in::login(&db, &login)?;
        let user_id = found.as_ref().map(|(user_id, _)| *user_id);
        let addresses = user_id.map(|user_id| database::sign_in::addresses_of(&db, user_id)).transpose()?;
        Ok(Candidate { login, found, addresses: addresses.unwrap_or_default() })
    }

    /// Signs in whoever knew the password; not if that has changed meanwhile.
    pub fn log_in(&self, proven: Proven, visitor: Visitor) -> Result<Option<Opened>, Error> {
        let Proven { user_id, login, kept, renewed } = proven;
        let db = self.db.lock();
        if database::sign_in::login(&db, &login)? != Some((user_id, kept)) {
            return Ok(None);
        }
        if let Some(HashedPassword(renewed)) = renewed {
            database::sign_in::set_login(&db, user_id, &login, &renewed, self.now())?;
        }
        drop(db);
        self.open_session(user_id, visitor)
    }

    /// `None` for a user who may not come in.
    fn open_session(&self, user_id: UserId, visitor: Visitor) -> Result<Option<Opened>, Error> {
        let snapshot = self.snapshot.load();
        let Some(user) = snapshot.user(user_id).filter(|_| snapshot.may_come_in(user_id)) else {
            return Ok(None);
        };
        // The first one is the one that the user was made in.
        let Some(membership) = user.memberships.first() else { return Ok(None) };
        let (token, now) = (KeyText::random(TextKind::Session), self.now());
        let session = Session {
            id: SessionId::new(),
            workspace_id: membership.workspace_id,
            user_id,
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(LONGEST),
            user_agent: visitor.user_agent,
            address: visitor.address,
        };
        let db = self.db.lock();
        database::sign_in::insert_session(&db, &session, &token.hash())?;
        self.sessions.write().insert(session.clone(), token.hash());
        drop(db);
        Ok(self.session_scope(session.id).map(|scope| Opened { scope, session, token }))
    }

    /// Who comes with this session's token. Reads memory only.
    pub fn authenticate_session(&self, token: &str) -> Result<Scope, AuthError> {
        let sessions = self.sessions.read();
        let live = sessions.by_hash(&KeyHash::of(token)).ok_or(AuthError::Unknown)?;
        let scope = self.scope_of(live)?;
        live.touch(self.now());
        Ok(scope)
    }

    pub(super) fn session_scope(&self, id: SessionId) -> Option<Scope> {
        self.sessions.read().by_id(id).and_then(|live| self.scope_of(live).ok())
    }

    fn scope_of(&self, live: &LiveSession) -> Result<Scope, AuthError> {
        let session = live.as_opened();
        if live.is_expired(self.now()) {
            return Err(AuthError::Expired);
        }
        let role = self.snapshot.load().role(session.user_id, session.workspace_id)?;
        Ok(Scope {
            workspace_id: session.workspace_id,
            user_id: session.user_id,
            role,
            permissions: permissions_of(role).to_vec(),
            credential: Credential::Session(session.id),
            only: None,
        })
    }

    /// The caller's own sessions, newest first.
    pub fn own_sessions(&self, scope: &Scope) -> Vec<Session> {
        let now = self.now();
        let sessions = self.sessions.read();
        let own = sessions.iter().filter(|live| live.as_opened().user_id == scope.user_id);
        let mut own: Vec<_> = own.filter(|live| !live.is_expired(now)).map(LiveSession::shown).collect();
        own.sort_by_key(|session| std::cmp::Reverse(session.id));
        own
    }

    /// Ends a session of the caller's; whether there was one.
    pub fn end_own_session(&self, scope: &Scope, id: SessionId) -> Result<bool, Error> {
        let is_own = |live: &std::sync::Arc<LiveSession>| live.as_opened().user_id == scope.user_id;
        if !self.sessions.read().by_id(id).is_some_and(is_own) {
            return Ok(false);
        }
        let db = self.db.lock();
        database::sign_in::revoke_session(&db, id, self.now())?;
        self.sessions.write().remove(id);
        drop(db);
        self.announce();
        Ok(true)
    }

    /// When the credential in use counts no longer, however much it is used.
    pub fn expires_at(&self, scope: &Scope) -> Option<Timestamp> {
        match scope.credential {
            Credential::Root => None,
            Credential::Key(id) => self.key_expires_at(id),
            Credential::Token { expires_at, .. } => Some(expires_at),
            Credential::Session(id) => self.sessions.read().by_id(id).map(|live| live.as_opened().expires_at),
        }
    }

    /// Who the caller is, and where.
    pub fn who(&self, scope: &Scope) -> Result<Option<(User, Workspace)>, Error> {
        let workspaces = self.workspaces()?;
        let here = workspaces.into_iter().find(|workspace| workspace.id == scope.workspace_id);
        Ok(self.snapshot.load().user(scope.user_id).cloned().zip(here))
    }
}
