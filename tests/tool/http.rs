//! Tools behind HTTP: what they are sent, and what is believed of their answers.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use serde_json::json;
use weir::tool::{HttpTool, Outcome, Source, Tool};

use crate::call::invocation;
use crate::names::Names;
use crate::shop::{Answer, Misbehaviour, Rogue, Shop, config, made, named, run, text};

fn succeeded(output: &str) -> Outcome {
    Outcome::Succeeded(output.to_owned())
}
fn failed(detail: &str) -> Outcome {
    Outcome::Failed(detail.to_owned())
}
fn unknown(detail: &str) -> Outcome {
    Outcome::Unknown(detail.to_owned())
}
fn unreachable() -> Outcome {
    Outcome::Unreachable("the tool could not be reached".to_owned())
}

#[tokio::test]
async fn a_call_is_one_post_with_its_id_as_the_idempotency_key() {
    let shop = Shop::answering(|| text(200, "done")).await;
    let mut config = config(shop.address);
    config.auth_env = Some("SHOP_TOKEN".to_owned());
    config.headers.insert("x-tenant".to_owned(), SecretString::from("t1"));
    let env = |name: &str| (name == "SHOP_TOKEN").then(|| " s3cret-token\n".to_owned());
    let tool = HttpTool::new("refund", &config, &env, Arc::new(Names(Vec::new()))).unwrap();
    assert_eq!((tool.source(), tool.is_idempotent()), (Source::Http, false));
    assert_eq!((tool.spec().name.as_str(), tool.spec().description.as_str()), ("refund", "Refund an order"));

    let call = invocation(json!({ "order": "A-1", "amount": 12.5 }));
    assert_eq!(tool.run(call.clone()).await, succeeded("done"));
    let [received] = &shop.received()[..] else { panic!("{:?}", shop.received()) };
    assert_eq!(
        received.body,
        json!({
            "call_id": call.call_id,
            "args": { "order": "A-1", "amount": 12.5 },
            "conversation_id": call.conversation_id,
        })
    );
    assert_eq!(received.header("idempotency-key"), call.call_id.to_string());
    assert_eq!(received.header("authorization"), "Bearer s3cret-token");
    assert_eq!(received.header("x-tenant"), "t1");
    assert_eq!(received.header("content-type"), "application/json");
}

