//! Keys and users through the public face of the directory.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::scope::{Credential, Scope};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

struct Fixture {
    directory: Directory,
    clock: Clock,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.db");
    let clock = Clock::manual(START);
    Fixture { directory: Directory::open(&path, clock.clone()).unwrap(), clock, path, _dir: dir }
}

impl Fixture {
    fn user(&self, role: WorkspaceRole) -> User {
        self.directory.create_user("someone".to_owned(), self.directory.default_workspace(), role).unwrap()
    }

    fn key(&self, user_id: UserId, permissions: &[Permission]) -> (ApiKey, KeyText) {
        self.directory.create_key(self.new_key(user_id, permissions)).unwrap()
    }

    fn new_key(&self, user_id: UserId, permissions: &[Permission]) -> NewKey {
        NewKey {
            workspace_id: self.directory.default_workspace(),
            user_id,
            name: "laptop".to_owned(),
            permissions: permissions.to_vec(),
            expires_at: Some(START.plus(DAY)),
        }
    }

    fn authenticate(&self, text: &KeyText) -> Result<Scope, AuthError> {
        self.directory.authenticate(Some(text.expose()))
    }

    fn reopened(self) -> Self {
        let Self { directory, clock, path, _dir } = self;
        drop(directory);
        Self { directory: Directory::open(&path, clock.clone()).unwrap(), clock, path, _dir }
    }
}

#[test]
fn a_key_lets_its_user_in_with_its_permissions_also_after_a_restart() {
    let f = fixture();
    let user = f.user(WorkspaceRole::Member);
    let (key, text) = f.key(user.id, &[Permission::ConversationsRead]);
    let scope = Scope {
        workspace_id: f.directory.default_workspace(),
        user_id: user.id,
        role: WorkspaceRole::Member,
        permissions: vec![Permission::ConversationsRead],
        credential: Credential::Key(key.id),
        only: None,
    };
    assert_eq!(f.authenticate(&text), Ok(scope.clone()));

    let f = f.reopened();
    assert_eq!(f.authenticate(&text), Ok(scope));
    assert_eq!(f.directory.workspaces().unwrap().len(), 1);
    assert_eq!(f.directory.users().unwrap().len(), 2);
}

#[test]
fn what_is_no_key_lets_nobody_in() {
    let f = fixture();
    let (key, text) = f.key(f.directory.owner(), &[]);
    assert_eq!(f.directory.authenticate(None), Err(AuthError::Missing));
    assert_eq!(f.directory.authenticate(Some("")), Err(AuthError::Missing));
    let upper = text.expose().to_uppercase();
    let longer = format!("{}a", text.expose());
    for wrong in ["weir_", "x", &key.prefix, &key.id.to_string(), &upper, &longer] {
        assert_eq!(f.directory.authenticate(Some(wrong)), Err(AuthError::Unknown), "{wrong}");
    }
}

