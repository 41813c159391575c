//! Whoever comes with a token: found, or made at first sight where the operator allows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::TryRng;
use rand::rngs::SysRng;
use rusqlite::Connection;

use super::directory::{Directory, within};
use super::token::{Claims, Creation, Issuer, Label, Mint, OUR_ISSUER};
use super::{AuthError, Error, Membership, User, Workspace, database, permissions_of};
use crate::clock::Timestamp;
use crate::id::{ConversationId, UserId, WorkspaceId};
use crate::scope::{Credential, Maker, Permission, Scope, WorkspaceRole};

/// A token of ours lives no longer.
pub const LONGEST_TTL: Duration = Duration::from_secs(86_400);

/// Ids of other people's users and workspaces have at most so many bytes.
const EXTERNAL_ID_BYTES: usize = 256;

pub(super) struct Tokens {
    mint: Mint,
    issuers: Vec<Issuer>,
    known: RwLock<HashMap<Named, Holder>>,
}

/// Issuer, subject and workspace as a token names them.
type Named = (String, String, Option<String>);

/// Whom it means.
type Holder = (UserId, WorkspaceId);

/// What a new token is to allow; never more than its maker may.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// Absent: the maker. Another one needs `tokens:mint`: any name, which is a user made at first sight, or the id of
    /// such a user.
    pub subject: Option<String>,
    /// Absent: the maker's role, for another subject `member`.
    pub role: Option<WorkspaceRole>,
    pub ttl: Duration,
    pub conversation_ids: Option<Vec<ConversationId>>,
}

#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("this needs the scope `tokens:mint`")]
    NotForOthers,
    #[error("a token is never stronger than its maker")]
    Stronger,
    #[error("there is no such user, or not one that tokens may be made for")]
    NoSuchUser,
    #[error(transparent)]
    Directory(#[from] Error),
}

impl Tokens {
    pub fn open(db: &Connection) -> Result<Self, Error> {
        const NAME: &str = "signing";
        let secret = match database::token::secret(db, NAME)? {
            Some(secret) => secret,
            None => {
                let mut secret = vec![0; 32];
                SysRng.try_fill_bytes(&mut secret).expect("the system has randomness");
                database::token::insert_secret(db, NAME, &secret)?;
                secret
            }
        };
        Ok(Self { mint: Mint::new(&secret), issuers: Vec::new(), known: RwLock::default() })
    }
}

impl Directory {
    /// Believes the tokens of these issuers.
    pub fn with_issuers(mut self, issuers: Vec<Issuer>) -> Self {
        self.tokens.issuers = issuers;
        self
    }

    /// Who comes with this JSON Web Token. Reads memory, but for a user who is seen for the first time and for keys
    /// that have to be fetched.
    pub async fn authenticate_token(&self, token: &str) -> Result<Scope, AuthError> {
        let label = Label::of(token).ok_or(AuthError::Unknown)?;
        if label.issuer == OUR_ISSUER {
            // Ours name no key.
            if label.kid.is_some() {
                return Err(AuthError::Unknown);
            }
            let claims = self.tokens.mint.check(token, self.now())?;
            let user_id = claims.sub.parse().map_err(|_| AuthError::Unknown)?;
            let workspace_id = claims.workspace.as_deref().unwrap_or_default();
            let workspace_id = workspace_id.parse().map_err(|_| AuthError::Unknown)?;
            if claims.weir_maker.is_some_and(|maker| !self.maker_stands(maker)) {
                return Err(AuthError::Revoked);
            }
            return self.token_scope(user_id, workspace_id, &claims, claims.weir_maker);
        }
        let issuer = self.tokens.issuers.iter().find(|issuer| issuer.options.issuer == label.issuer);
        let issuer = issuer.ok_or(AuthError::Unknown)?;
        let claims = issuer.check(token, &label, self.now()).await?;
        let (user_id, workspace_id) = self.holder(issuer, &claims)?;
        self.token_scope(user_id, workspace_id, &claims, None)
    }

