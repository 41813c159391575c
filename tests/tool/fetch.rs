//! `fetch_url`, against a server of the test's own.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use serde_json::{Value, json};
use weir::tool::public_net::{NotPublic, system_resolver};
use weir::tool::{FetchTool, Outcome, Tool};

use crate::call::invocation;

/// The headers of what was asked for.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<HeaderMap>>>);

async fn serve() -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/{what}", get(page)).with_state(asked.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}

async fn page(State(asked): State<Asked>, Path(what): Path<String>, headers: HeaderMap) -> Response {
    asked.0.lock().push(headers);
    let typed = |kind: &'static str, body: Vec<u8>| ([(header::CONTENT_TYPE, kind)], body).into_response();
    let to = |place: &str| (StatusCode::FOUND, [(header::LOCATION, place.to_owned())]).into_response();
    match what.as_str() {
        "page" => typed(
            "text/html; charset=utf-8",
            b"<html><head><title>T</title><script>evil()</script><style>p{}</style></head>\
              <body><h1>Hello</h1><p>A <a href=\"https://example.com/more\">link</a>.</p></body></html>"
                .to_vec(),
        ),
        "latin" => typed("text/plain; charset=ISO-8859-1", b"caf\xe9".to_vec()),
        "meta" => typed("text/html", b"<meta charset=\"windows-1252\"><p>\x80 5</p>".to_vec()),
        "json" => typed("application/json", br#"{"a": [1, 2]}"#.to_vec()),
        "image" => typed("image/png", vec![0x89; 10]),
        "nameless" => ([(header::CONTENT_TYPE, "")], vec![0u8; 9]).into_response(),
        "broad" => typed("text/html", "<p>a <b>b</b>".repeat(20_000).into_bytes()),
        "deep" => typed("text/html", "<div>".repeat(100_000).into_bytes()),
        "long" => typed("text/plain", b"x".repeat(6 << 20)),
        "endless" => {
            let more = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1000)));
            ([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(more)).into_response()
        }
        "never" => std::future::pending().await,
        "moved" => to("/page"),
        "round" => to("/round"),
        "inside" => to("http://169.254.169.254/latest/meta-data"),
        "file" => to("file:///etc/passwd"),
        "with-password" => to("http://a:b@127.0.0.1/page"),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Reaches this machine, and nothing else that is not public.
fn loopback_only(url: &reqwest::Url) -> Result<(), NotPublic> {
    match url.host_str() {
        Some("127.0.0.1") => Ok(()),
        _ => weir::tool::public_net::check(url),
    }
}

fn local() -> FetchTool {
    FetchTool::with_guard(system_resolver(), loopback_only)
}

async fn fetch(tool: &FetchTool, args: Value) -> Result<String, String> {
    match tool.run(invocation(args)).await {
        Outcome::Succeeded(text) => Ok(text),
        Outcome::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_are_read_as_text_in_their_encoding_and_nothing_of_ours_goes_along() {
    let (address, asked) = serve().await;
    let read = async |what: &str| fetch(&local(), json!({"url": format!("http://{address}/{what}")})).await;
    let page = read("moved").await.unwrap();
    assert!(page.starts_with(&format!("http://{address}/page\n\n# Hello")), "{page}");
    assert!(page.contains("A [link][1]") && page.contains("[1]: https://example.com/more"), "{page}");
    assert!(!page.contains("evil") && !page.contains("p{}"), "{page}");
    assert!(read("latin").await.unwrap().ends_with("café"));
    assert!(read("meta").await.unwrap().contains("€ 5"));
    assert!(read("json").await.unwrap().ends_with(r#"{"a": [1, 2]}"#));
    assert_eq!(read("image").await.unwrap_err(), "that is image/png (10 bytes), and only text can be read");
    assert_eq!(read("nameless").await.unwrap_err(), "that is no text (9 bytes)");
    assert!(read("gone").await.unwrap_err().ends_with("answered 404 Not Found"));
    assert!(read("broad").await.is_ok());
    // It would keep a parser busy for minutes.
    assert_eq!(read("deep").await.unwrap_err(), "the page is nested too deeply to be read");
    for headers in asked.0.lock().iter() {
        assert!(headers["user-agent"].to_str().unwrap().starts_with("weir/"));
        assert!(!headers.contains_key("cookie") && !headers.contains_key("authorization"));
        assert!(!headers.contains_key("referer"));
    }
}

#[tokio::test]
async fn a_long_page_is_read_in_windows_and_no_further_than_its_bound() {
    let (address, _) = serve().await;
    for what in ["long", "endless"] {
        let url = format!("http://{address}/{what}");
        let first = fetch(&local(), json!({"url": url})).await.unwrap();
        assert!(first.ends_with("go on with start = 32768]"), "{}", &first[first.len() - 100..]);
        let last = fetch(&local(), json!({"url": url, "start": 5 << 20})).await.unwrap();
        assert!(last.contains("more than 5242880 bytes"), "{last}");
        assert!(fetch(&local(), json!({"url": url, "start": 6 << 20})).await.is_err());
    }
}

#[tokio::test]
async fn no_page_leads_to_where_it_must_not() {
    let (address, asked) = serve().await;
    for (what, why) in [
        ("round", "there were more than 5 redirects"),
        ("inside", "`169.254.169.254` is not a public address, and only such are read"),
        ("file", "only http and https can be read"),
        ("with-password", "a URL with a user or a password in it is not read"),
    ] {
        let url = format!("http://{address}/{what}");
        assert_eq!(fetch(&local(), json!({"url": url})).await, Err(why.to_owned()), "{what}");
    }
    let before = asked.0.lock().len();
    let public = FetchTool::new(system_resolver());
    let port = address.port();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "localhost", "0.0.0.0", "[::]"] {
        let refused = fetch(&public, json!({"url": format!("http://{host}:{port}/page")})).await.unwrap_err();
        assert!(refused.ends_with("is not a public address, and only such are read"), "{host}: {refused}");
    }
    for url in [
        "ftp://example.com/",
        "file:///etc/passwd",
        "data:text/plain,a",
        "nonsense",
        "http://u:p@example.com/",
    ] {
        assert!(fetch(&public, json!({"url": url})).await.is_err(), "{url}");
    }
    assert_eq!(asked.0.lock().len(), before, "nothing was asked for");
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for() {
    let (address, _) = serve().await;
    let began = std::time::Instant::now();
    let late = fetch(&local(), json!({"url": format!("http://{address}/never")})).await;
    assert_eq!(late, Err("the page was not there within 10s".to_owned()));
    assert!(began.elapsed().as_secs() < 20);
}
