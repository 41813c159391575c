//! Coming in: setup codes, passwords, sessions, keys; and who is kept out.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use weir::http::{Options, Rule, every_route};
use weir::id::UserId;
use weir::scope::WorkspaceRole;

use crate::app::{Answer, Browser, PASSWORD, TestApp};

fn person(app: &TestApp, name: &str, role: WorkspaceRole) -> UserId {
    let here = app.directory.default_workspace();
    app.directory.create_user(name.to_owned(), here, role).unwrap().id
}

async fn log_in(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"name": name, "password": password});
    Answer::of(app.request(Method::POST, "/v1/auth/login", "").json(&body)).await
}

async fn set_up(app: &TestApp, body: &Value) -> Answer {
    Answer::of(app.request(Method::POST, "/v1/auth/setup", "").json(body)).await
}

async fn me(app: &TestApp, browser: &Browser) -> Answer {
    Answer::of(app.browse(browser, Method::GET, "/v1/me")).await
}

/// How many passwords were hashed to compare them.
async fn checked(app: &TestApp) -> u64 {
    let numbers = Answer::of(app.request(Method::GET, "/metrics", crate::app::NUMBERS)).await.text;
    let line = numbers.lines().find_map(|line| line.strip_prefix("weir_password_checks_total "));
    line.map_or(0, |count| count.parse::<u64>().unwrap())
}

#[tokio::test]
async fn a_setup_code_makes_a_login_once() {
    let app = TestApp::demo().await;
    let needed = async || app.get("/v1/meta").await.is(200)["setup_needed"].clone();
    assert_eq!(needed().await, true);
    let stale = app.directory.create_setup_code(app.directory.owner()).unwrap();
    let code = app.directory.create_setup_code(app.directory.owner()).unwrap();
    let body = |code: &str| json!({"code": code, "name": "Ada", "password": PASSWORD});
    assert_eq!(set_up(&app, &body(stale.expose())).await.problem(403), "setup-code");

    for (field, value) in [("password", json!("too short")), ("name", json!("")), ("name", json!("a\u{7}b"))]
    {
        let mut wrong = body(code.expose());
        wrong[field] = value;
        assert_eq!(set_up(&app, &wrong).await.invalid(), format!("/{field}"));
    }
    let answer = set_up(&app, &body(code.expose())).await;
    let first = answer.is(201);
    assert_eq!(
        (&first["user"]["name"], &first["role"], &first["via"]),
        (&json!("Ada"), &json!("owner"), &json!("session"))
    );
    let set_cookie = answer.header("set-cookie").to_owned();
    for attribute in ["weir_session=wsess_", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(set_cookie.contains(attribute), "{attribute} in {set_cookie}");
    }
    assert!(!set_cookie.contains("Secure") && !set_cookie.contains("Domain"), "{set_cookie}");
    assert_eq!(needed().await, false);
    assert_eq!(set_up(&app, &body(code.expose())).await.problem(403), "setup-code");

    let here = log_in(&app, " ADA ", PASSWORD).await;
    assert_eq!(here.is(200)["user"], first["user"]);
    let someone = person(&app, "Someone", WorkspaceRole::Member);
    let code = app.directory.create_setup_code(someone).unwrap();
    assert_eq!(set_up(&app, &body(code.expose())).await.invalid(), "/name", "the name is taken");
    // What was refused did not use the code up.
    set_up(&app, &json!({"code": code.expose(), "name": "Grace", "password": PASSWORD})).await.is(201);
}

