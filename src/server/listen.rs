//! Accepts connections and serves HTTP/1.1 on them, with small buffers and bounds on what a client may hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Connections at a time. Past it, new ones wait in the kernel's queue.
const CONNECTIONS: usize = 50_000;

/// A client that has not sent its headers by then is cut off.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Also the most that the headers of a request may take. hyper's least.
const BUFFER: usize = 8 * 1024;

/// Between two tries to accept where the process is out of file descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The open connections end on their own, or when the process does.
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// Serves until `stop`, then lets requests in flight finish.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = connections.clone().acquire_owned().await.expect("the semaphore is never closed");
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                continue;
            }
        };
        let connection = graceful.watch(connect(socket, peer, router.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(CLOSES_WITHIN, graceful.shutdown()).await.is_err() {
        debug!("some connections were still open");
    }
}

fn connect(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Small frames must leave at once; a socket that refuses this is about to fail anyway.
    let _ = socket.set_nodelay(true);
    let router = router.layer(axum::Extension(ConnectInfo(peer)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
        .with_upgrades()
}
