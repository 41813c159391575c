//! `weir doctor` before patients of every kind.

#[path = "support/site.rs"]
#[expect(dead_code, reason = "only some of it is needed here")]
mod site;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use site::Site;

const KEY: &str = "sk-canary-0123456789";
const DEMO: &str = "[providers.demo]\nkind = \"demo\"\n";

/// What the doctor said: its exit code, and state, finding and advice of each check.
struct Diagnosis {
    code: i32,
    text: String,
    report: Value,
}

impl Diagnosis {
    /// `--listen` keeps patients that are examined at the same time apart.
    fn of(site: &Site) -> Self {
        Self::with(site, &["--listen", "127.0.0.1:0"])
    }

    fn with(site: &Site, arguments: &[&str]) -> Self {
        let output = site.run(&[&["doctor"], arguments].concat());
        let code = output.status.code().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let json = site.run(&[&["doctor", "--json"], arguments].concat());
        assert_eq!(json.status.code(), Some(code));
        assert_eq!((output.stderr.len(), json.stderr.len()), (0, 0));
        let report = serde_json::from_slice(&json.stdout).unwrap();
        assert!(!text.contains(KEY) && !String::from_utf8_lossy(&json.stdout).contains(KEY), "{text}");
        Self { code, text, report }
    }

    /// State and finding of the check of that name.
    #[track_caller]
    fn check(&self, name: &str) -> (&str, &str) {
        let mut checks = self.report["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["check"] == name);
        let check = check.unwrap_or_else(|| panic!("no {name} in {}", self.text));
        let state = check["state"].as_str().unwrap();
        assert_eq!(state == "ok", check["advice"].is_null(), "who finds something says what to do: {check}");
        (state, check["found"].as_str().unwrap())
    }

    #[track_caller]
    fn fails(&self, name: &str, found: &str) {
        let check = self.check(name);
        assert!(check.0 == "fail" && check.1.contains(found), "{check:?} in {}", self.text);
        assert_eq!((self.code, &self.report["state"]), (1, &Value::from("fail")), "{}", self.text);
    }

    #[track_caller]
    fn warns(&self, name: &str, found: &str) {
        let check = self.check(name);
        assert!(check.0 == "warn" && check.1.contains(found), "{check:?} in {}", self.text);
        assert_eq!(self.code, 0, "{}", self.text);
    }
}

fn configured(config: &str) -> Site {
    let site = Site::new();
    fs::write(site.dir.path().join("weir.toml"), config).unwrap();
    fs::set_permissions(site.dir.path().join("weir.toml"), Permissions::from_mode(0o600)).unwrap();
    site
}

/// A site that has been served, with everything in its databases' main files.
fn served() -> Site {
    let site = configured(DEMO);
    assert_eq!(site.serve().terminate(), Some(0));
    for file in ["control.db", "weir.db"] {
        let db = Connection::open(site.data().join(file)).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
    site
}

#[test]
fn a_new_place_and_one_that_was_served_are_well() {
    let new = configured(DEMO);
    let before = Diagnosis::of(&new);
    assert_eq!((before.code, before.text.contains("fail")), (0, false), "{}", before.text);
    assert!(!new.data().exists(), "nothing is made");

    let site = served();
    // But for those that SQLite keeps beside an open database.
    let listed = || -> BTreeSet<String> {
        let names = fs::read_dir(site.data()).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        names.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect()
    };
    let files = listed();
    let found = Diagnosis::of(&site);
    assert_eq!(found.code, 0, "{}", found.text);
    for check in ["configuration", "data directory", "server", "clock", "control.db", "weir.db"] {
        assert_eq!(found.check(check).0, "ok", "{}", found.text);
    }
    assert!(found.check("weir.db").1.starts_with("whole, schema "), "{}", found.text);
    assert_eq!(listed(), files);
    for line in found.text.lines().take(found.report["checks"].as_array().unwrap().len()) {
        assert!(["ok    ", "warn  "].iter().any(|state| line.starts_with(state)), "{line}");
    }
}

#[test]
fn a_running_server_is_asked() {
    let site = configured(DEMO);
    let mut server = site.serve_with(|command| {
        command.stdout(Stdio::piped());
    });
    let mut said = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim_end().strip_prefix("weir listens on http://").unwrap();
    let found = Diagnosis::with(&site, &["--listen", address]);
    assert_eq!(
        found.check("server"),
        ("ok", &*format!("process {} holds the lock, and answers", server.0.id()))
    );
    assert!(found.check("listen").1.ends_with("and takes work"), "{}", found.text);
    Diagnosis::with(&site, &["--listen", "127.0.0.1:1"]).fails("listen", "does not answer on 127.0.0.1:1");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_lock_that_is_held_by_somebody_silent_is_found() {
    let site = served();
    let lock = File::open(site.data().join("weir.lock")).unwrap();
    lock.lock().unwrap();
    Diagnosis::of(&site).fails("server", "does not answer on its admin.sock");
}

#[test]
fn a_wrong_configuration_is_all_that_is_said() {
    let found = Diagnosis::of(&configured("[server]\nprot = 8080\n"));
    found.fails("configuration", "weir.toml: server.prot: unknown key");
    assert_eq!(found.report["checks"].as_array().unwrap().len(), 1);
    let issuer = "[[auth.issuers]]\nname = \"shop\"\nissuer = \"https://shop.example\"\naudience = \"weir\"\n\
                  algorithm = \"HS256\"\nsecret_env = \"UNSET\"\n";
    Diagnosis::of(&configured(&format!("{DEMO}{issuer}"))).fails("configuration", "UNSET is not set");
}

#[test]
fn a_damaged_database_is_found_wherever_the_damage_is() {
    for (file, at) in [("control.db", 0), ("weir.db", 0), ("weir.db", 4096 * 3)] {
        let site = served();
        let db = OpenOptions::new().write(true).open(site.data().join(file)).unwrap();
        db.write_all_at(&[0xaa; 4096], at).unwrap();
        drop(db);
        Diagnosis::of(&site).fails(file, "is damaged");
    }
}

#[test]
fn a_database_of_a_newer_program_is_found() {
    for file in ["control.db", "weir.db"] {
        let site = served();
        let db = Connection::open(site.data().join(file)).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        drop(db);
        Diagnosis::of(&site).fails(file, "has schema 99");
    }
}

#[test]
fn a_clock_behind_what_is_stored_is_found() {
    let site = served();
    let file = File::options().write(true).open(site.data().join("weir.lock")).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written + Duration::from_secs(86_400)).unwrap();
    Diagnosis::of(&site).fails("clock", "before what is stored already");
}

#[test]
fn what_others_may_read_is_warned_of() {
    let site = served();
    let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    open(&site.data(), 0o755);
    Diagnosis::of(&site).warns("data directory", "(mode 755)");

    let key = format!("{DEMO}[metrics]\ntoken = \"{KEY}\"\n");
    let site = configured(&key);
    open(&site.dir.path().join("weir.toml"), 0o644);
    Diagnosis::of(&site).warns("secrets", "weir.toml holds secrets");
}

#[test]
fn a_port_that_is_taken_is_found() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    Diagnosis::with(&configured(DEMO), &["--listen", &address]).fails("listen", "in use");
}

#[test]
fn a_public_address_that_cannot_work_well_is_warned_of() {
    let with = |server: &str| Diagnosis::of(&configured(&format!("[server]\n{server}\n{DEMO}")));
    with("public_url = \"http://chat.example.invalid\"").warns("public_url", "is not encrypted");
    with("public_url = \"https://chat.example.invalid\"").warns("trusted_proxies", "one address");
    with("allowed_origins = [\"http://app.example.invalid\"]").warns("allowed_origins", "is not encrypted");
    with("trusted_proxies = [\"0.0.0.0/0\"]").fails("trusted_proxies", "everyone is trusted");
    let site = configured(DEMO);
    Diagnosis::with(&site, &["--listen", "0.0.0.0:0"]).warns("public_url", "not set");
}

/// A provider that answers every request so, with the key that it was sent.
fn provider(status: &'static str, body: fn(&str) -> String) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let accepting = listener.try_clone().unwrap();
    std::thread::spawn(move || {
        for stream in accepting.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
            let read = stream.read(&mut head).unwrap();
            let body = body(&String::from_utf8_lossy(&head[..read]));
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n"
            );
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (listener, url)
}

fn asking(url: &str, model: &str) -> Diagnosis {
    Diagnosis::of(&configured(&format!(
        "[providers.mine]\nkind = \"openai-chat\"\nbase_url = \"{url}\"\napi_key = \"{KEY}\"\n\
         [agents.default]\nmodel = \"{model}\"\n"
    )))
}

#[test]
fn a_provider_that_cannot_be_reached_or_refuses_the_key_is_found() {
    asking("http://127.0.0.1:1/v1", "auto").fails("provider mine", "refused");
    asking("http://nowhere.invalid/v1", "auto").fails("provider mine", "dns error");

    let echo = |request: &str| {
        let said = request.lines().find(|line| line.to_lowercase().starts_with("authorization")).unwrap();
        format!(r#"{{"error": {{"message": "Incorrect API key provided: {said}"}}}}"#)
    };
    let (_listener, url) = provider("401 Unauthorized", echo);
    let found = asking(&url, "auto");
    found.fails("provider mine", "Incorrect API key");
    assert!(found.text.contains("the key is refused"), "{}", found.text);

    // It listens, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    asking(&url, "auto").fails("provider mine", "no answer within 5 s");
}

#[test]
fn a_provider_that_answers_is_well_and_its_models_are_looked_through() {
    let list = |_: &str| r#"{"data": [{"id": "text-embedding-3"}, {"id": "gpt-4o-mini"}]}"#.to_owned();
    let (_listener, url) = provider("200 OK", list);
    let found = asking(&url, "auto");
    assert_eq!(found.check("provider mine"), ("ok", "openai-chat, 2 models, the key is accepted"));
    assert_eq!(found.check("agent default"), ("ok", "model gpt-4o-mini, 128000 tokens of context"));
    asking(&url, "gpt-5-typo").warns("agent default", "does not list the model \"gpt-5-typo\"");
}
