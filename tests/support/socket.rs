//! The WebSocket: many conversations over one connection.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::sse::{Heard, Over, cursor_in, heard};

pub struct Socket {
    stream: WebSocketStream<TcpStream>,
}

impl Socket {
    pub async fn connect(base: &str, key: &str) -> Result<Self, Error> {
        let address = base.trim_start_matches("http://");
        let mut request = format!("ws://{address}/v1/socket").into_client_request()?;
        let bearer = HeaderValue::try_from(format!("Bearer {key}")).expect("a key is ASCII");
        request.headers_mut().insert("authorization", bearer);
        let stream = TcpStream::connect(address).await?;
        // A frame must not wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        let (stream, _) = client_async(request, stream).await?;
        Ok(Self { stream })
    }

    pub async fn subscribe(
        &mut self,
        id: usize,
        conversation: &str,
        after: Option<&str>,
    ) -> Result<(), Over> {
        let mut frame = json!({"op": "subscribe", "id": id, "conversation_id": conversation});
        if let Some(after) = after {
            frame["after"] = after.into();
        }
        self.send(&frame).await
    }

    pub async fn send(&mut self, frame: &Value) -> Result<(), Over> {
        self.stream.send(Message::text(frame.to_string())).await.map_err(|_| Over::Broken)
    }

    /// What is said next, and about which subscription.
    pub async fn next(&mut self) -> Result<(usize, Heard), Over> {
        loop {
            let text = match self.stream.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_))) => return Err(Over::Ended),
                Some(Ok(other)) => panic!("an unexpected frame: {other:?}"),
                Some(Err(_)) | None => return Err(Over::Broken),
            };
            let frame: Value =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"));
            // What concerns the whole socket, such as the server's end, ends it.
            let Some(id) = frame["id"].as_u64() else {
                match frame["op"].as_str() {
                    Some("pong") => continue,
                    Some("problem") => return Err(Over::Ended),
                    _ => panic!("no id in {frame}"),
                }
            };
            return Ok((usize::try_from(id).expect("our own ids are small"), said(&frame)));
        }
    }
}

fn said(frame: &Value) -> Heard {
    match frame["op"].as_str() {
        Some("event") => {
            let event = frame["event"].clone();
            let name = event["type"].as_str().unwrap_or_else(|| panic!("no type in {frame}")).to_owned();
            heard(&name, Some(&cursor_in(frame)), event)
        }
        Some("caught_up") => Heard::CaughtUp { cursor: cursor_in(frame) },
        Some("resync") => Heard::Resync(frame.clone()),
        Some("problem") => Heard::Problem(frame["problem"].clone()),
        _ => panic!("an unknown frame: {frame}"),
    }
}
