//! What an idle connection costs. Measured on the whole process: run alone, with `--ignored`.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::app::TestApp;

const CONNECTIONS: usize = 1000;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Opens connections that send `hello` and wait to be caught up; returns what each one costs, and all of them.
fn cost(app: &TestApp, hello: &[u8]) -> (usize, Vec<TcpStream>) {
    let open = || {
        let mut socket = TcpStream::connect(app.address).unwrap();
        socket.write_all(hello).unwrap();
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        while !heard.contains("caught_up") {
            let count = socket.read(&mut buffer).unwrap();
            assert!(count > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        socket
    };
    // The first ones warm the allocator and the caches.
    let mut connections: Vec<_> = (0..100).map(|_| open()).collect();
    let before = resident();
    connections.extend((0..CONNECTIONS).map(|_| open()));
    ((resident() - before) / CONNECTIONS, connections)
}

#[ignore = "measures the whole process"]
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_costs_at_most_16_kib_and_a_socket_10() {
    let app = TestApp::demo().await;
    let at = app.conversation().await;
    app.talk(&at, "count to 3").await;
    let auth = format!("host: {}\r\nauthorization: Bearer {}", app.address, app.people.owner);
    let sse = format!("GET {at}/events?after=now HTTP/1.1\r\n{auth}\r\n\r\n");
    let mut ws = format!(
        "GET /v1/socket HTTP/1.1\r\n{auth}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes();
    let id = at.rsplit('/').next().unwrap();
    let subscribe =
        format!("{{\"op\":\"subscribe\",\"id\":1,\"conversation_id\":\"{id}\",\"after\":\"now\"}}");
    // A final text frame, masked with zeros.
    ws.extend([0x81, 0x80 | u8::try_from(subscribe.len()).unwrap(), 0, 0, 0, 0]);
    ws.extend(subscribe.as_bytes());
    // Both stay open: what the one frees would be given to the other.
    let ((ws, _sockets), (sse, _streams)) =
        tokio::task::block_in_place(|| (cost(&app, &ws), cost(&app, sse.as_bytes())));
    println!("an idle stream costs {sse} bytes, an idle socket {ws}");
    assert!(sse <= 16 * 1024, "{sse}");
    assert!(ws <= 10 * 1024, "{ws}");
}
