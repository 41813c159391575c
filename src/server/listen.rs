//! Accepts connections and serves HTTP/1.1 on them, with small buffers and bounds on what a client may hold.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::http::edge::{Addressed, Peer};
use crate::http::stall::{CutOff, STUCK_AFTER};

type Connection = UpgradeableConnection<TokioIo<CutOff<TcpStream>>, TowerToHyperService<Addressed<Router>>>;

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
        tokio::spawn(converse(
            connect(socket, Addressed { inner: router.clone(), peer: Peer(peer) }),
            stop.clone(),
            permit,
        ));
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS).expect("a few thousand");
    if tokio::time::timeout(CLOSES_WITHIN, connections.acquire_many(all)).await.is_err() {
        debug!("some connections were still open");
    }
}

/// One connection from its first byte to its last; at `stop` it finishes the request in flight and no more.
async fn converse(connection: Connection, stop: CancellationToken, permit: OwnedSemaphorePermit) {
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended");
    }
    drop(permit);
}

fn connect(socket: TcpStream, router: Addressed<Router>) -> Connection {
    // Small frames must leave at once; a socket that refuses this is about to fail anyway.
    let _ = socket.set_nodelay(true);
    let socket = TokioIo::new(CutOff::new(socket, STUCK_AFTER));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(BUFFER)
        .serve_connection(socket, TowerToHyperService::new(router))
        .with_upgrades()
}
