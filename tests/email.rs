//! Mails of the real server, taken in by a mail server of the test's own.

#[allow(dead_code, reason = "each suite uses its part of what they share")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::Reply;
use support::errand::Errand;
use support::within;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, PartialEq)]
struct Mail {
    to: Vec<String>,
    /// Headers and text, unfolded from quoted-printable.
    text: String,
}

/// A mail server that takes everything, except while it is told to be busy.
#[derive(Clone, Default)]
struct Mailbox {
    mails: Arc<Mutex<Vec<Mail>>>,
    busy: Arc<Mutex<bool>>,
}

impl Mailbox {
    async fn start() -> (Self, u16) {
        let mailbox = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let at = mailbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let at = at.clone();
                // Whoever hangs up has said enough.
                tokio::spawn(async move { drop(at.talk(stream).await) });
            }
        });
        (mailbox, port)
    }

    async fn talk(&self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut mail = Mail { to: Vec::new(), text: String::new() };
        write.write_all(b"220 test\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => "250-test\r\n250 8BITMIME\r\n",
                "MAIL" if *self.busy.lock() => "451 later\r\n",
                "RCPT" => {
                    mail.to.push(line.trim_start_matches("RCPT TO:<").split('>').next().unwrap().to_owned());
                    "250 ok\r\n"
                }
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                        mail.text.push_str(line.strip_suffix('=').unwrap_or(&format!("{line}\n")));
                    }
                    self.mails
                        .lock()
                        .push(std::mem::replace(&mut mail, Mail { to: vec![], text: String::new() }));
                    "250 ok\r\n"
                }
                "QUIT" => return write.write_all(b"221 bye\r\n").await,
                _ => "250 ok\r\n",
            };
            write.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    fn all(&self) -> Vec<Mail> {
        self.mails.lock().clone()
    }

    async fn has(&self, count: usize) -> Vec<Mail> {
        within(&format!("{count} mails"), async {
            while self.all().len() < count {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        self.all()
    }
}

fn config(port: u16) -> String {
    format!(
        "[email]\nsmtp = \"smtp://127.0.0.1:{port}\"\nfrom = \"Weir <weir@example.com>\"\ngather = \"400ms\"\n"
    )
}

/// The code in a mail: a line of its own.
fn code(mail: &Mail) -> String {
    let is_code =
        |line: &&str| line.len() == 10 && line.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    mail.text.lines().find(is_code).expect("a code").to_owned()
}

async fn patch_me(errand: &Errand, body: &Value) -> Reply {
    errand.client.send(Method::PATCH, "/v1/me", body).await
}

/// The owner's address, confirmed; the code was the first mail.
async fn confirmed(errand: &Errand, mailbox: &Mailbox) {
    patch_me(errand, &json!({"email": "owner@example.com"})).await.expect(200);
    let code = code(&mailbox.has(1).await[0]);
    errand.client.post("/v1/me/email/confirm", &json!({"code": code})).await.expect(200);
}

async fn ask(errand: &Errand, order: &str) {
    let turn = errand.calls("refund", &json!({"order": order})).await;
    errand.turn_is(&turn, "waiting").await;
}

#[tokio::test]
async fn an_address_counts_once_its_owner_has_named_the_code() {
    let (mailbox, port) = Mailbox::start().await;
    let errand = Errand::new(&config(port)).await;
    for wrong in
        ["", "nonsense", "a@example.com\r\nBcc: b@example.com", "A <a@example.com>", "a@b, c@d", "a b@c"]
    {
        let refused = patch_me(&errand, &json!({"email": wrong})).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!("/email")),
            "{wrong:?}"
        );
    }
    let set = patch_me(&errand, &json!({"email": "owner@example.com"})).await.expect(200);
    let unconfirmed = json!({"address": "owner@example.com", "confirmed": false, "notifications": true});
    assert_eq!(set, json!({"available": true, "email": unconfirmed}));
    let mails = mailbox.has(1).await;
    assert_eq!(mails[0].to, ["owner@example.com"]);

    // Nobody is written to there before.
    ask(&errand, "1").await;
    let confirm = "/v1/me/email/confirm";
    for _ in 0..4 {
        assert_eq!(errand.client.post(confirm, &json!({"code": "AAAAAAAAAA"})).await.status, 422);
    }
    let right = code(&mails[0]);
    let done = errand.client.post(confirm, &json!({"code": format!(" {} ", right.to_lowercase())})).await;
    assert_eq!(done.expect(200)["email"]["confirmed"], true);
    assert_eq!(errand.client.post(confirm, &json!({"code": right})).await.status, 422, "it counts once");

    // Another address begins anew, and after five tries its code is none any more.
    patch_me(&errand, &json!({"email": "other@example.com"})).await.expect(200);
    let right = code(&mailbox.has(2).await[1]);
    for _ in 0..5 {
        assert_eq!(errand.client.post(confirm, &json!({"code": "AAAAAAAAAA"})).await.status, 422);
    }
    assert_eq!(errand.client.post(confirm, &json!({"code": right})).await.status, 422);
    patch_me(&errand, &json!({"email": "third@example.com"})).await.expect(200);
    assert_eq!(patch_me(&errand, &json!({"email": "fourth@example.com"})).await.status, 429);
    assert_eq!(patch_me(&errand, &json!({"email": null})).await.expect(200)["email"], Value::Null);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(mailbox.all().len(), 3, "codes and nothing else");
}

