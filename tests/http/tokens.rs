//! JSON Web Tokens: of embedding products and our own; forged, expired, and limited ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};

use weir::auth::token::{Creation, Issuer, IssuerOptions, KeyMaterial, TokenAlgorithm};
use weir::clock::Clock;
use weir::http::{Rule, every_route};

use crate::app::{Answer, TestApp};

const SECRET: &str = "a secret of the shop that is long enough";
const FIRST: &str = include_str!("keys/first.rsa.pem");
const FIRST_PUBLIC: &str = include_str!("keys/first.rsa.pub.pem");
const FIRST_JWK: &str = include_str!("keys/first.jwk.json");
const SECOND: &str = include_str!("keys/second.rsa.pem");
const SECOND_JWK: &str = include_str!("keys/second.jwk.json");
const ED: &str = include_str!("keys/ed25519.pem");
const ED_PUBLIC: &str = include_str!("keys/ed25519.pub.pem");

fn seconds() -> u64 {
    u64::try_from(Clock::System.now().millis() / 1000).unwrap()
}

fn issuer(name: &str, algorithm: TokenAlgorithm, keys: KeyMaterial, creation: Creation) -> Issuer {
    let options = IssuerOptions {
        name: name.to_owned(),
        issuer: format!("https://{name}.example"),
        audience: "weir-test".to_owned(),
        algorithm,
        keys,
        users: creation,
        workspaces: creation,
    };
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    Issuer::new(options, &client.unwrap()).unwrap()
}

async fn app() -> TestApp {
    TestApp::with_issuers(vec![
        issuer("shop", TokenAlgorithm::HS256, KeyMaterial::Secret(SECRET.into()), Creation::Create),
        issuer("bank", TokenAlgorithm::RS256, KeyMaterial::PublicKey(FIRST_PUBLIC.into()), Creation::Create),
        issuer("club", TokenAlgorithm::EdDsa, KeyMaterial::PublicKey(ED_PUBLIC.into()), Creation::Create),
        issuer("strict", TokenAlgorithm::HS256, KeyMaterial::Secret(SECRET.into()), Creation::Refuse),
    ])
    .await
}

fn claims(name: &str, sub: &str) -> Value {
    json!({"iss": format!("https://{name}.example"), "aud": "weir-test", "sub": sub,
        "nbf": seconds() - 1, "exp": seconds() + 60})
}

fn by_shop(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn by_rsa(pem: &str, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()).unwrap()
}

