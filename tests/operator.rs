//! The binary as an operator meets it: starting, refusing to start, and the commands beside it.

#[path = "support/site.rs"]
mod site;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use site::{Server, Site, answers};

#[test]
fn a_configuration_error_names_file_key_and_expectation_and_exits_2() {
    let site = Site::new();
    fs::write(site.dir.path().join("weir.toml"), "[server]\nlisten = \"everywhere\"\n").unwrap();
    for arguments in [&[][..], &["serve"], &["keys", "list"]] {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "weir.toml: server.listen: expected an address and port such as \"127.0.0.1:8080\", \
             found \"everywhere\"\n"
        );
    }
    let output = site.weir(&["--listen", "127.0.0.1:0"]).env("WEIR_ROOT_KEY", "short").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!site.data().exists(), "nothing is made before the configuration is right");
}

#[test]
fn a_second_server_on_the_same_data_exits_2_and_the_first_goes_on() {
    let site = Site::new();
    let first = site.serve();
    let second = site.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&format!("another weir (process {}) works in ./data", first.0.id())), "{said}");
    assert!(answers(&site.data()));
    assert_eq!(first.terminate(), Some(0));
}

#[test]
fn keys_are_made_with_and_without_a_running_server() {
    let site = Site::new();
    let before = site.printed(&["keys", "create", "--name", "before"]);
    let server = site.serve();
    let during = site.printed(&[
        "keys",
        "create",
        "--name",
        "during",
        "--scopes",
        "conversations:read,admin",
        "--expires",
        "30d",
    ]);
    for text in [&before, &during] {
        assert!(text.starts_with("weir_") && text.len() == 58 && text.ends_with('\n'), "{text}");
    }
    let listed = site.printed(&["keys", "list"]);
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(site.printed(&["keys", "list"]), listed);

    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!([rows[0][2], rows[0][4]], ["before", "active"]);
    assert_eq!([rows[1][2], rows[1][6]], ["during", "conversations:read,admin"]);
    assert!(rows[1][4].starts_with("expires 20"), "{listed}");
    assert!(!listed.contains(during.trim_end()), "the secret is shown once");

    assert!(site.printed(&["keys", "revoke", rows[0][0]]).contains("\trevoked "));
}

#[test]
fn users_and_workspaces_are_made_from_the_command_line() {
    let site = Site::new();
    site.printed(&["workspaces", "create", "--name", "acme"]);
    site.printed(&["users", "create", "--name", "ada", "--workspace", "acme", "--role", "member"]);
    site.printed(&["keys", "create", "--name", "phone", "--user", "ada"]);
    assert!(site.printed(&["users", "suspend", "ada"]).contains("\tsuspended "));
    let users = site.printed(&["users", "list"]);
    assert_eq!(users.lines().count(), 2, "{users}");
    assert!(users.contains("\tada\tsuspended ") && users.trim_end().ends_with(":member"), "{users}");

    let refused =
        site.run(&["users", "create", "--name", "bob", "--workspace", "nowhere", "--role", "admin"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&refused.stderr), "there is no workspace `nowhere`\n");
}

#[test]
fn a_server_that_was_killed_leaves_nothing_in_the_way() {
    let site = Site::new();
    site.serve().kill();
    assert!(site.data().join("admin.sock").exists());
    site.printed(&["keys", "create", "--name", "meanwhile"]);
    assert_eq!(site.serve().terminate(), Some(0));
}

#[test]
fn the_data_is_readable_by_its_owner_only() {
    let site = Site::new();
    let _server = site.serve();
    assert_eq!(site.mode("data"), 0o700);
    let databases =
        ["control.db", "weir.db"].map(|name| ["", "-wal", "-shm"].map(|end| format!("{name}{end}")));
    let others = ["weir.lock", "admin.sock"].map(str::to_owned);
    for file in databases.into_iter().flatten().chain(others) {
        assert_eq!(site.mode(&format!("data/{file}")), 0o600, "{file}");
    }
}

