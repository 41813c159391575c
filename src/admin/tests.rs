//! Commands with and without a server.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::*;
use crate::scope::WorkspaceRole;

fn create_user() -> Command {
    Command::CreateUser { name: "ada".to_owned(), workspace: None, role: WorkspaceRole::Member }
}

fn create_key(user: &str) -> Command {
    let (user, workspace) = (Some(user.to_owned()), None);
    Command::CreateKey { name: "ci".to_owned(), user, workspace, permissions: Vec::new(), expires_in: None }
}

/// Runs `act` on a thread of its own while a server answers on the data directory.
async fn while_serving<T: Send + 'static>(data: PathBuf, act: impl FnOnce(&Path) -> T + Send + 'static) -> T {
    let dir = DataDir::lock(&data).unwrap();
    let directory = Directory::open(&dir.control_db(), Clock::System).unwrap();
    let listener = Listener::bind(&dir).unwrap();
    let (done, finished) = oneshot::channel();
    std::thread::spawn(move || done.send(act(&data)));
    let mut outcome = None;
    serve(listener, &directory, None, async { outcome = Some(finished.await.unwrap()) }).await;
    outcome.unwrap()
}

#[tokio::test]
async fn a_command_runs_in_the_server_that_has_the_lock() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let Answer::NewKey { key, .. } = while_serving(data.clone(), |data| {
        let mode = std::fs::metadata(data.join("admin.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        run(data, &create_user()).unwrap();
        run(data, &create_key("ada")).unwrap()
    })
    .await
    else {
        panic!("a new key was expected")
    };
    assert!(!data.join("admin.sock").exists());

    // And here, once the server is gone.
    let Answer::Keys(keys) = run(&data, &Command::ListKeys).unwrap() else { panic!("keys were expected") };
    assert_eq!(keys, [key]);
}

#[tokio::test]
async fn a_refusal_says_why_on_both_ways() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().to_owned();
    let here = run(&data, &create_key("nobody")).unwrap_err().to_string();
    let there = while_serving(data, |data| run(data, &create_key("nobody")).unwrap_err().to_string()).await;
    assert_eq!(here, "there is no user `nobody`");
    assert_eq!(there, here);
}

#[tokio::test]
async fn a_data_directory_with_a_long_path_has_its_socket_too() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("d".repeat(120));
    std::fs::create_dir(&data).unwrap();
    // The socket of a server that was killed is in the way.
    std::fs::write(data.join("admin.sock"), "").unwrap();
    while_serving(data, |data| run(data, &create_user()).unwrap()).await;
}

#[tokio::test]
async fn nonsense_on_the_socket_is_answered_and_changes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let answer = while_serving(temp.path().to_owned(), |data| {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(data.join("admin.sock")).unwrap();
        stream.write_all(b"{\"op\":\"drop_tables\"}\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        run(data, &Command::ListUsers).unwrap();
        answer
    })
    .await;
    assert!(answer.starts_with(r#"{"Err":"the server does not know this command"#), "{answer}");
}

#[test]
fn a_lock_without_an_answer_is_an_error_with_its_reason() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("admin.sock"), "").unwrap();
    let _lock = DataDir::lock(temp.path()).unwrap();
    let error = run_within(Duration::ZERO, temp.path(), &Command::ListKeys).unwrap_err().to_string();
    assert!(error.contains("another weir (process") && error.contains("does not answer"), "{error}");
}
