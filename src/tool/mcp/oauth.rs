//! Signing in for a server: who may act for this one over there, and where that is kept.
//!
//! Tokens stand in one file per server (0600), beside the databases, and nowhere else.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use reqwest::Url;
use rmcp::transport::AuthorizationManager;
use rmcp::transport::auth::{
    AuthClient, AuthError, ClientCredentialsConfig, CredentialStore, OAuthClientConfig, StoredCredentials,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::McpConfig;
use super::config::Auth;
use super::endpoint::Broken;
use super::guarded::Guarded;
use crate::id::UserId;

/// Somebody who began may take so long at the authorisation server.
const LASTS: Duration = Duration::from_secs(600);
const MOST_BEGUN: usize = 16;
const MOST_DETAIL_CHARS: usize = 300;

pub(super) struct OAuth {
    url: String,
    how: How,
    scopes: Vec<String>,
    guarded: Guarded,
    keep: Keep,
    redirect_uri: String,
    begun: Mutex<HashMap<String, Begun>>,
    challenge: Arc<Challenge>,
}

/// What the server said last when it let nobody in: where to sign in, and with which rights.
#[derive(Default)]
pub(super) struct Challenge(Mutex<Option<String>>);

impl Challenge {
    pub(super) fn heard(&self, said: &str) {
        *self.0.lock() = Some(said.to_owned());
    }
}

enum How {
    /// With the client of the configuration, or with one that registers itself.
    Person {
        client: Option<Client>,
    },
    Secret {
        client_id: String,
        client_secret: SecretString,
    },
}

/// Who this server is to the authorisation server.
#[derive(Clone, Serialize, Deserialize)]
struct Client {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

struct Begun {
    manager: AuthorizationManager,
    client: Client,
    by: UserId,
    at: Instant,
}

/// Where the authorisation server sends a browser back to.
#[derive(Debug, Clone)]
pub struct Callback {
    pub state: String,
    pub code: String,
    /// Who says so, where it says that.
    pub issuer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationRefused {
    #[error("nobody signs in for this server")]
    NotOffered,
    /// Unknown, used before, too old, or begun by somebody else.
    #[error("this was not begun here, or it took too long; begin again")]
    UnknownState,
    #[error("the authorisation server: {0}")]
    Failed(String),
}

impl OAuth {
    /// `file` is where the tokens go.
    pub(super) fn new(
        url: &Url,
        auth: Auth,
        config: &McpConfig,
        guarded: Guarded,
        file: PathBuf,
        redirect_uri: String,
    ) -> Self {
        let id = config.client_id.clone();
        let secret = config.client_secret.clone();
        let how = match auth {
            Auth::Oauth => {
                let secret = secret.map(|secret| secret.expose_secret().to_owned());
                How::Person { client: id.map(|id| Client { id, secret }) }
            }
            Auth::ClientCredentials => {
                How::Secret { client_id: id.unwrap_or_default(), client_secret: secret.unwrap_or_default() }
            }
        };
        Self {
            url: url.to_string(),
            how,
            scopes: config.scopes.clone(),
            guarded,
            keep: Keep { file: Arc::new(file), turn: Arc::default() },
            redirect_uri,
            begun: Mutex::default(),
            challenge: Arc::default(),
        }
    }

    pub(super) fn needs_a_person(&self) -> bool {
        matches!(self.how, How::Person { .. })
    }

    /// A client that carries what is known by now, and refreshes it. Without any it asks as nobody, and is told so.
    pub(super) async fn client(&self) -> Result<AuthClient<reqwest::Client>, Broken> {
        let manager = self.signed_in().await.map_err(|error| Broken::Because(said(&error)))?;
        Ok(AuthClient::new(self.guarded.client.clone(), manager))
    }

    async fn signed_in(&self) -> Result<AuthorizationManager, AuthError> {
        let mut manager = self.manager().await?;
        match &self.how {
            How::Person { .. } => {
                if manager.initialize_from_store().await?
                    && let Some(client) = self.keep.read().await?.client
                {
                    manager.configure_client(self.config(client))?;
                }
            }
            How::Secret { client_id, client_secret } => {
                let wanted = ClientCredentialsConfig::ClientSecret {
                    client_id: client_id.clone(),
                    client_secret: client_secret.expose_secret().to_owned(),
                    scopes: self.scopes.clone(),
                    resource: Some(self.url.clone()),
                };
                let found = manager.resolve_metadata().await?;
                manager.set_metadata(found.metadata);
                manager.validate_client_credentials_metadata(&wanted)?;
                manager.configure_client_credentials(&wanted)?;
                manager.exchange_client_credentials(&wanted).await?;
            }
        }
        Ok(manager)
    }

    async fn manager(&self) -> Result<AuthorizationManager, AuthError> {
        let guarded = Arc::new(self.guarded.clone());
        let mut manager =
            AuthorizationManager::new_with_oauth_http_client(self.url.as_str(), guarded).await?;
        manager.set_credential_store(self.keep.clone());
        Ok(manager)
    }

    fn config(&self, client: Client) -> OAuthClientConfig {
        let config =
            OAuthClientConfig::new(client.id, self.redirect_uri.clone()).with_scopes(self.scopes.clone());
        match client.secret {
            Some(secret) => config.with_client_secret(secret),
            None => config,
        }
    }

    /// Where the browser of that user has to go.
    pub(super) async fn begin(&self, by: UserId) -> Result<String, AuthorizationRefused> {
        let How::Person { client } = &self.how else { return Err(AuthorizationRefused::NotOffered) };
        let (manager, client, url) =
            self.registered(client.clone()).await.map_err(|error| refused(&error))?;
        let state = Url::parse(&url).ok().and_then(|url| {
            url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned())
        });
        if !is_page(&url) {
            return Err(AuthorizationRefused::Failed("its address is no page".to_owned()));
        }
        let Some(state) = state else {
            return Err(AuthorizationRefused::Failed("its address cannot be used".to_owned()));
        };
        let mut begun = self.begun.lock();
        begun.retain(|_, one| one.at.elapsed() < LASTS);
        if begun.len() >= MOST_BEGUN {
            begun.clear();
        }
        begun.insert(state, Begun { manager, client, by, at: Instant::now() });
        Ok(url)
    }

    async fn registered(
        &self,
        client: Option<Client>,
    ) -> Result<(AuthorizationManager, Client, String), AuthError> {
        let mut manager = self.manager().await?;
        let challenge = self.challenge.0.lock().clone();
        let found = match &challenge {
            Some(said) => manager.resolve_metadata_from_challenge(Some(said)).await?,
            None => manager.resolve_metadata().await?,
        };
        manager.set_metadata(found.metadata);
        let scopes = match self.scopes.is_empty() {
            true => manager.select_initial_scopes(&[]).await,
            false => self.scopes.clone(),
        };
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let client = match client {
            Some(client) => client,
            None => {
                let made = manager.register_client("Weir", &self.redirect_uri, &scopes).await?;
                Client { id: made.client_id, secret: made.client_secret }
            }
        };
        manager.configure_client(self.config(client.clone()))?;
        let url = manager.get_authorization_url(&scopes).await?;
        Ok((manager, client, url))
    }

    /// A state counts once, and for whoever began.
    pub(super) async fn finish(&self, callback: &Callback, by: UserId) -> Result<(), AuthorizationRefused> {
        let begun = {
            let mut all = self.begun.lock();
            let is_his =
                all.get(&callback.state).is_some_and(|begun| begun.by == by && begun.at.elapsed() < LASTS);
            match is_his {
                true => all.remove(&callback.state),
                false => None,
            }
        };
        let Begun { manager, client, .. } = begun.ok_or(AuthorizationRefused::UnknownState)?;
        let Callback { state, code, issuer } = callback;
        manager
            .exchange_code_for_token_with_issuer(code, state, issuer.as_deref())
            .await
            .map_err(|error| refused(&error))?;
        let kept = self.keep.change(|kept| kept.client = Some(client)).await;
        kept.map_err(|error| refused(&error))
    }

    pub(super) fn challenge(&self) -> Arc<Challenge> {
        self.challenge.clone()
    }

    /// Whether this was begun here.
    pub(super) fn knows(&self, state: &str) -> bool {
        self.begun.lock().contains_key(state)
    }
}

fn refused(error: &AuthError) -> AuthorizationRefused {
    AuthorizationRefused::Failed(said(error))
}

fn said(error: &AuthError) -> String {
    error.to_string().chars().take(MOST_DETAIL_CHARS).collect()
}

/// The file of one server.
#[derive(Clone)]
struct Keep {
    file: Arc<PathBuf>,
    /// One change after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    client: Option<Client>,
    credentials: Option<StoredCredentials>,
}

impl Keep {
    async fn read(&self) -> Result<Kept, AuthError> {
        match fs::read(&*self.file).await {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| self.unusable(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    async fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), AuthError> {
        let _turn = self.turn.lock().await;
        let mut kept = self.read().await?;
        change(&mut kept);
        self.write(&kept).await.map_err(|error| self.unusable(&error))
    }

    /// The old file or the new one, never a part.
    async fn write(&self, kept: &Kept) -> io::Result<()> {
        let directory = self.file.parent().unwrap_or(&self.file);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).await?;
        let next = self.file.with_extension("next");
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&next).await?;
        file.write_all(&serde_json::to_vec(kept)?).await?;
        file.sync_all().await?;
        fs::rename(&next, &*self.file).await?;
        fs::File::open(directory).await?.sync_all().await
    }

    fn unusable(&self, error: &dyn std::fmt::Display) -> AuthError {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        AuthError::CredentialStoreError(format!("{name} cannot be used: {error}"))
    }
}

#[async_trait]
impl CredentialStore for Keep {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        Ok(self.read().await?.credentials)
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        self.change(|kept| kept.credentials = Some(credentials)).await
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.change(|kept| kept.credentials = None).await
    }
}

/// Whether a browser may be sent there.
fn is_page(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}