#[test]
fn a_key_has_256_random_bits_and_is_kept_as_a_hash() {
    let f = fixture();
    let (key, text) = f.key(f.directory.owner(), &[]);
    let secret = text.expose().strip_prefix("weir_").unwrap();
    assert_eq!(secret.len(), 52);
    assert!(text.expose().starts_with(&key.prefix) && key.prefix.len() == 9);
    assert!(!format!("{text:?}{key:?}{:?}", f.directory).contains(secret));

    let wal = f.path.with_extension("db-wal");
    for file in [&f.path, &wal] {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(16).any(|window| window == &secret.as_bytes()[4..20]), "{}", file.display());
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_revoked_key_is_dead_at_once_and_for_good() {
    let f = fixture();
    let (key, text) = f.key(f.directory.owner(), &[]);
    let (_, other) = f.key(f.directory.owner(), &[]);
    let (scope, other_scope) = (f.authenticate(&text).unwrap(), f.authenticate(&other).unwrap());
    let changes = f.directory.changes();
    assert!(f.directory.still_valid(&scope) && !changes.has_changed().unwrap());

    let revoked = f.directory.revoke_key(key.id).unwrap();
    assert_eq!(revoked.revoked_at, Some(START));
    assert!(changes.has_changed().unwrap());
    assert!(!f.directory.still_valid(&scope));
    assert!(f.directory.still_valid(&other_scope));
    assert_eq!(f.authenticate(&text), Err(AuthError::Revoked));

    f.clock.set(START.plus(DAY / 2));
    assert_eq!(f.directory.revoke_key(key.id).unwrap().revoked_at, Some(START));
    assert_eq!(f.reopened().authenticate(&text), Err(AuthError::Revoked));
}

#[test]
fn a_key_expires_and_a_clock_that_goes_back_does_not_revive_it() {
    let f = fixture();
    let (_, text) = f.key(f.directory.owner(), &[]);
    f.clock.set(START.plus(DAY - Duration::from_millis(1)));
    let scope = f.authenticate(&text).unwrap();
    f.clock.set(START.plus(DAY));
    assert!(!f.directory.still_valid(&scope));
    assert_eq!(f.authenticate(&text), Err(AuthError::Expired));
    f.clock.set(START);
    assert_eq!(f.authenticate(&text), Err(AuthError::Expired));

    let expired = NewKey { expires_at: Some(START), ..f.new_key(f.directory.owner(), &[]) };
    assert!(matches!(f.directory.create_key(expired), Err(Error::AlreadyExpired)));
}

#[test]
fn a_suspended_user_is_out_with_every_key_and_may_come_back() {
    let f = fixture();
    let user = f.user(WorkspaceRole::Member);
    let (_, text) = f.key(user.id, &[]);
    let scope = f.authenticate(&text).unwrap();
    let token =
        Scope { credential: Credential::Token { expires_at: START.plus(DAY), maker: None }, ..scope.clone() };
    assert!(f.directory.still_valid(&token));

    let changes = f.directory.changes();
    f.directory.suspend_user(user.id).unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(f.authenticate(&text), Err(AuthError::Suspended));
    assert!(!f.directory.still_valid(&scope) && !f.directory.still_valid(&token));

    f.directory.reinstate_user(user.id).unwrap();
    assert_eq!(f.authenticate(&text), Ok(scope));
}

#[test]
fn the_root_key_is_the_owner_of_the_default_workspace() {
    let root = "0123456789abcdef0123456789abcdef";
    let mut f = fixture();
    assert_eq!(f.directory.authenticate(Some(root)), Err(AuthError::Unknown));
    f.directory = f.directory.with_root_key(&root.to_owned().into());
    let scope = f.directory.authenticate(Some(root)).unwrap();
    assert_eq!((scope.user_id, scope.role), (f.directory.owner(), WorkspaceRole::Owner));
    assert_eq!(scope.permissions, Permission::ALL);
    assert!(f.directory.still_valid(&scope));

    f.directory.suspend_user(f.directory.owner()).unwrap();
    assert_eq!(f.directory.authenticate(Some(root)), Err(AuthError::Suspended));
    assert!(!f.directory.still_valid(&scope));
}

#[test]
fn a_key_never_carries_more_than_its_user_or_its_maker() {
    let f = fixture();
    let viewer = f.user(WorkspaceRole::Viewer);
    let beyond = f.directory.create_key(f.new_key(viewer.id, &[Permission::ApprovalsDecide]));
    assert!(matches!(beyond, Err(Error::BeyondRights(Permission::ApprovalsDecide))));
    assert_eq!(f.key(viewer.id, &[]).0.permissions, [Permission::ConversationsRead]);

    let (_, reader) = f.key(f.directory.owner(), &[Permission::ConversationsRead]);
    let scope = f.authenticate(&reader).unwrap();
    let grown = f.directory.create_own_key(&scope, "more".to_owned(), vec![Permission::Admin], None);
    assert!(matches!(grown, Err(Error::BeyondRights(Permission::Admin))));
    let (own, _) = f.directory.create_own_key(&scope, "same".to_owned(), Vec::new(), None).unwrap();
    assert_eq!(own.permissions, [Permission::ConversationsRead]);
}

#[test]
fn people_see_and_revoke_their_own_keys_and_admins_those_of_their_workspace() {
    let f = fixture();
    let member = f.user(WorkspaceRole::Member);
    let (own, own_text) = f.key(member.id, &[]);
    let (admins, admin_text) = f.key(f.directory.owner(), &Permission::ALL);
    let elsewhere = f.directory.create_workspace("elsewhere".to_owned()).unwrap();
    let stranger =
        f.directory.create_user("stranger".to_owned(), elsewhere.id, WorkspaceRole::Owner).unwrap();
    let strange = NewKey { workspace_id: elsewhere.id, ..f.new_key(stranger.id, &Permission::ALL) };
    let (strangers, stranger_text) = f.directory.create_key(strange).unwrap();

    let seen = |text: &KeyText| -> Vec<KeyId> {
        f.directory.visible_keys(&f.authenticate(text).unwrap()).iter().map(|key| key.id).collect()
    };
    assert_eq!(seen(&own_text), [own.id]);
    assert_eq!(seen(&admin_text), [own.id, admins.id]);
    assert_eq!(seen(&stranger_text), [strangers.id]);

    let member = f.authenticate(&own_text).unwrap();
    assert_eq!(f.directory.revoke_visible_key(&member, admins.id).unwrap(), None);
    let stranger = f.authenticate(&stranger_text).unwrap();
    assert_eq!(f.directory.revoke_visible_key(&stranger, own.id).unwrap(), None);
    assert!(f.directory.revoke_visible_key(&member, own.id).unwrap().is_some());
}

#[test]
fn the_last_use_of_a_key_is_kept() {
    let f = fixture();
    let (key, text) = f.key(f.directory.owner(), &[]);
    assert_eq!(key.last_used_at, None);
    let used = START.plus(Duration::from_secs(5));
    f.clock.set(used);
    f.authenticate(&text).unwrap();
    f.directory.save_usage().unwrap();
    assert_eq!(f.reopened().directory.keys()[0].last_used_at, Some(used));
}

#[test]
fn users_and_workspaces_are_found_by_id_or_name() {
    let f = fixture();
    let user = f.user(WorkspaceRole::Admin);
    assert_eq!(f.directory.find_user("someone").unwrap(), user);
    f.user(WorkspaceRole::Viewer);
    assert!(matches!(f.directory.find_user("someone"), Err(Error::AmbiguousUser(_))));
    assert_eq!(f.directory.find_user(&user.id.to_string()).unwrap(), user);
    assert!(matches!(f.directory.find_user("nobody"), Err(Error::NoSuchUser(_))));
    assert_eq!(f.directory.find_workspace("default").unwrap().id, f.directory.default_workspace());
    assert!(matches!(f.directory.create_workspace("default".to_owned()), Err(Error::NameTaken(_))));
    assert!(matches!(f.directory.create_workspace("a\nb".to_owned()), Err(Error::InvalidName)));
}

#[test]
fn a_newer_or_damaged_database_is_refused() {
    let f = fixture();
    let path = f.path.clone();
    drop(f.directory);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(matches!(Directory::open(&path, Clock::System), Err(Error::NewerSchema)));

    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let error = Directory::open(&path, Clock::System).unwrap_err().to_string();
    assert!(error.contains("restore it from a backup"), "{error}");
}