async fn me(app: &TestApp, token: &str) -> Answer {
    Answer::of(app.request(Method::GET, "/v1/me", token)).await
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[tokio::test]
async fn every_kind_of_signature_lets_its_issuers_user_in_and_makes_them_once() {
    let app = app().await;
    let by_ed = encode(
        &Header::new(Algorithm::EdDSA),
        &claims("club", "ada"),
        &EncodingKey::from_ed_pem(ED.as_bytes()).unwrap(),
    );
    for token in
        [by_shop(&claims("shop", "ada")), by_rsa(FIRST, None, &claims("bank", "ada")), by_ed.unwrap()]
    {
        let first = me(&app, &token).await.is(200);
        assert_eq!(
            (&first["user"]["name"], &first["via"], &first["role"]),
            (&json!("ada"), &json!("token"), &json!("member"))
        );
        assert_eq!(first["scopes"], json!(["conversations:read", "conversations:write", "approvals:decide"]));
        assert_eq!(me(&app, &token).await.is(200), first);
    }
    // The same name at another issuer is another person.
    let ids = app.directory.users().unwrap().into_iter().filter(|user| user.name == "ada").count();
    assert_eq!(ids, 3);
}

#[tokio::test]
async fn a_workspace_of_the_products_is_made_and_kept_apart() {
    let app = app().await;
    let of = |workspace: &str, sub: &str, role: &str| {
        let claims = with(claims("shop", sub), "workspace", json!(workspace));
        by_shop(&with(claims, "role", json!(role)))
    };
    let (acme, other) = (of("acme", "ada", "admin"), of("other", "bob", "owner"));
    let created =
        app.request(Method::POST, "/v1/conversations", &acme).json(&json!({"visibility": "workspace"}));
    let id = Answer::of(created).await.is(201)["conversation"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/conversations/{id}");
    Answer::of(app.request(Method::GET, &path, &of("acme", "carl", "viewer"))).await.is(200);
    assert_eq!(Answer::of(app.request(Method::GET, &path, &other)).await.problem(404), "not-found");
    assert_eq!(app.get(&path).await.problem(404), "not-found");
    // Nobody becomes an owner by a token, and nobody names a workspace that is not the issuer's.
    assert_eq!(me(&app, &other).await.is(200)["role"], "admin");
    let elsewhere = app.directory.find_workspace("elsewhere").unwrap().id.to_string();
    assert_eq!(me(&app, &of(&elsewhere, "ada", "member")).await.problem(401), "unauthorized");
}

#[tokio::test]
async fn forged_and_faulty_tokens_open_nothing() {
    let app = app().await;
    let good = claims("shop", "mallory");
    let now = seconds();
    let none = {
        let part = |value: &Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&good))
    };
    let confused = encode(
        &Header::new(Algorithm::HS256),
        &claims("bank", "mallory"),
        &EncodingKey::from_secret(FIRST_PUBLIC.as_bytes()),
    );
    let wrong_key =
        encode(&Header::new(Algorithm::HS256), &good, &EncodingKey::from_secret(b"another secret"));
    let other_size =
        encode(&Header::new(Algorithm::HS512), &good, &EncodingKey::from_secret(SECRET.as_bytes()));
    let signed = by_shop(&good);
    let mut altered = signed.split('.').map(str::to_owned).collect::<Vec<_>>();
    altered[1] = data_encoding::BASE64URL_NOPAD
        .encode(with(good.clone(), "role", json!("admin")).to_string().as_bytes());
    let ours = json!({"iss": "weir", "aud": "weir", "sub": app.directory.owner().to_string(),
        "workspace": app.directory.default_workspace().to_string(), "role": "owner",
        "nbf": now - 1, "exp": now + 60});
    let mut tokens = vec![
        ("alg none", none),
        ("HMAC with the public key", confused.unwrap()),
        ("another key", wrong_key.unwrap()),
        ("another algorithm", other_size.unwrap()),
        ("altered claims", altered.join(".")),
        ("no signature", format!("{}.", signed.rsplit_once('.').unwrap().0)),
        ("another issuer's key", by_rsa(SECOND, None, &claims("bank", "mallory"))),
        ("our name", by_shop(&ours)),
        ("a user who may not be made", by_shop(&claims("strict", "mallory"))),
        ("half", signed[..signed.len() / 2].to_owned()),
        ("dots", "..".to_owned()),
    ];
    for (what, name, value) in [
        ("expired", "exp", json!(now - 10)),
        ("not yet", "nbf", json!(now + 60)),
        ("foreign issuer", "iss", json!("https://evil.example")),
        ("foreign audience", "aud", json!("another-service")),
        ("no exp", "exp", Value::Null),
        ("no nbf", "nbf", Value::Null),
        ("no iss", "iss", Value::Null),
        ("no aud", "aud", Value::Null),
        ("no sub", "sub", Value::Null),
        ("exp as text", "exp", json!((now + 60).to_string())),
        ("exp below zero", "exp", json!(-1)),
        ("nbf as text", "nbf", json!("0")),
        ("iss as a list", "iss", json!(["https://shop.example"])),
        ("aud as a number", "aud", json!(7)),
        ("sub as a number", "sub", json!(7)),
        ("empty sub", "sub", json!("")),
        ("a control character", "sub", json!("a\u{0}b")),
        ("a long sub", "sub", json!("x".repeat(300))),
        ("an unknown role", "role", json!("emperor")),
        ("an unknown scope", "scopes", json!(["everything"])),
        ("another's conversations", "conversation_ids", json!("all")),
    ] {
        tokens.push((what, by_shop(&with(good.clone(), name, value))));
    }
    for (what, token) in &tokens {
        let answer = me(&app, token).await;
        assert_eq!(answer.problem(401), "unauthorized", "{what}");
    }
    for (method, path, rule) in every_route() {
        let method = Method::from_bytes(method.as_str().as_bytes()).unwrap();
        if matches!(rule, Rule::Public | Rule::Metrics) {
            continue;
        }
        for (what, token) in &tokens[..4] {
            let answer = Answer::of(app.request(method.clone(), &path, token)).await;
            assert_eq!(answer.status, 401, "{method} {path}: {what}");
        }
    }
    me(&app, &signed).await.is(200);
    assert!(app.directory.users().unwrap().iter().filter(|user| user.name == "mallory").count() == 1);
    // A clock that differs by a few seconds is forgiven.
    me(&app, &by_shop(&with(good, "nbf", json!(now + 3)))).await.is(200);
}