#[tokio::test]
async fn who_may_decide_is_written_to_once_about_all_that_came_together() {
    let (mailbox, port) = Mailbox::start().await;
    let mut errand = Errand::new(&config(port)).await;
    confirmed(&errand, &mailbox).await;
    ask(&errand, "a secret order").await;
    let first = errand.asked().await;
    errand.conversation = errand.client.converse("default").await;
    ask(&errand, "another").await;
    let mails = mailbox.has(2).await;
    let text = &mails[1].text;
    assert!(text.contains("Subject: 2 calls of tools wait for you"), "{text}");
    assert!(text.contains(&format!("/approvals/{}", first["id"].as_str().unwrap())), "{text}");
    assert_eq!(text.matches("/approvals/").count(), 2, "{text}");
    assert!(
        !text.contains("a secret order") && !text.contains("decide?") && !text.contains("token"),
        "{text}"
    );

    // What was decided meanwhile is not worth a mail, and a busy server is asked again.
    errand.conversation = errand.client.converse("default").await;
    *mailbox.busy.lock() = true;
    ask(&errand, "third").await;
    let queue = errand.client.get("/v1/approvals").await.expect(200);
    let third = queue["items"][2].clone();
    errand.decide(&third, "deny").await.expect(200);
    *mailbox.busy.lock() = false;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(mailbox.all().len(), 2);

    // Written down before it is sent, so a kill loses nothing.
    errand.conversation = errand.client.converse("default").await;
    ask(&errand, "fourth").await;
    errand.kill_and_restart().await;
    let text = mailbox.has(3).await[2].text.clone();
    assert!(text.contains("Subject: A call of refund waits for you"), "{text}");

    patch_me(&errand, &json!({"email_notifications": false})).await.expect(200);
    errand.conversation = errand.client.converse("default").await;
    ask(&errand, "fifth").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(mailbox.all().len(), 3);
}

#[tokio::test]
async fn nobody_is_written_to_about_what_they_may_not_decide() {
    let (mailbox, port) = Mailbox::start().await;
    let errand = Errand::new(&config(port)).await;
    let (made, _, said) = errand.command(&["users", "create", "--name", "Grace", "--role", "member"]);
    assert!(made, "{said}");
    let (_, link, _) = errand.command(&["setup-link", "--user", "Grace"]);
    let code_of_link = link.trim().rsplit("code=").next().expect("a code").to_owned();
    let http = reqwest::Client::new();
    let base = errand.server.base();
    let setup = json!({"code": code_of_link, "name": "Grace", "password": "correct horse battery"});
    let entered = http.post(format!("{base}/v1/auth/setup")).json(&setup).send().await.expect("an answer");
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let as_grace = |method: Method, path: &str, body: Value| {
        let request = http.request(method, format!("{base}{path}")).header("cookie", &cookie);
        request.header("sec-fetch-site", "same-origin").json(&body).send()
    };
    as_grace(Method::PATCH, "/v1/me", json!({"email": "grace@example.com"})).await.expect("an answer");
    let confirm = json!({"code": code(&mailbox.has(1).await[0])});
    let confirmed = as_grace(Method::POST, "/v1/me/email/confirm", confirm).await.expect("an answer");
    assert_eq!(confirmed.status(), 200);

    ask(&errand, "the owner's own").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(mailbox.all().len(), 1);

    let shared = json!({"agent": "default", "visibility": "workspace"});
    let made = errand.client.post("/v1/conversations", &shared).await.expect(201);
    let errand = Errand { conversation: made["conversation"]["id"].as_str().unwrap().to_owned(), ..errand };
    ask(&errand, "everybody's").await;
    let mails = mailbox.has(2).await;
    assert_eq!(mails[1].to, ["grace@example.com"]);
    assert_eq!(mails[1].text.matches("/approvals/").count(), 1);
}

#[tokio::test]
async fn what_is_asked_after_a_restore_is_written_about() {
    let (mailbox, port) = Mailbox::start().await;
    let mut errand = Errand::new(&config(port)).await;
    confirmed(&errand, &mailbox).await;
    let kept = errand.database().await;
    for order in ["1", "2", "3"] {
        errand.conversation = errand.client.converse("default").await;
        ask(&errand, order).await;
    }
    let about =
        |mails: Vec<Mail>| mails.iter().map(|mail| mail.text.matches("/approvals/").count()).sum::<usize>();
    within("all three to be written about", async {
        while about(mailbox.all()) < 3 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    errand.restore(&kept).await;
    errand.conversation = errand.client.converse("default").await;
    ask(&errand, "4").await;
    let id = errand.asked().await["id"].as_str().expect("an id").to_owned();
    within("the fourth to be written about", async {
        while !mailbox.all().iter().any(|mail| mail.text.contains(&id)) {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_more_than_twenty_mails_an_hour_and_what_waits_is_one() {
    let (mailbox, port) = Mailbox::start().await;
    let mut errand = Errand::new(&config(port).replace("400ms", "50ms")).await;
    confirmed(&errand, &mailbox).await;
    let mut asks = async |order: usize| {
        errand.conversation = errand.client.converse("default").await;
        ask(&errand, &order.to_string()).await;
    };
    for order in 1..=20 {
        asks(order).await;
        mailbox.has(1 + order).await;
    }
    for order in 21..=23 {
        asks(order).await;
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(mailbox.all().len(), 21, "the code, and twenty");

    errand.server.move_clock(Duration::from_hours(1));
    errand.kill_and_restart().await;
    let mails = mailbox.has(22).await;
    assert_eq!(mails[21].text.matches("/approvals/").count(), 3, "{}", mails[21].text);
}