#[tokio::test]
async fn every_call_has_a_connection_of_its_own() {
    let whole = Misbehaviour::Hangs("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let rogue = Rogue::open(whole).await;
    let tool = made(&config(rogue.address));
    for calls in 1..=3 {
        assert_eq!(run(&tool).await, succeeded("ok"));
        // The server answers one request of a connection; a second one on it would wait for ever.
        assert_eq!(rogue.requests(), calls);
    }
}

#[tokio::test]
async fn an_answer_of_2xx_is_the_output() {
    let cases: [(Answer, &str); 4] = [
        (|| axum::Json(json!({ "refunded": true })).into_response(), r#"{"refunded":true}"#),
        (|| text(202, "soon ü"), "soon ü"),
        (|| text(204, ""), ""),
        (|| [0xff_u8, 0xd8, 0xff, 0].into_response(), "4 bytes that are no text"),
    ];
    for (answer, expected) in cases {
        let shop = Shop::answering(answer).await;
        assert_eq!(run(&made(&config(shop.address))).await, succeeded(expected));
    }
}

#[tokio::test]
async fn a_huge_answer_is_cut_and_is_a_success_all_the_same() {
    // The limit lies within a character.
    let shop = Shop::answering(|| format!("a{}", "ü".repeat(1 << 20)).into_response()).await;
    let expected = format!("a{}\n[cut: more than 1048576 bytes]", "ü".repeat((1 << 19) - 1));
    assert_eq!(run(&made(&config(shop.address))).await, succeeded(&expected));

    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n";
    let rogue = Rogue::open(Misbehaviour::Dribbles(endless)).await;
    let mut config = config(rogue.address);
    config.timeout = Duration::from_secs(1);
    assert_eq!(run(&made(&config)).await, unknown("the tool did not answer within 1s"));
}

#[tokio::test]
async fn a_refusal_is_a_failure_with_its_reason() {
    let shop = Shop::answering(|| text(422, "no such order\n")).await;
    let expected = "the tool answered 422 Unprocessable Entity: no such order";
    assert_eq!(run(&made(&config(shop.address))).await, failed(expected));
    assert_eq!(shop.received().len(), 1);

    let shop = Shop::answering(|| text(403, "")).await;
    assert_eq!(run(&made(&config(shop.address))).await, failed("the tool answered 403 Forbidden"));

    let shop = Shop::answering(|| (StatusCode::CONFLICT, "x".repeat(1 << 20)).into_response()).await;
    let expected =
        format!("the tool answered 409 Conflict: {}\n[cut: more than 4096 bytes]", "x".repeat(4096));
    assert_eq!(run(&made(&config(shop.address))).await, failed(&expected));
}

#[tokio::test]
async fn secrets_are_taken_out_of_whatever_a_tool_says() {
    for status in [200, 400] {
        let answer: Answer = match status {
            200 => || text(200, r#"{"authorization":"Bearer s3cret-token","x-key":"quo\"ted-key"}"#),
            _ => || text(400, r#"bad token s3cret-token, bad key quo"ted-key"#),
        };
        let shop = Shop::answering(answer).await;
        let mut config = config(shop.address);
        config.auth_env = Some("SHOP_TOKEN".to_owned());
        config.headers.insert("x-key".to_owned(), SecretString::from(r#"quo"ted-key"#));
        let env = |_: &str| Some("s3cret-token".to_owned());
        let tool = HttpTool::new("refund", &config, &env, Arc::new(Names(Vec::new()))).unwrap();
        let said = format!("{:?}", run(&tool).await);
        assert!(!said.contains("s3cret") && !said.contains("ted-key"), "{said}");
        assert_eq!(said.matches("[redacted]").count(), 2, "{said}");
    }
}

#[tokio::test]
async fn a_call_that_may_have_happened_is_unknown_and_not_sent_again() {
    let shop = Shop::answering(|| text(500, "oops")).await;
    let expected = unknown("the tool answered 500 Internal Server Error");
    assert_eq!(run(&made(&config(shop.address))).await, expected);
    assert_eq!(shop.received().len(), 1);

    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"refun";
    for (misbehaviour, detail) in [
        (Misbehaviour::Says(""), "the connection broke before the tool answered"),
        (Misbehaviour::Says("HTTP/1.1 20"), "the connection broke before the tool answered"),
        (Misbehaviour::Says("SSH-2.0-OpenSSH_9.2\r\n"), "the connection broke before the tool answered"),
        (Misbehaviour::Says(half), "the answer 200 broke off"),
        (Misbehaviour::Hangs(""), "the tool did not answer within 1s"),
        (Misbehaviour::Hangs(half), "the tool did not answer within 1s"),
        (Misbehaviour::Dribbles("HTTP/1.1 200 OK\r\nX: "), "the tool did not answer within 1s"),
    ] {
        let rogue = Rogue::open(misbehaviour).await;
        let mut config = config(rogue.address);
        config.timeout = Duration::from_secs(1);
        assert_eq!(run(&made(&config)).await, unknown(detail), "{misbehaviour:?}");
        assert_eq!(rogue.requests(), 1, "{misbehaviour:?}");
    }
}

#[tokio::test]
async fn an_idempotent_tool_is_asked_three_times_with_the_same_key() {
    let shop = Shop::answering(|| text(503, "")).await;
    let mut settings = config(shop.address);
    settings.idempotent = true;
    let tool = made(&settings);
    assert!(tool.is_idempotent());
    assert_eq!(run(&tool).await, failed("the tool answered 503 Service Unavailable, after 3 tries"));
    let received = shop.received();
    assert_eq!(received.len(), 3);
    assert!(received.windows(2).all(|pair| pair[0] == pair[1]), "{received:?}");

    let shop = Shop::open(&[|| text(502, ""), || text(200, "at last")]).await;
    let mut settings = config(shop.address);
    settings.idempotent = true;
    assert_eq!(run(&made(&settings)).await, succeeded("at last"));
    assert_eq!(shop.received().len(), 2);
}

#[tokio::test]
async fn what_was_never_sent_is_unreachable() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for idempotent in [false, true] {
        let mut config = config(closed);
        config.idempotent = idempotent;
        assert_eq!(run(&made(&config)).await, unreachable());
        config.url = "http://shop.test/refund".to_owned();
        assert_eq!(run(&made(&config)).await, unreachable(), "a name that nobody knows");
    }

    let shop = Shop::answering(|| text(200, "")).await;
    let mut config = config(shop.address);
    config.url = format!("https://{}/refund", shop.address);
    assert_eq!(run(&made(&config)).await, unreachable(), "no TLS there");
    assert_eq!(shop.received(), []);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inner = Shop::answering(|| text(200, "the metadata of a cloud")).await;
    INNER.set(inner.address.to_string()).unwrap();
    fn to_inner(status: u16) -> Response {
        let location = format!("http://{}/", INNER.get().unwrap());
        (StatusCode::from_u16(status).unwrap(), [(LOCATION, location)]).into_response()
    }

    let shop = Shop::answering(|| to_inner(307)).await;
    let expected = failed("the tool answered 307 Temporary Redirect, and redirects are not followed");
    assert_eq!(run(&made(&config(shop.address))).await, expected);

    // This one may lead to the result of what was done.
    let shop = Shop::answering(|| to_inner(303)).await;
    let expected = unknown("the tool answered 303 See Other, and redirects are not followed");
    assert_eq!(run(&made(&config(shop.address))).await, expected);
    assert_eq!(inner.received(), []);
}

static INNER: std::sync::OnceLock<String> = std::sync::OnceLock::new();

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_called() {
    let shop = Shop::answering(|| text(200, "done")).await;
    let mut config = config(shop.address);
    config.url = format!("http://shop.test:{}/refund", shop.address.port());
    let loopback = vec![([127, 0, 0, 1], 0).into()];

    config.allow_private_address = false;
    let expected = failed("`shop.test` is not a public address, and the tool may only call such");
    assert_eq!(run(&named(&config, loopback.clone())).await, expected);
    assert_eq!(shop.received(), []);

    config.allow_private_address = true;
    assert_eq!(run(&named(&config, loopback)).await, succeeded("done"));
    assert_eq!(shop.received().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_dropped_hangs_up() {
    let dribbling = Misbehaviour::Dribbles("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    let rogue = Rogue::open(dribbling).await;
    let tool = made(&config(rogue.address));
    let dropped = tokio::time::timeout(Duration::from_millis(500), run(&tool)).await;
    assert!(dropped.is_err());
    rogue.hung_up().await;
}