    fn token_scope(
        &self,
        user_id: UserId,
        workspace_id: WorkspaceId,
        claims: &Claims,
        maker: Option<Maker>,
    ) -> Result<Scope, AuthError> {
        let role = self.snapshot.load().role(user_id, workspace_id)?;
        let role = claims.role.unwrap_or(WorkspaceRole::Member).min(role);
        let asked = claims.scopes.clone().unwrap_or_default();
        let permitted = permissions_of(role);
        let permissions = match claims.scopes {
            // A scope that the role does not have is not given, whatever the token says.
            Some(_) => permitted.iter().copied().filter(|one| asked.contains(one)).collect(),
            None => within(Vec::new(), permitted).map_err(|_| AuthError::Unknown)?,
        };
        Ok(Scope {
            workspace_id,
            user_id,
            role,
            permissions,
            credential: Credential::Token { expires_at: claims.expires_at(), maker },
            only: claims.conversation_ids.clone().map(Arc::from),
        })
    }

    /// Whether the holder may still come in, as far as the token went.
    pub(super) fn token_stands(&self, scope: &Scope, expires_at: Timestamp, maker: Option<Maker>) -> bool {
        let role = self.snapshot.load().role(scope.user_id, scope.workspace_id);
        self.now() < expires_at
            && role.is_ok_and(|role| role >= scope.role)
            && maker.is_none_or(|maker| self.maker_stands(maker))
    }

    fn holder(&self, issuer: &Issuer, claims: &Claims) -> Result<Holder, AuthError> {
        let name = &issuer.options.name;
        let key = (name.clone(), claims.sub.clone(), claims.workspace.clone());
        let role = claims.role.unwrap_or(WorkspaceRole::Member);
        if let Some(known) = self.tokens.known.read().get(&key)
            && self
                .snapshot
                .load()
                .role(known.0, known.1)
                .is_ok_and(|here| here >= role.min(WorkspaceRole::Admin))
        {
            return Ok(*known);
        }
        let found = self.find_holder(issuer, claims, role).map_err(|error| {
            tracing::error!(%error, issuer = name, "a token's user could not be looked up");
            AuthError::Unknown
        })?;
        let found = found.ok_or(AuthError::Unknown)?;
        self.tokens.known.write().insert(key, found);
        Ok(found)
    }

    /// The user and workspace that the token means; made, where that is allowed. The issuer is the authority for its
    /// own users' roles, up to admin.
    fn find_holder(
        &self,
        issuer: &Issuer,
        claims: &Claims,
        role: WorkspaceRole,
    ) -> Result<Option<Holder>, Error> {
        let options = &issuer.options;
        let named = [Some(&claims.sub), claims.workspace.as_ref()];
        if named
            .into_iter()
            .flatten()
            .any(|id| id.len() > EXTERNAL_ID_BYTES || id.chars().any(char::is_control))
        {
            return Ok(None);
        }
        let role = role.min(WorkspaceRole::Admin);
        let mut db = self.db.lock();
        let transaction = db.transaction()?;
        let Some(workspace_id) =
            workspace_of(&transaction, issuer, claims, self.default_workspace(), self.now())?
        else {
            return Ok(None);
        };
        let user_id = match database::token::external_user(&transaction, &options.name, &claims.sub)? {
            Some(user_id) => user_id,
            None if options.users == Creation::Refuse => return Ok(None),
            None => {
                let user = new_user(&claims.sub, self.now());
                database::insert_user(&transaction, &user)?;
                database::token::insert_external_user(&transaction, &options.name, &claims.sub, user.id)?;
                user.id
            }
        };
        database::raise_membership(&transaction, Membership { workspace_id, role }, user_id, self.now())?;
        transaction.commit()?;
        self.refresh(&db)?;
        Ok(Some((user_id, workspace_id)))
    }