#[tokio::test]
async fn the_code_of_a_suspended_user_counts_once_they_may_come_in_again() {
    let app = TestApp::demo().await;
    let bob = person(&app, "Bob", WorkspaceRole::Member);
    let code = app.directory.create_setup_code(bob).unwrap();
    let body = json!({"code": code.expose(), "name": "Bob", "password": PASSWORD});
    app.directory.suspend_user(bob).unwrap();
    assert_eq!(set_up(&app, &body).await.problem(403), "setup-code");
    assert_eq!(app.get("/v1/meta").await.is(200)["setup_needed"], true, "nothing was set");
    app.directory.reinstate_user(bob).unwrap();
    set_up(&app, &body).await.is(201);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_login_it_is_the_same_answer_after_the_same_work() {
    let app = TestApp::demo().await;
    app.sign_up(app.directory.owner(), "Ada").await;
    let suspended = person(&app, "Bob", WorkspaceRole::Member);
    app.sign_up(suspended, "Bob").await;
    app.directory.suspend_user(suspended).unwrap();
    let mut answers = Vec::new();
    for (name, password) in [("Ada", "wrong password"), ("Nobody", PASSWORD), ("Bob", PASSWORD)] {
        let before = checked(&app).await;
        let answer = log_in(&app, name, password).await;
        assert_eq!(answer.problem(401), "unauthorized");
        assert_eq!(answer.header("set-cookie"), "");
        // Other tests of this process may check passwords too.
        assert!(checked(&app).await > before, "a password was hashed for {name}");
        answers.push(answer.text);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn a_cookie_does_what_a_key_does_only_for_our_own_pages() {
    let app = TestApp::demo().await;
    let browser = app.sign_up(app.directory.owner(), "Ada").await;
    let mut walked = 0;
    for (method, path, rule) in every_route() {
        if path.contains('{')
            || ["/v1/feed", "/v1/socket"].contains(&path.as_str())
            || matches!(rule, Rule::Metrics | Rule::Public)
        {
            continue;
        }
        walked += 1;
        let method = Method::from_bytes(method.as_str().as_bytes()).unwrap();
        let with = |headers: &[(&str, &str)]| {
            let mut request = app.request(method.clone(), &path, "").header("Cookie", &browser.cookie);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request
        };
        for forged in [
            &[][..],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Site", "none")],
            &[("Origin", "https://evil.example")],
            &[("Origin", "null")],
        ] {
            let answer = Answer::of(with(forged)).await;
            match method == Method::GET {
                true => assert_ne!(answer.status, 403, "{method} {path} {forged:?}"),
                false => assert_eq!(answer.problem(403), "cross-site", "{method} {path} {forged:?}"),
            }
        }
        if path != "/v1/auth/logout" {
            let origin = format!("http://{}", app.address);
            for ours in [&[("Sec-Fetch-Site", "same-origin")][..], &[("Origin", origin.as_str())]] {
                let answer = Answer::of(with(ours)).await;
                assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path} {ours:?}");
            }
        }
    }
    assert!(walked > 8, "{walked}");
    // Nor may another site sign a browser in.
    let forged = app.request(Method::POST, "/v1/auth/login", "").header("Origin", "https://evil.example");
    let body = json!({"name": "Ada", "password": PASSWORD});
    assert_eq!(Answer::of(forged.json(&body)).await.problem(403), "cross-site");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_and_nobody_elses() {
    let app = TestApp::demo().await;
    let phone = app.sign_up(app.directory.owner(), "Ada").await;
    let laptop = Browser { cookie: log_in(&app, "Ada", PASSWORD).await.cookie() };
    let other = app.sign_up(person(&app, "Bob", WorkspaceRole::Admin), "Bob").await;

    let listed = Answer::of(app.browse(&laptop, Method::GET, "/v1/auth/sessions")).await.is(200);
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| &item["current"]).collect::<Vec<_>>(), [true, false]);
    assert_eq!(items[0]["address"], "127.0.0.1");
    assert!(!listed.to_string().contains("wsess_"), "{listed}");

    let of_phone = format!("/v1/auth/sessions/{}", items[1]["id"].as_str().unwrap());
    let of_other = me(&app, &other).await.is(200)["session_id"].as_str().unwrap().to_owned();
    for (browser, path) in [(&other, of_phone.clone()), (&phone, format!("/v1/auth/sessions/{of_other}"))] {
        assert_eq!(Answer::of(app.browse(browser, Method::DELETE, &path)).await.problem(404), "not-found");
    }
    assert_eq!(Answer::of(app.browse(&laptop, Method::DELETE, &of_phone)).await.status, 204);
    assert_eq!(me(&app, &phone).await.problem(401), "unauthorized");
    me(&app, &laptop).await.is(200);

    let out = Answer::of(app.browse(&laptop, Method::POST, "/v1/auth/logout")).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("weir_session=; "), "{}", out.header("set-cookie"));
    assert_eq!(me(&app, &laptop).await.problem(401), "unauthorized");
    me(&app, &other).await.is(200);
}