#[test]
fn the_healthcheck_fails_where_nobody_listens() {
    let output = Site::new().run(&["healthcheck", "--listen", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("no answer from 127.0.0.1:1"));
}

#[test]
fn a_setup_link_is_made_with_and_without_a_running_server() {
    let site = Site::new();
    let before = site.printed(&["setup-link"]);
    let server = site.serve();
    let during = site.printed(&["setup-link", "--user", "owner"]);
    for link in [&before, &during] {
        assert!(link.starts_with("http://127.0.0.1:8080/setup#code=wsetup_"), "{link}");
    }
    assert_ne!(before, during);
    assert_eq!(server.terminate(), Some(0));
    fs::write(site.dir.path().join("weir.toml"), "[server]\npublic_url = \"https://chat.example.com\"")
        .unwrap();
    assert!(site.printed(&["setup-link"]).starts_with("https://chat.example.com/setup#code="));
    let nobody = site.run(&["setup-link", "--user", "nobody"]);
    assert_eq!(String::from_utf8_lossy(&nobody.stderr), "there is no user `nobody`\n");
}

/// A server with the demo model, and what it printed at its start.
fn greeted(site: &Site, public_url: Option<&str>) -> (Server, Vec<String>) {
    fs::write(site.dir.path().join("weir.toml"), "[providers.demo]\nkind = \"demo\"\n").unwrap();
    let mut server = site.serve_with(|command| {
        command.stdout(Stdio::piped());
        if let Some(url) = public_url {
            command.env("WEIR_PUBLIC_URL", url);
        }
    });
    let mut said: Vec<String> = Vec::new();
    for line in BufReader::new(server.0.stdout.take().unwrap()).lines() {
        said.push(line.unwrap());
        if said.last().is_some_and(|line| line.starts_with("provider ")) {
            break;
        }
    }
    (server, said)
}

fn link(said: &[String]) -> &str {
    let words = said[1].split(' ').find(|word| word.contains("/setup#code=wsetup_"));
    words.unwrap_or_else(|| panic!("{said:?}"))
}

#[test]
fn a_start_prints_a_fresh_setup_link_until_somebody_can_sign_in() {
    let site = Site::new();
    let (server, first) = greeted(&site, Some("https://chat.example.com"));
    assert!(link(&first).starts_with("https://chat.example.com/setup#code="), "{first:?}");
    assert_eq!(first[2], "provider demo, model demo, 128000 tokens of context");
    assert_eq!(server.terminate(), Some(0));

    let (server, second) = greeted(&site, None);
    let address = second[0].strip_prefix("weir listens on http://").unwrap();
    assert!(link(&second).starts_with(&format!("http://{address}/setup#code=")), "{second:?}");
    let code = |said: &[String]| link(said).rsplit('=').next().unwrap().to_owned();
    let set_up = |code: &str| {
        let body = format!(r#"{{"code": "{code}", "name": "Ada", "password": "correct horse battery"}}"#);
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let head = format!(
            "POST /v1/auth/setup HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(set_up(&code(&first)), "403", "the newer link has taken its place");
    assert_eq!(set_up(&code(&second)), "201");
    assert_eq!(server.terminate(), Some(0));

    let (server, third) = greeted(&site, None);
    assert_eq!(third.len(), 2, "{third:?}");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn systemd_is_told_when_the_server_is_ready_and_when_it_stops() {
    let site = Site::new();
    let path = site.dir.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut text = [0; 64];
        let read = socket.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..read]).into_owned()
    };
    let server = site.serve_with(|command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    assert_eq!(heard(), "READY=1");
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(heard(), "STOPPING=1");
}

#[test]
fn an_issuer_without_the_right_key_exits_2_and_says_which() {
    let base = "[[auth.issuers]]\nname = \"shop\"\nissuer = \"https://shop.example\"\naudience = \"weir\"\n";
    for (rest, expected) in [
        ("algorithm = \"HS256\"", "auth.issuers[0].name: expected exactly one of secret"),
        ("algorithm = \"HS256\"\nsecret = \"short\"", "auth.issuers[0].secret: expected at least 32 bytes"),
        ("algorithm = \"HS256\"\nsecret_env = \"UNSET\"", "auth.issuers[0].secret_env: UNSET is not set"),
        (
            "algorithm = \"HS256\"\njwks_url = \"http://127.0.0.1:1/\"",
            "auth.issuers[0].algorithm: the key of issuer",
        ),
        ("algorithm = \"none\"", "auth.issuers[0].algorithm: "),
        ("algorithm = \"RS256\"\npublic_key_file = \"gone.pem\"", "auth.issuers[0].public_key_file: "),
    ] {
        let site = Site::new();
        fs::write(site.dir.path().join("weir.toml"), format!("{base}{rest}\n")).unwrap();
        let mut command = site.weir(&["serve", "--listen", "127.0.0.1:0"]);
        let output = command.env("OPENAI_API_KEY", "unused").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{rest}: {said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}