    /// Signs a token for the caller, or for somebody else, with no right that the caller does not have.
    pub fn mint_token(&self, maker: &Scope, new: NewToken) -> Result<(String, Timestamp), MintError> {
        let now = self.now();
        let mut expires_at = now.plus(new.ttl.min(LONGEST_TTL));
        if let Some(end) = self.expires_at(maker) {
            expires_at = expires_at.min(end);
        }
        let own = new.subject.as_deref().is_none_or(|subject| subject == maker.user_id.to_string());
        if !own && !maker.permits(Permission::TokensMint) {
            return Err(MintError::NotForOthers);
        }
        let role = new.role.unwrap_or(if own { maker.role } else { WorkspaceRole::Member.min(maker.role) });
        let within_reach = |ids: &Vec<ConversationId>| ids.iter().all(|id| maker.reaches(*id));
        if role > maker.role || !new.conversation_ids.as_ref().is_none_or(within_reach) {
            return Err(MintError::Stronger);
        }
        let user_id = match new.subject.as_deref().filter(|_| !own) {
            None => maker.user_id,
            Some(subject) => self.subject(maker.workspace_id, subject, role)?,
        };
        let permitted = permissions_of(role);
        let scopes = maker.permissions.iter().copied().filter(|one| permitted.contains(one));
        // Whoever mints for others hands out neither that right nor the administration.
        let handed = |one: &Permission| own || !matches!(one, Permission::Admin | Permission::TokensMint);
        let seconds = u64::try_from(now.millis() / 1000).unwrap_or(0);
        let claims = Claims {
            iss: OUR_ISSUER.to_owned(),
            sub: user_id.to_string(),
            workspace: Some(maker.workspace_id.to_string()),
            role: Some(role),
            scopes: Some(scopes.filter(handed).collect()),
            conversation_ids: new.conversation_ids.or_else(|| maker.only.as_ref().map(|only| only.to_vec())),
            weir_maker: maker.credential.as_maker(),
            exp: u64::try_from(expires_at.millis() / 1000).unwrap_or(0),
            nbf: seconds,
            iat: Some(seconds),
        };
        Ok((self.tokens.mint.sign(&claims), claims.expires_at()))
    }

    /// The user of that name, made at first sight; also by id. Who was not made so is a person of their own, whose
    /// private conversations are nobody else's to read.
    fn subject(
        &self,
        workspace_id: WorkspaceId,
        subject: &str,
        role: WorkspaceRole,
    ) -> Result<UserId, MintError> {
        // What one workspace calls its users is nothing to another.
        let issuer = format!("{OUR_ISSUER}:{workspace_id}");
        if let Ok(id) = subject.parse::<UserId>() {
            let made_so = database::token::is_external_user(&self.db.lock(), &issuer, id)?;
            return if made_so { Ok(id) } else { Err(MintError::NoSuchUser) };
        }
        if subject.is_empty() || subject.len() > EXTERNAL_ID_BYTES || subject.chars().any(char::is_control) {
            return Err(MintError::NoSuchUser);
        }
        let mut db = self.db.lock();
        let transaction = db.transaction().map_err(Error::from)?;
        let user_id = match database::token::external_user(&transaction, &issuer, subject)? {
            Some(user_id) => user_id,
            None => {
                let user = new_user(subject, self.now());
                database::insert_user(&transaction, &user)?;
                database::token::insert_external_user(&transaction, &issuer, subject, user.id)?;
                user.id
            }
        };
        database::raise_membership(&transaction, Membership { workspace_id, role }, user_id, self.now())?;
        transaction.commit().map_err(Error::from)?;
        self.refresh(&db)?;
        Ok(user_id)
    }
}

fn workspace_of(
    db: &Connection,
    issuer: &Issuer,
    claims: &Claims,
    default: WorkspaceId,
    now: Timestamp,
) -> Result<Option<WorkspaceId>, Error> {
    let Some(named) = &claims.workspace else { return Ok(Some(default)) };
    let options = &issuer.options;
    if let Some(known) = database::token::external_workspace(db, &options.name, named)? {
        return Ok(Some(known));
    }
    if let Ok(ours) = named.parse::<WorkspaceId>() {
        // Only the default workspace, and what was made for this issuer, are an issuer's to speak for.
        return Ok((ours == default).then_some(ours));
    }
    if options.workspaces == Creation::Refuse {
        return Ok(None);
    }
    let name = format!("{}:{named}", options.name);
    let workspace = Workspace { id: WorkspaceId::new(), name, created_at: now };
    database::insert_workspace(db, &workspace)?;
    database::token::insert_external_workspace(db, &options.name, named, workspace.id)?;
    Ok(Some(workspace.id))
}

fn new_user(name: &str, now: Timestamp) -> User {
    let name = name.chars().take(200).collect();
    User { id: UserId::new(), name, created_at: now, suspended_at: None, memberships: Vec::new() }
}