#[tokio::test]
async fn a_role_or_scope_in_a_token_narrows_and_a_suspended_user_is_out() {
    let app = app().await;
    let viewer = by_shop(&with(claims("shop", "ada"), "role", json!("viewer")));
    let admin = by_shop(&with(claims("shop", "ada"), "role", json!("admin")));
    let read_only = by_shop(&with(claims("shop", "ada"), "scopes", json!(["conversations:read", "admin"])));
    assert_eq!(me(&app, &viewer).await.is(200)["role"], "viewer");
    assert_eq!(me(&app, &admin).await.is(200)["role"], "admin");
    assert_eq!(me(&app, &viewer).await.is(200)["role"], "viewer");
    // A member has no `admin` to be given.
    assert_eq!(me(&app, &read_only).await.is(200)["scopes"], json!(["conversations:read"]));
    let post = app.request(Method::POST, "/v1/conversations", &read_only).json(&json!({}));
    assert_eq!(Answer::of(post).await.problem(403), "forbidden");
    let ada = app.directory.find_user("ada").unwrap().id;
    app.directory.suspend_user(ada).unwrap();
    for token in [&viewer, &admin, &read_only] {
        assert_eq!(me(&app, token).await.problem(401), "unauthorized");
    }
}

#[tokio::test]
async fn a_published_key_is_fetched_once_and_again_when_it_is_rotated() {
    let keys = Arc::new(Mutex::new(json!({"keys": [serde_json::from_str::<Value>(FIRST_JWK).unwrap()]})));
    let fetched = Arc::new(AtomicUsize::new(0));
    let (served, count) = (keys.clone(), fetched.clone());
    let router = axum::Router::new().route(
        "/jwks.json",
        axum::routing::get(move || {
            count.fetch_add(1, Ordering::Relaxed);
            let keys = served.lock().to_string();
            async move { keys }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let jwks = issuer("bank", TokenAlgorithm::RS256, KeyMaterial::JwksUrl(url), Creation::Create);
    let app = TestApp::with_issuers(vec![jwks]).await;

    let token = |pem: &str, kid: Option<&str>| by_rsa(pem, kid, &claims("bank", "ada"));
    for _ in 0..3 {
        me(&app, &token(FIRST, Some("first"))).await.is(200);
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
    let second: Value = serde_json::from_str(SECOND_JWK).unwrap();
    *keys.lock() = json!({"keys": [{"kty": "future"}, second]});
    // Unknown keys cause a fetch at most every half minute, however many there are.
    for kid in ["made-up", "second", "another"] {
        assert_eq!(me(&app, &token(SECOND, Some(kid))).await.problem(401), "unauthorized", "{kid}");
    }
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
    for foreign in [token(SECOND, Some("first")), token(FIRST, None)] {
        assert_eq!(me(&app, &foreign).await.problem(401), "unauthorized");
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    // Connections from before the leap have timed out.
    while app.request(Method::GET, "/healthz", "").send().await.is_err() {}
    me(&app, &token(SECOND, Some("second"))).await.is(200);
    assert_eq!(fetched.load(Ordering::Relaxed), 2);
    assert_eq!(me(&app, &token(FIRST, Some("first"))).await.problem(401), "unauthorized", "it was withdrawn");
    server.abort();
}

async fn mint(app: &TestApp, by: &str, body: &Value) -> Answer {
    Answer::of(app.request(Method::POST, "/v1/auth/tokens", by).json(body)).await
}

#[tokio::test]
async fn a_minted_token_is_never_stronger_than_its_maker() {
    let app = app().await;
    let member = &app.people.member;
    let own = mint(&app, member, &json!({"ttl": 60})).await.is(201);
    let token = own["token"].as_str().unwrap();
    let mine = me(&app, token).await.is(200);
    assert_eq!(mine["user"], me(&app, member).await.is(200)["user"]);
    assert_eq!(mine["expires_at"], own["expires_at"]);
    assert_eq!(mint(&app, member, &json!({"ttl": 60, "role": "admin"})).await.problem(403), "forbidden");
    assert_eq!(mint(&app, member, &json!({"ttl": 60, "subject": "bob"})).await.problem(403), "forbidden");
    assert_eq!(mint(&app, member, &json!({"ttl": 0})).await.invalid(), "/ttl");
    assert_eq!(mint(&app, member, &json!({"ttl": 86_401})).await.invalid(), "/ttl");
    // A token of a token ends with it.
    let again = mint(&app, token, &json!({"ttl": 3600})).await.is(201);
    assert_eq!(again["expires_at"], own["expires_at"]);

    let owner = app.sign_up(app.directory.owner(), "Ada").await;
    let for_bob = json!({"ttl": 60, "subject": "bob-17", "role": "member"});
    let request = || app.browse(&owner, Method::POST, "/v1/auth/tokens").json(&for_bob);
    let (first, second) = (Answer::of(request()).await.is(201), Answer::of(request()).await.is(201));
    let bob = me(&app, first["token"].as_str().unwrap()).await.is(200);
    assert_eq!((&bob["user"]["name"], &bob["role"]), (&json!("bob-17"), &json!("member")));
    assert_eq!(bob["scopes"], json!(["conversations:read", "conversations:write", "approvals:decide"]));
    assert_eq!(me(&app, second["token"].as_str().unwrap()).await.is(200)["user"], bob["user"]);
    let stranger = app.directory.find_user("Stranger").unwrap().id;
    let foreign = json!({"ttl": 60, "subject": stranger});
    let foreign = Answer::of(app.browse(&owner, Method::POST, "/v1/auth/tokens").json(&foreign)).await;
    assert_eq!(foreign.invalid(), "/subject");
}

#[tokio::test]
async fn a_minted_token_ends_with_what_it_was_made_with() {
    let app = app().await;
    let owner = app.sign_up(app.directory.owner(), "Ada").await;
    let request = app.browse(&owner, Method::POST, "/v1/auth/tokens").json(&json!({"ttl": 3600}));
    let by_session = Answer::of(request).await.is(201)["token"].as_str().unwrap().to_owned();
    let by_key = mint(&app, &app.people.owner, &json!({"ttl": 3600})).await.is(201);
    let by_key = by_key["token"].as_str().unwrap().to_owned();
    let of_token =
        mint(&app, &by_key, &json!({"ttl": 60})).await.is(201)["token"].as_str().unwrap().to_owned();
    for token in [&by_session, &by_key, &of_token] {
        me(&app, token).await.is(200);
    }
    let stream = app.request(Method::GET, "/v1/feed", &of_token).send().await.unwrap();
    assert_eq!(stream.status(), 200);

    assert_eq!(Answer::of(app.browse(&owner, Method::POST, "/v1/auth/logout")).await.status, 204);
    assert_eq!(me(&app, &by_session).await.problem(401), "unauthorized");
    me(&app, &by_key).await.is(200);
    app.directory.revoke_key(app.people.owner_key).unwrap();
    let since = std::time::Instant::now();
    for token in [&by_key, &of_token] {
        assert_eq!(me(&app, token).await.problem(401), "unauthorized");
    }
    let said = crate::app::read_events(stream, |_| false).await;
    assert_eq!(said.last().unwrap().data["status"], 401);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn nobody_mints_a_token_for_another_person() {
    let app = app().await;
    let owner = app.sign_up(app.directory.owner(), "Ada").await;
    let for_subject = async |subject: &Value| {
        let body = json!({"ttl": 60, "subject": subject});
        Answer::of(app.browse(&owner, Method::POST, "/v1/auth/tokens").json(&body)).await
    };
    // A member who has an account of their own has private conversations of their own.
    let member = me(&app, &app.people.member).await.is(200)["user"]["id"].clone();
    assert_eq!(for_subject(&member).await.invalid(), "/subject");
    let made = for_subject(&json!("customer-7")).await.is(201);
    let customer = me(&app, made["token"].as_str().unwrap()).await.is(200)["user"]["id"].clone();
    let again = for_subject(&customer).await.is(201);
    assert_eq!(me(&app, again["token"].as_str().unwrap()).await.is(200)["user"]["id"], customer);
}

#[tokio::test]
async fn a_key_that_is_made_with_a_token_does_not_outlive_it() {
    let app = app().await;
    let owner = app.sign_up(app.directory.owner(), "Ada").await;
    let request = app.browse(&owner, Method::POST, "/v1/auth/tokens").json(&json!({"ttl": 60}));
    let token = Answer::of(request).await.is(201);
    for expires_at in [json!(null), json!("2126-01-01T00:00:00.000Z")] {
        let mut body = json!({"name": "backdoor", "scopes": ["conversations:read"]});
        if expires_at.is_string() {
            body["expires_at"] = expires_at;
        }
        let made = app.request(Method::POST, "/v1/api-keys", token["token"].as_str().unwrap()).json(&body);
        assert_eq!(Answer::of(made).await.is(201)["key"]["expires_at"], token["expires_at"]);
    }
    let lasting = app.browse(&owner, Method::POST, "/v1/api-keys").json(&json!({"name": "lasting"}));
    assert_eq!(Answer::of(lasting).await.is(201)["key"]["expires_at"], Value::Null);
}

#[tokio::test]
async fn a_token_for_one_conversation_sees_no_other() {
    let app = app().await;
    let (one, other) = (app.conversation().await, app.conversation().await);
    app.talk(&one, "count to 2").await;
    let turn = app.talk(&other, "count to 2").await["turn"]["id"].as_str().unwrap().to_owned();
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let body = json!({"ttl": 60, "conversation_ids": [id(&one)]});
    let token = mint(&app, &app.people.owner, &body).await.is(201)["token"].as_str().unwrap().to_owned();

    let mut walked = 0;
    for (method, path, rule) in every_route() {
        if !path.contains('{') || matches!(rule, Rule::Account | Rule::Admin | Rule::Operator) {
            continue;
        }
        walked += 1;
        let method = Method::from_bytes(method.as_str().as_bytes()).unwrap();
        let path = path.replace("{conversation_id}", &id(&other)).replace("{turn_id}", &turn);
        let request = app.request(method.clone(), &path, &token);
        let request = if method == Method::GET { request } else { request.json(&json!({"text": "hello"})) };
        assert_eq!(Answer::of(request).await.problem(404), "not-found", "{method} {path}");
    }
    assert!(walked > 10, "{walked}");
    Answer::of(app.request(Method::GET, &one, &token)).await.is(200);
    let listed = Answer::of(app.request(Method::GET, "/v1/conversations", &token)).await.is(200);
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, [json!(id(&one))]);
    let create = app.request(Method::POST, "/v1/conversations", &token).json(&json!({}));
    assert_eq!(Answer::of(create).await.problem(403), "forbidden");
    let wider = mint(&app, &token, &json!({"ttl": 60, "conversation_ids": [id(&other)]})).await;
    assert_eq!(wider.problem(404), "not-found");
    let narrow = mint(&app, &token, &json!({"ttl": 60})).await.is(201);
    let narrow = narrow["token"].as_str().unwrap();
    assert_eq!(Answer::of(app.request(Method::GET, &other, narrow)).await.problem(404), "not-found");

    // Nor over the feed.
    let cursor = listed["feed_cursor"].as_str().unwrap();
    for path in [&other, &one] {
        app.patch(path, &json!({"title": "renamed"})).await.is(200);
    }
    let feed = app.request(Method::GET, &format!("/v1/feed?after={cursor}"), &token).send().await.unwrap();
    let said = crate::app::read_events(feed, |events| {
        events.iter().any(|event| event.kind == "conversation.listed")
    })
    .await;
    let about: Vec<_> = said.iter().filter(|event| event.kind == "conversation.listed").collect();
    assert!(about.iter().all(|event| event.data["conversation_id"] == json!(id(&one))), "{about:?}");
}

#[tokio::test]
async fn what_is_open_ends_with_its_token() {
    let app = app().await;
    let conversation = app.conversation().await;
    let token = mint(&app, &app.people.owner, &json!({"ttl": 2})).await.is(201)["token"].clone();
    let path = format!("{conversation}/events");
    let stream = app.request(Method::GET, &path, token.as_str().unwrap()).send().await.unwrap();
    let since = std::time::Instant::now();
    let said = crate::app::read_events(stream, |_| false).await;
    let last = said.last().unwrap();
    assert_eq!((last.kind.as_str(), &last.data["status"]), ("problem", &json!(401)));
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
}