#[tokio::test]
async fn a_session_outlives_a_restart_and_not_a_new_password() {
    let mut app = TestApp::demo().await;
    let browser = app.sign_up(app.directory.owner(), "Ada").await;
    app.restart().await;
    me(&app, &browser).await.is(200);
    // Whoever lost the password gets a new link.
    let code = app.directory.create_setup_code(app.directory.owner()).unwrap();
    let body = json!({"code": code.expose(), "name": "Ada", "password": "another long password"});
    set_up(&app, &body).await.is(201);
    assert_eq!(me(&app, &browser).await.problem(401), "unauthorized");
    assert_eq!(log_in(&app, "Ada", PASSWORD).await.problem(401), "unauthorized");
    log_in(&app, "Ada", "another long password").await.is(200);
}

#[tokio::test]
async fn what_is_open_ends_within_five_seconds_of_its_session_or_its_user() {
    let app = TestApp::demo().await;
    let bob = person(&app, "Bob", WorkspaceRole::Member);
    let ended = app.sign_up(app.directory.owner(), "Ada").await;
    let suspended = app.sign_up(bob, "Bob").await;
    let open = async |browser: &Browser| {
        let created = app.browse(browser, Method::POST, "/v1/conversations").json(&json!({}));
        let created = Answer::of(created).await.is(201);
        let id = created["conversation"]["id"].as_str().unwrap();
        let path = format!("/v1/conversations/{id}/events");
        app.browse(browser, Method::GET, &path).send().await.unwrap()
    };
    let streams = [open(&ended).await, open(&suspended).await];
    let out = Answer::of(app.browse(&ended, Method::POST, "/v1/auth/logout")).await;
    assert_eq!(out.status, 204);
    app.directory.suspend_user(bob).unwrap();
    let since = Instant::now();
    for stream in streams {
        let said = crate::app::read_events(stream, |_| false).await;
        let last = said.last().unwrap();
        assert_eq!((last.kind.as_str(), &last.data["status"]), ("problem", &json!(401)));
    }
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(me(&app, &suspended).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn a_key_is_shown_once_and_never_stronger_than_its_maker() {
    let app = TestApp::demo().await;
    let ada = app.sign_up(app.directory.owner(), "Ada").await;
    let bob = app.sign_up(person(&app, "Bob", WorkspaceRole::Member), "Bob").await;
    let make = async |browser: &Browser, body: Value| {
        Answer::of(app.browse(browser, Method::POST, "/v1/api-keys").json(&body)).await
    };
    let made = make(&bob, json!({"name": "ci", "scopes": ["conversations:read"]})).await.is(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("weir_"));
    let with_key = Answer::of(app.request(Method::GET, "/v1/me", secret)).await.is(200);
    assert_eq!((&with_key["via"], &with_key["scopes"]), (&json!("key"), &json!(["conversations:read"])));
    assert_eq!(make(&bob, json!({"name": "root", "scopes": ["admin"]})).await.problem(403), "forbidden");
    assert_eq!(make(&bob, json!({"name": "x", "scopes": []})).await.invalid(), "/scopes");
    let past = json!({"name": "x", "expires_at": "2020-01-01T00:00:00.000Z"});
    assert_eq!(make(&bob, past).await.invalid(), "/expires_at");
    // A key without `admin` makes no keys.
    let by_key = app.request(Method::POST, "/v1/api-keys", secret).json(&json!({"name": "more"}));
    assert_eq!(Answer::of(by_key).await.problem(403), "forbidden");

    let listed = Answer::of(app.browse(&bob, Method::GET, "/v1/api-keys")).await.is(200);
    assert!(!listed.to_string().contains(secret));
    let of_ada = make(&ada, json!({"name": "ada's"})).await.is(201);
    let path = format!("/v1/api-keys/{}", of_ada["key"]["id"].as_str().unwrap());
    assert_eq!(Answer::of(app.browse(&bob, Method::DELETE, &path)).await.problem(404), "not-found");
    let path = format!("/v1/api-keys/{}", made["key"]["id"].as_str().unwrap());
    assert_eq!(Answer::of(app.browse(&ada, Method::DELETE, &path)).await.status, 204, "the owner sees it");
    assert_eq!(Answer::of(app.request(Method::GET, "/v1/me", secret)).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn guessing_passwords_ends_soon_and_the_answer_says_when_to_go_on() {
    let app = TestApp::demo().await;
    app.sign_up(app.directory.owner(), "Ada").await;
    let mut refused = 0;
    // The slower the machine, the more of the allowance comes back meanwhile.
    for n in 0..60 {
        if refused == 3 {
            break;
        }
        let answer = log_in(&app, "Ada", &format!("guess number {n}")).await;
        match answer.status.as_u16() {
            401 => assert_eq!(refused, 0, "once refused, refused for a while"),
            429 => {
                refused += 1;
                assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
                assert_eq!(answer.header("ratelimit-policy"), "\"minute\";q=10;w=60");
                assert!(answer.header("ratelimit").starts_with("\"minute\";r=0;t="), "{:?}", answer.headers);
            }
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert_eq!(refused, 3);
    // Even the right password has to wait now, but not someone else's.
    assert_eq!(log_in(&app, "Ada", PASSWORD).await.status, 429);
    assert_eq!(log_in(&app, "Bob", "some password").await.status, 401);
}

#[tokio::test]
async fn when_all_the_world_guesses_passwords_people_still_get_in_from_home() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let app = TestApp::with_options(Options { trusted_proxies: proxies, ..TestApp::options() }).await;
    let from = |address: String, path: &str, body: Value| {
        let request = app.request(Method::POST, path, "").json(&body);
        Answer::of(request.header("X-Forwarded-For", address))
    };
    let log_in = |address: String, password: &str| {
        from(address, "/v1/auth/login", json!({"name": "Ada", "password": password}))
    };
    let code = app.directory.create_setup_code(app.directory.owner()).unwrap();
    let ada = json!({"code": code.expose(), "name": "Ada", "password": PASSWORD});
    from("192.0.2.1".to_owned(), "/v1/auth/setup", ada).await.is(201);
    // What is right takes nothing from the allowance of what is wrong.
    log_in("2001:db8::1".to_owned(), PASSWORD).await.is(200);

    let mut guesses = 0..60;
    let refused = loop {
        let n = guesses.next().expect("the guesses were never refused");
        let guess = json!({"name": format!("account {n}"), "password": "some password"});
        let answer = from(format!("198.51.100.{n}"), "/v1/auth/login", guess).await;
        if answer.status != 401 {
            break answer;
        }
    };
    assert_eq!(refused.problem(429), "rate-limited");
    assert!((1..=6).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    let strange = log_in("203.0.113.5".to_owned(), PASSWORD).await;
    assert!(strange.status == 429 || strange.status == 200, "one in six seconds is looked at");
    log_in("192.0.2.1".to_owned(), PASSWORD).await.is(200);
    // The same network, as their provider numbers it today.
    log_in("2001:db8::2".to_owned(), PASSWORD).await.is(200);
    assert_eq!(log_in("192.0.2.1".to_owned(), "wrong password").await.status, 401);
}

#[tokio::test]
async fn whoever_hangs_up_has_nothing_hashed() {
    let app = TestApp::demo().await;
    app.sign_up(app.directory.owner(), "Ada").await;
    // What is compared with where there is no such user is made once.
    log_in(&app, "Nobody", PASSWORD).await;
    let before = checked(&app).await;
    for n in 0..14 {
        let body = format!(r#"{{"name": "guest {n}", "password": "some password"}}"#);
        let length = body.len();
        let mut socket = tokio::net::TcpStream::connect(app.address).await.unwrap();
        let head = format!(
            "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        socket.write_all((head + &body).as_bytes()).await.unwrap();
        // Time enough to begin, not to end: an unoptimised hash takes some tenths of a second.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    log_in(&app, "Ada", PASSWORD).await.is(200);
    let hashed = checked(&app).await - before;
    assert!(hashed <= 8, "{hashed} passwords were hashed, most of them for nobody");
}

#[tokio::test]
async fn a_setup_code_is_not_kept_from_its_user_by_the_tries_of_others() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let app = TestApp::with_options(Options { trusted_proxies: proxies, ..TestApp::options() }).await;
    let from = |n: u32, body: Value| {
        let request = app.request(Method::POST, "/v1/auth/setup", "").json(&body);
        Answer::of(request.header("X-Forwarded-For", format!("192.0.2.{n}")))
    };
    for n in 0..70 {
        let wrong = json!({"code": "wsetup_guess", "name": "Eve", "password": PASSWORD});
        assert_eq!(from(n, wrong).await.problem(403), "setup-code");
    }
    let code = app.directory.create_setup_code(app.directory.owner()).unwrap();
    from(100, json!({"code": code.expose(), "name": "Ada", "password": PASSWORD})).await.is(201);
}

#[tokio::test]
async fn a_user_who_asks_too_much_is_told_to_wait_and_others_are_not() {
    let app = TestApp::with_options(Options { requests_per_minute: Some(5), ..TestApp::options() }).await;
    for left in (0..5).rev() {
        let answer = app.get("/v1/me").await;
        answer.is(200);
        assert_eq!(answer.header("ratelimit"), format!("\"minute\";r={left}"));
        assert_eq!(answer.header("ratelimit-policy"), "\"minute\";q=5;w=60");
    }
    let answer = app.get("/v1/me").await;
    assert_eq!(answer.problem(429), "rate-limited");
    assert!((1..=60).contains(&answer.header("retry-after").parse::<u32>().unwrap()));
    Answer::of(app.request(Method::GET, "/v1/me", &app.people.member)).await.is(200);
    app.get("/healthz").await.is(200);
}

#[tokio::test]
async fn on_loopback_another_name_is_another_server() {
    let app = TestApp::with_options(Options { listens_on_loopback: true, ..TestApp::options() }).await;
    let ask = async |host: &str, path: &str| {
        Answer::of(app.request(Method::GET, path, &app.people.owner).header("Host", host)).await
    };
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example"] {
        assert_eq!(ask(host, "/v1/me").await.problem(421), "misdirected", "{host}");
        assert_eq!(ask(host, "/v1/meta").await.problem(421), "misdirected", "{host}");
        // A probe comes under whatever name.
        ask(host, "/healthz").await.is(200);
    }
    for host in ["localhost:9", "127.0.0.1", "[::1]:8080"] {
        ask(host, "/v1/me").await.is(200);
    }
}

#[tokio::test]
async fn behind_tls_the_cookie_is_for_this_host_alone() {
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let options = Options {
        public_url: Some("https://chat.example.com".to_owned()),
        trusted_proxies: proxies,
        ..TestApp::options()
    };
    let app = TestApp::with_options(options).await;
    let code = app.directory.create_setup_code(app.directory.owner()).unwrap();
    let by_proxy = |request: reqwest::RequestBuilder| {
        request
            .header("X-Forwarded-Host", "chat.example.com")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-For", "203.0.113.9")
            .header("Origin", "https://chat.example.com")
    };
    let body = json!({"code": code.expose(), "name": "Ada", "password": PASSWORD});
    let answer = Answer::of(by_proxy(app.request(Method::POST, "/v1/auth/setup", "")).json(&body)).await;
    answer.is(201);
    let set_cookie = answer.header("set-cookie");
    assert!(
        set_cookie.starts_with("__Host-weir_session=") && set_cookie.contains("; Secure"),
        "{set_cookie}"
    );
    let with_cookie = |method| app.request(method, "/v1/auth/sessions", "").header("Cookie", answer.cookie());
    let listed = Answer::of(by_proxy(with_cookie(Method::GET))).await.is(200);
    assert_eq!(listed["items"][0]["address"], "203.0.113.9");
}

#[tokio::test]
async fn a_user_has_so_many_streams_open_and_no_more() {
    let app = TestApp::with_options(Options { streams_per_user: Some(2), ..TestApp::options() }).await;
    let path = format!("{}/events", app.conversation().await);
    let open = async |token: &str| app.request(Method::GET, &path, token).send().await.unwrap();
    let (first, second) = (open(&app.people.owner).await, open(&app.people.owner).await);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    assert_eq!(
        Answer::of(app.request(Method::GET, &path, &app.people.owner)).await.problem(429),
        "rate-limited"
    );
    // Others have their own.
    let feed = app.request(Method::GET, "/v1/feed", &app.people.member).send().await.unwrap();
    assert_eq!(feed.status(), 200);
    drop(first);
    let since = Instant::now();
    while open(&app.people.owner).await.status() != 200 {
        assert!(since.elapsed() < Duration::from_secs(10), "the place of the closed stream is not free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
