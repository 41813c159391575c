//! The model provider misbehaves: each fault with an upstream of its own, over real TCP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir::chat::context::{Item, Prompt};
use weir::chat::message::{FinishReason, Part};
use weir::chat::turn::{CallFailure, ModelOutput};
use weir::clock::Clock;
use weir::provider::{Caps, Failure, FailureKind, Kind, Options, Request, connect, decode, decode_within};

const KEY: &str = "sk-live/canary+0123456789==";
const HEADER: &str = "gateway-canary-77";

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
const HELLO: &str =
    "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// What an upstream does with a connection once it has read the request.
#[derive(Clone)]
enum Does {
    Sends(Vec<u8>),
    Waits(Duration),
    /// Until the client goes away.
    Hangs,
    /// Ends the connection with RST.
    Resets,
    /// Sends the same forever, or until the client goes away.
    Repeats(Vec<u8>, Duration),
}

fn sends(text: impl AsRef<[u8]>) -> Does {
    Does::Sends(text.as_ref().to_vec())
}

fn answers(status: &str, headers: &str, body: &str) -> Vec<Does> {
    let length = body.len();
    vec![sends(format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))]
}

struct Upstream {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    /// Bytes that were written to clients.
    sent: Arc<AtomicUsize>,
    /// Connections that ended.
    ended: Arc<AtomicUsize>,
}

