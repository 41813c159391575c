//! The baseline: the same way from upstream to client in raw hyper, without a store, a format or a promise.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Serves until standard input ends; says its address first. `GET /<model>` is passed on as a model call.
pub fn run(upstream: &str) -> anyhow::Result<()> {
    let upstream: SocketAddr = upstream.parse()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        std::thread::spawn(crate::process::exit_with_stdin);
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(async move {
                let service = service_fn(move |request| pass_on(upstream, request));
                // Whoever breaks off, breaks off.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            });
        }
    })
}

async fn pass_on(upstream: SocketAddr, request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
    let socket = TcpStream::connect(upstream).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let model = request.uri().path().trim_start_matches('/');
    let body = Full::new(Bytes::from(format!(r#"{{"model":"{model}","stream":true,"messages":[]}}"#)));
    let call = Request::post("/v1/chat/completions").header("Host", "localhost").body(body)?;
    Ok(sender.send_request(call).await?)
}