impl Upstream {
    /// Each connection gets the next script; the last one is for all that follow.
    async fn start(scripts: Vec<Vec<Does>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            sent: Arc::default(),
            ended: Arc::default(),
        };
        let (asked, sent, ended) = (upstream.asked.clone(), upstream.sent.clone(), upstream.ended.clone());
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                let at = asked.fetch_add(1, Ordering::SeqCst);
                let script = scripts[at.min(scripts.len() - 1)].clone();
                let (sent, ended) = (sent.clone(), ended.clone());
                tokio::spawn(async move {
                    let _ = perform(socket, script, &sent).await;
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        upstream
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn options(&self, kind: Kind) -> Options {
        Options {
            base_url: Some(format!("http://{}", self.address)),
            api_key: Some(KEY.into()),
            first_byte_timeout: Duration::from_millis(400),
            idle_timeout: Duration::from_millis(400),
            retry_deadline: Duration::from_secs(8),
            max_retries: 2,
            ..Options::new(kind)
        }
    }
}

async fn perform(mut socket: TcpStream, script: Vec<Does>, sent: &AtomicUsize) -> std::io::Result<()> {
    read_request(&mut socket).await?;
    for step in script {
        match step {
            Does::Sends(bytes) => {
                socket.write_all(&bytes).await?;
                socket.flush().await?;
                sent.fetch_add(bytes.len(), Ordering::SeqCst);
            }
            Does::Waits(time) => tokio::time::sleep(time).await,
            Does::Hangs => while socket.read(&mut [0; 512]).await? > 0 {},
            Does::Resets => {
                socket.set_zero_linger()?;
                return Ok(());
            }
            Does::Repeats(bytes, pause) => loop {
                socket.write_all(&bytes).await?;
                sent.fetch_add(bytes.len(), Ordering::SeqCst);
                tokio::time::sleep(pause).await;
            },
        }
    }
    socket.shutdown().await
}

/// The head, and as much body as it announces.
async fn read_request(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let read = socket.read(&mut buffer).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.to_lowercase()[..head]
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        if request.len() >= head + 4 + length.unwrap_or(0) {
            return Ok(());
        }
    }
}

fn request() -> Request {
    let parts = vec![Part::Text { text: "hi".into() }];
    Request::new("m", Prompt { system: None, items: vec![Item::User { parts }] })
}

async fn ask(options: &Options) -> Vec<Result<ModelOutput, Failure>> {
    let provider = connect(options, &|_| None, Clock::System).unwrap();
    provider.stream(request()).collect().await
}

fn text_of(outputs: &[Result<ModelOutput, Failure>]) -> String {
    let texts = outputs.iter().filter_map(|output| match output {
        Ok(ModelOutput::Delta { text, .. }) => Some(text.as_str()),
        Ok(_) | Err(_) => None,
    });
    texts.collect()
}

fn is_finished(outputs: &[Result<ModelOutput, Failure>]) -> bool {
    outputs.iter().any(|output| matches!(output, Ok(ModelOutput::Finished { .. })))
}

/// The failure that ended the answer. Nothing may follow it, and nothing may have been finished.
fn failure_of(outputs: &[Result<ModelOutput, Failure>]) -> &Failure {
    assert!(!is_finished(outputs), "{outputs:?}");
    match outputs.last() {
        Some(Err(failure)) => failure,
        other => panic!("expected a failure, found {other:?}"),
    }
}

fn assert_hello(outputs: &[Result<ModelOutput, Failure>]) {
    assert_eq!(text_of(outputs), "Hello", "{outputs:?}");
    let last = outputs.last().unwrap().as_ref().unwrap();
    assert!(matches!(last, ModelOutput::Finished { finish_reason: FinishReason::Stop, .. }), "{outputs:?}");
}

async fn decoded(kind: Kind, body: impl AsRef<[u8]>) -> Vec<Result<ModelOutput, Failure>> {
    let read = Ok::<_, std::io::Error>(Bytes::copy_from_slice(body.as_ref()));
    decode(kind, stream::iter([read])).collect().await
}

#[tokio::test]
async fn a_hang_before_the_first_byte_times_out_and_frees_the_connection() {
    for before in [vec![Does::Hangs], vec![sends(STREAM), Does::Hangs]] {
        let upstream = Upstream::start(vec![before]).await;
        let began = Instant::now();
        let outputs = ask(&Options { max_retries: 0, ..upstream.options(Kind::OpenaiChat) }).await;
        let failure = failure_of(&outputs);
        assert_eq!((failure.kind, outputs.len()), (FailureKind::Timeout, 1), "{failure:?}");
        assert_eq!(failure.problem().kind, "provider-timeout");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(upstream.ended.load(Ordering::SeqCst), 1, "the connection is given up");
    }
}

#[tokio::test]
async fn a_hang_before_the_first_byte_is_retried() {
    let upstream =
        Upstream::start(vec![vec![Does::Hangs], vec![sends(STREAM), sends(HELLO), sends(STOP)]]).await;
    assert_hello(&ask(&upstream.options(Kind::OpenaiChat)).await);
    assert_eq!(upstream.asked(), 2);
}

#[tokio::test]
async fn a_hang_in_the_middle_interrupts_and_is_never_retried() {
    let upstream = Upstream::start(vec![vec![sends(STREAM), sends(HELLO), Does::Hangs]]).await;
    let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
    assert_eq!((failure_of(&outputs).kind, text_of(&outputs).as_str()), (FailureKind::Broken, "Hello"));
    assert_eq!(failure_of(&outputs).problem().kind, "provider-interrupted");
    assert!(matches!(CallFailure::from(failure_of(&outputs).clone()), CallFailure::Broken { .. }));
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn a_dropped_stream_cancels_the_request() {
    let upstream = Upstream::start(vec![vec![sends(STREAM), sends(HELLO), Does::Hangs]]).await;
    let provider = connect(&upstream.options(Kind::OpenaiChat), &|_| None, Clock::System).unwrap();
    let mut answer = provider.stream(request());
    assert!(answer.next().await.unwrap().is_ok());
    drop(answer);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(upstream.ended.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn retry_after_is_kept_to_in_seconds_and_as_a_date() {
    let date = "Date: Sat, 21 Nov 2026 09:30:00 GMT\r\nRetry-After: Sat, 21 Nov 2026 09:30:01 GMT\r\n";
    for headers in ["Retry-After: 1\r\n", date] {
        let busy = answers("429 Too Many Requests", headers, r#"{"error":{"message":"slow down"}}"#);
        let upstream = Upstream::start(vec![busy, vec![sends(STREAM), sends(HELLO), sends(STOP)]]).await;
        let began = Instant::now();
        assert_hello(&ask(&upstream.options(Kind::OpenaiChat)).await);
        assert!(began.elapsed() >= Duration::from_secs(1), "{headers}: {:?}", began.elapsed());
        assert_eq!(upstream.asked(), 2);
    }
}

#[tokio::test]
async fn a_retry_after_past_the_deadline_fails_at_once() {
    let busy =
        answers("429 Too Many Requests", "Retry-After: 1000\r\n", r#"{"error":{"message":"slow down"}}"#);
    let upstream = Upstream::start(vec![busy]).await;
    let began = Instant::now();
    let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
    let failure = failure_of(&outputs);
    assert_eq!(failure.kind, FailureKind::RateLimited);
    assert_eq!((failure.status, failure.retry_after), (Some(429), Some(Duration::from_secs(1000))));
    assert_eq!((failure.problem().kind.as_str(), upstream.asked()), ("provider-rate-limited", 1));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn what_passes_is_retried_and_what_does_not_is_not() {
    for status in ["408 Late", "429 Busy", "500 Oops", "502 Bad", "503 Away", "504 Late", "529 Overloaded"] {
        let script = vec![answers(status, "", "{}"), vec![sends(STREAM), sends(HELLO), sends(STOP)]];
        let upstream = Upstream::start(script).await;
        assert_hello(&ask(&upstream.options(Kind::OpenaiChat)).await);
        assert_eq!(upstream.asked(), 2, "{status}");
    }
    for (status, kind) in [
        ("400 Bad Request", FailureKind::Refused),
        ("401 Unauthorized", FailureKind::Unauthorized),
        ("402 Pay", FailureKind::Refused),
        ("403 Forbidden", FailureKind::Unauthorized),
        ("404 Not Found", FailureKind::Refused),
        ("413 Too Large", FailureKind::ContextTooLong),
        ("302 Found", FailureKind::Refused),
    ] {
        let headers = "Location: http://127.0.0.1:1/elsewhere\r\n";
        let upstream = Upstream::start(vec![answers(status, headers, r#"{"error":{"message":"no"}}"#)]).await;
        let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
        assert_eq!((failure_of(&outputs).kind, upstream.asked()), (kind, 1), "{status}");
    }
}

#[tokio::test]
async fn retries_end() {
    let upstream = Upstream::start(vec![answers("529 Overloaded", "", "{}")]).await;
    let outputs = ask(&upstream.options(Kind::Anthropic)).await;
    assert_eq!((failure_of(&outputs).kind, upstream.asked()), (FailureKind::Overloaded, 3));
}

#[tokio::test]
async fn a_reset_before_anything_was_shown_is_retried() {
    for before in [vec![Does::Resets], vec![sends(STREAM), Does::Resets], vec![sends(STREAM)]] {
        let upstream = Upstream::start(vec![before, vec![sends(STREAM), sends(HELLO), sends(STOP)]]).await;
        assert_hello(&ask(&upstream.options(Kind::OpenaiChat)).await);
        assert_eq!(upstream.asked(), 2);
    }
}

#[tokio::test]
async fn only_one_opening_is_told_however_often_it_was_tried() {
    let opened =
        "data: {\"model\":\"first\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    let upstream = Upstream::start(vec![
        vec![sends(STREAM), sends(opened)],
        vec![sends(STREAM), sends(HELLO), sends(STOP)],
    ])
    .await;
    let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
    assert_hello(&outputs);
    let openings: Vec<_> =
        outputs.iter().filter(|output| matches!(output, Ok(ModelOutput::Opened { .. }))).collect();
    let expected = Ok(ModelOutput::Opened { model: Some("m".into()), response_id: None });
    assert_eq!(openings, [&expected]);
}

#[tokio::test]
async fn a_reset_in_the_middle_interrupts_and_is_never_retried() {
    let chunked = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let piece = format!("{:x}\r\n{HELLO}\r\n", HELLO.len());
    let pause = Does::Waits(Duration::from_millis(50));
    for script in [
        vec![sends(STREAM), sends(HELLO), pause, Does::Resets],
        // The end of the connection, not of the body.
        vec![sends(chunked), sends(piece)],
        vec![sends(STREAM), sends(HELLO)],
        vec![sends(STREAM), sends(HELLO), sends("data: [DONE]\n\n")],
    ] {
        let upstream = Upstream::start(vec![script]).await;
        let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
        assert_eq!((failure_of(&outputs).kind, text_of(&outputs).as_str()), (FailureKind::Broken, "Hello"));
        assert_eq!(upstream.asked(), 1);
    }
}

#[tokio::test]
async fn an_unreachable_provider_is_named_without_its_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut options = Options { max_retries: 1, ..Options::new(Kind::OpenaiChat) };
    options.base_url = Some(format!("http://{address}/v1"));
    options.query.insert("key".into(), KEY.into());
    let outputs = ask(&options).await;
    let failure = failure_of(&outputs);
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(failure.detail.starts_with("127.0.0.1: ") && !failure.detail.contains("canary"), "{failure}");
}

#[tokio::test]
async fn utf_8_may_be_cut_at_any_byte() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ü–日👋🏽\"}}]}\n\n";
    for at in 0..event.len() {
        let (first, second) = event.as_bytes().split_at(at);
        let reads = [first, second, STOP.as_bytes()];
        let reads = reads.map(|read| Ok::<_, std::io::Error>(Bytes::copy_from_slice(read)));
        let outputs: Vec<_> = decode(Kind::OpenaiChat, stream::iter(reads)).collect().await;
        assert_eq!((text_of(&outputs).as_str(), is_finished(&outputs)), ("ü–日👋🏽", true), "cut at {at}");
    }
    let upstream = Upstream::start(vec![vec![
        sends(STREAM),
        sends(&event.as_bytes()[..57]),
        Does::Waits(Duration::from_millis(60)),
        sends(&event.as_bytes()[57..]),
        sends(STOP),
    ]])
    .await;
    assert_eq!(text_of(&ask(&upstream.options(Kind::OpenaiChat)).await), "ü–日👋🏽");
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_interrupt() {
    let mut body = HELLO.as_bytes().to_vec();
    body.extend_from_slice(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n");
    body.extend_from_slice(STOP.as_bytes());
    let outputs = decoded(Kind::OpenaiChat, body).await;
    assert_eq!((failure_of(&outputs).kind, text_of(&outputs).as_str()), (FailureKind::Broken, "Hello"));
}

#[tokio::test]
async fn the_line_noise_of_event_streams_is_ignored() {
    let crlf = format!("{HELLO}{STOP}").replace('\n', "\r\n");
    for body in [
        crlf,
        format!("\u{feff}: OPENROUTER PROCESSING\n\n:\n\n{HELLO}: still here\n{STOP}"),
        format!("data\n\ndata:\n\nid: 7\nretry: 10\n\nevent: ping\ndata: {{}}\n\n{HELLO}\n\n\n{STOP}"),
        format!("{HELLO}{STOP}data: [DONE]\n\ndata: [DONE]\n\n{HELLO}data: nonsense\n\n"),
        format!("{HELLO}data:{{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}"),
        format!("event: message\n{HELLO}{STOP}"),
    ] {
        assert_hello(&decoded(Kind::OpenaiChat, &body).await);
        let upstream = Upstream::start(vec![vec![sends(STREAM), sends(&body)]]).await;
        assert_hello(&ask(&upstream.options(Kind::OpenaiChat)).await);
    }
}

#[tokio::test]
async fn an_error_object_in_the_stream_is_a_failure() {
    let error = "data: {\"error\":{\"message\":\"upstream fell over\",\"code\":502}}\n\n";
    let choice = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\",\"error\":{\"message\":\"upstream fell over\",\"code\":502}}]}\n\n";
    let event = "event: error\ndata: {\"message\":\"upstream fell over\"}\n\n";
    for error in [error, choice, event] {
        let upstream =
            Upstream::start(vec![vec![sends(STREAM), sends(HELLO), sends(error), sends(STOP)]]).await;
        let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
        let failure = failure_of(&outputs);
        assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Broken, "upstream fell over"));
        assert_eq!(upstream.asked(), 1);

        let script = vec![vec![sends(STREAM), sends(error)], vec![sends(STREAM), sends(HELLO), sends(STOP)]];
        let upstream = Upstream::start(script).await;
        assert_hello(&ask(&upstream.options(Kind::OpenaiChat)).await);
    }
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let outputs = decoded(Kind::Anthropic, overloaded).await;
    assert_eq!(
        (failure_of(&outputs).kind, failure_of(&outputs).is_retryable()),
        (FailureKind::Overloaded, true)
    );
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"sorry\"}}}\n\n";
    assert_eq!(failure_of(&decoded(Kind::OpenaiResponses, failed).await).kind, FailureKind::Overloaded);
    let error = "event: error\ndata: {\"type\":\"error\",\"code\":\"context_length_exceeded\",\"message\":\"too much\",\"param\":null}\n\n";
    assert_eq!(failure_of(&decoded(Kind::OpenaiResponses, error).await).kind, FailureKind::ContextTooLong);
    assert_eq!(
        failure_of(&decoded(Kind::Ollama, "{\"error\":\"out of memory\"}\n").await).detail,
        "out of memory"
    );
}

const MESSAGE_START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c\",\"usage\":{\"input_tokens\":1}}}\n\n";

fn anthropic_text(text: &str) -> String {
    format!(
        "data: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"\"}}}}\n\n\
         data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    )
}

#[tokio::test]
async fn a_second_message_start_interrupts() {
    let body = format!("{MESSAGE_START}{}{MESSAGE_START}", anthropic_text("Hello"));
    let outputs = decoded(Kind::Anthropic, body).await;
    assert_eq!((failure_of(&outputs).kind, text_of(&outputs).as_str()), (FailureKind::Broken, "Hello"));
    assert!(failure_of(&outputs).detail.contains("message_start"));
}

#[tokio::test]
async fn the_arguments_of_a_call_are_kept_as_they_were_written() {
    let call = |args: &str| {
        let args = serde_json::Value::from(args);
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"a\",\"function\":{{\"name\":\"f\",\"arguments\":{args}}}}}]}}}}]}}\n\n"
        )
    };
    for args in [r#"{"a": 1, "a": 2}"#, r#"{"a": "trunca"#, "", "not json", "{}"] {
        let body = format!("{}{}", call(args), STOP.replace("stop", "tool_calls"));
        let outputs = decoded(Kind::OpenaiChat, body).await;
        assert_eq!((text_of(&outputs).as_str(), is_finished(&outputs)), (args, true));
    }
    // Cut off, the call is never completed.
    let outputs = decoded(Kind::OpenaiChat, call(r#"{"a": "trunca"#)).await;
    assert!(!outputs.iter().any(|output| matches!(output, Ok(ModelOutput::PartCompleted { .. }))));
    assert_eq!(failure_of(&outputs).kind, FailureKind::Broken);
}

#[tokio::test]
async fn keys_given_twice_in_an_event_are_no_failure() {
    let body = HELLO.replace("\"content\":\"Hello\"", "\"content\":\"Hullo\",\"content\":\"Hello\"");
    assert_hello(&decoded(Kind::OpenaiChat, body + STOP).await);
}

#[tokio::test]
async fn a_document_that_is_no_json_interrupts() {
    for nonsense in ["data: {\"choices\":[\n\n", "data: hello\n\n", "data: 7\n\n"] {
        let outputs = decoded(Kind::OpenaiChat, format!("{HELLO}{nonsense}{STOP}")).await;
        assert_eq!((failure_of(&outputs).kind, text_of(&outputs).as_str()), (FailureKind::Broken, "Hello"));
    }
}

#[tokio::test]
async fn a_line_of_ten_megabytes_and_an_endless_one_are_given_up() {
    let long = format!("data: {{\"x\":\"{}\"}}\n\n", "x".repeat(10 << 20));
    for script in [
        vec![sends(STREAM), sends(HELLO), sends(&long), sends(STOP)],
        vec![sends(STREAM), sends(HELLO), Does::Repeats(vec![b'x'; 65_536], Duration::ZERO)],
        // Many lines, one event.
        vec![sends(STREAM), sends(HELLO), Does::Repeats(b"data: x\n".repeat(8_192), Duration::ZERO)],
    ] {
        let upstream = Upstream::start(vec![script]).await;
        let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
        assert_eq!((failure_of(&outputs).kind, text_of(&outputs).as_str()), (FailureKind::Broken, "Hello"));
        assert!(failure_of(&outputs).detail.contains("longer than"), "{:?}", failure_of(&outputs));
        let sent = upstream.sent.load(Ordering::SeqCst);
        assert!(sent < 24 << 20, "{sent} bytes were taken in");
    }
}

/// Endless answers of every sort: what is taken in, and so what is held, stays below the cap.
#[tokio::test]
async fn no_more_is_read_than_the_caps_allow() {
    let caps = Caps { event_bytes: 100_000, bytes: 1_000_000, events: 5_000, ..Caps::default() };
    for (kind, piece) in [
        (Kind::OpenaiChat, "x".repeat(1_000)),
        (Kind::OpenaiChat, "data: x\n".repeat(100)),
        (Kind::OpenaiChat, ": comment\n\n".repeat(100)),
        (Kind::OpenaiChat, "{\n".repeat(500)),
        (Kind::OpenaiChat, HELLO.to_owned()),
        (Kind::OpenaiChat, "\n".repeat(1_000)),
        (Kind::Ollama, "x".repeat(1_000)),
        (Kind::Ollama, "{\"message\":{\"content\":\"a\"}}\n".repeat(10)),
        (Kind::Anthropic, "event: ping\ndata: {\"type\":\"ping\"}\n\n".repeat(10)),
        (
            Kind::OpenaiResponses,
            "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n".to_owned(),
        ),
    ] {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let piece = Bytes::from(piece);
        let endless = stream::repeat_with(move || {
            counted.fetch_add(piece.len(), Ordering::SeqCst);
            Ok::<_, std::io::Error>(piece.clone())
        });
        let last = decode_within(kind, endless, caps)
            .filter(|output| std::future::ready(output.is_err()))
            .next()
            .await;
        assert_eq!(last.unwrap().unwrap_err().kind, FailureKind::Broken, "{kind}");
        let read = read.load(Ordering::SeqCst);
        assert!(read <= 1_010_000, "{kind}: {read} bytes were read");
    }
}

#[tokio::test]
async fn a_million_tiny_deltas_are_read_only_as_they_are_wanted() {
    let deltas = HELLO.repeat(500).into_bytes();
    let upstream = Upstream::start(vec![vec![sends(STREAM), Does::Repeats(deltas, Duration::ZERO)]]).await;
    let options = Options { max_events: 20_000, ..upstream.options(Kind::OpenaiChat) };
    let provider = connect(&options, &|_| None, Clock::System).unwrap();
    let mut answer = provider.stream(request());
    assert!(answer.next().await.unwrap().is_ok());
    // Nobody asks for more: what the upstream got rid of is what fits into the sockets' buffers.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let sent = upstream.sent.load(Ordering::SeqCst);
    assert!(sent < 16 << 20, "{sent} bytes were taken in");
    let rest: Vec<_> = answer.collect().await;
    assert!(failure_of(&rest).detail.contains("more than 20000 events"), "{:?}", failure_of(&rest));
}

#[tokio::test]
async fn one_byte_after_the_other_ends_by_the_total_time() {
    for bytes in ["x", ":\n"] {
        let drip = Does::Repeats(bytes.as_bytes().to_vec(), Duration::from_millis(20));
        let upstream = Upstream::start(vec![vec![sends(STREAM), sends(HELLO), drip]]).await;
        let options =
            Options { max_answer_time: Duration::from_millis(800), ..upstream.options(Kind::OpenaiChat) };
        let began = Instant::now();
        let outputs = ask(&options).await;
        assert!(failure_of(&outputs).detail.contains("longer than 800ms"), "{:?}", failure_of(&outputs));
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_does_not_wait_for_what_may_follow() {
    let finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let reads = [HELLO, finish].map(|read| Ok::<_, std::io::Error>(Bytes::from_static(read.as_bytes())));
    let began = tokio::time::Instant::now();
    let outputs: Vec<_> =
        decode(Kind::OpenaiChat, stream::iter(reads).chain(stream::pending())).collect().await;
    assert_hello(&outputs);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_only_while_someone_waits() {
    let reads = [HELLO, STOP].map(|read| Ok::<_, std::io::Error>(Bytes::from_static(read.as_bytes())));
    let mut answer = decode(Kind::OpenaiChat, stream::iter(reads));
    while let Some(output) = answer.next().await {
        assert!(output.is_ok(), "{output:?}");
        tokio::time::sleep(Duration::from_secs(90)).await;
    }
    let silent = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(HELLO.as_bytes()))])
        .chain(stream::pending());
    let began = tokio::time::Instant::now();
    let outputs: Vec<_> = decode(Kind::OpenaiChat, silent).collect().await;
    assert_eq!(failure_of(&outputs).kind, FailureKind::Broken);
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test]
async fn unknown_events_and_fields_are_passed_over() {
    let chat = format!(
        "event: new_thing\ndata: {{\"new\":[1,{{}}]}}\n\n{}{STOP}",
        HELLO.replace("\"delta\"", "\"new\":{\"deep\":[null]},\"delta\"")
    );
    assert_hello(&decoded(Kind::OpenaiChat, chat).await);

    let anthropic = format!(
        "{MESSAGE_START}event: new\ndata: {{\"type\":\"new_event\",\"index\":0}}\n\n{}\
         data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"new_delta\",\"x\":1}}}}\n\n\
         data: {{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{{\"type\":\"new_block\",\"x\":1}}}}\n\n\
         data: {{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{{\"type\":\"text_delta\",\"text\":\"hidden\"}}}}\n\n\
         data: {{\"type\":\"content_block_stop\",\"index\":1}}\n\n\
         data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{{\"output_tokens\":1,\"new\":{{}}}}}}\n\n\
         data: {{\"type\":\"message_stop\"}}\n\n",
        anthropic_text("Hello")
    );
    assert_hello(&decoded(Kind::Anthropic, anthropic).await);

    let responses = "data: {\"type\":\"response.new\",\"x\":1}\n\n\
         data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"new_call\",\"id\":\"x\"}}\n\n\
         data: {\"type\":\"response.new_call.delta\",\"output_index\":0,\"delta\":\"hidden\"}\n\n\
         data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"new_call\",\"id\":\"x\"}}\n\n\
         data: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"delta\":\"Hello\",\"new\":[]}\n\n\
         data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"new\":1}}\n\n";
    assert_hello(&decoded(Kind::OpenaiResponses, responses).await);

    let ollama = "{\"new\":1}\n{\"message\":{\"content\":\"Hello\",\"new\":[]}}\n\n{\"done\":true,\"done_reason\":\"stop\"}\n";
    assert_hello(&decoded(Kind::Ollama, ollama).await);
}

/// The key as it is, and as an address, a form and JSON would write it.
const ECHOES: &[&str] = &[
    "sk-live/canary+0123456789==",
    "SK-LIVE/CANARY+0123456789==",
    "sk-live%2Fcanary%2B0123456789%3D%3D",
    "sk-live%2fcanary%2b0123456789%3d%3d",
    "Bearer sk-live/canary+0123456789==",
    HEADER,
];

#[tokio::test]
async fn our_secrets_are_taken_out_of_what_the_provider_says() {
    for echo in ECHOES {
        let json = format!(
            r#"{{"error":{{"message":"no such key: {echo}, sorry","type":"{echo}","code":"{echo}"}}}}"#
        );
        let in_stream = format!("{STREAM}data: {json}\n\n");
        let text = format!("no such key: {echo}, sorry");
        let padded = format!("{}{echo}", " ".repeat(70_000 - echo.len() / 2));
        for script in [
            answers("401 Unauthorized", "", &json),
            answers("400 Bad Request", "", &text),
            answers("400 Bad Request", "", &padded),
            answers(&format!("401 {}", echo.replace(['\r', '\n'], "")), "", "{}"),
            vec![sends(in_stream)],
            vec![sends(STREAM), sends(HELLO), sends(format!("data: {json}\n\n"))],
            vec![sends(STREAM), sends(format!("data: {echo}\n\n"))],
            vec![sends(STREAM), sends(format!("data: \"{echo}\"\n\n"))],
        ] {
            let upstream = Upstream::start(vec![script]).await;
            let mut options = Options { max_retries: 0, ..upstream.options(Kind::OpenaiChat) };
            options.headers.insert("x-gateway".into(), HEADER.into());
            assert!(!format!("{options:?}").contains("canary"), "{options:?}");
            let outputs = ask(&options).await;
            let failure = failure_of(&outputs);
            let told = format!("{failure} {failure:?} {:?}", failure.problem()).to_lowercase();
            assert!(!told.contains("canary"), "{echo}: {told}");
        }
    }
}

#[tokio::test]
async fn an_endless_error_body_is_not_read_to_its_end() {
    let head = "HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 32_768, "n".repeat(32_768));
    let upstream =
        Upstream::start(vec![vec![sends(head), Does::Repeats(chunk.into_bytes(), Duration::ZERO)]]).await;
    let outputs = ask(&upstream.options(Kind::OpenaiChat)).await;
    let failure = failure_of(&outputs);
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.detail.len() < 1_000, "{}", failure.detail.len());
}
