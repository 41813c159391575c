//! Tells systemd how far the server is (`Type=notify`, sd_notify(3)). Nobody else sets `NOTIFY_SOCKET`.

use std::io;
use std::os::unix::net::UnixDatagram;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Ready,
    Stopping,
}

impl Stage {
    pub fn tell(self) {
        let Some(socket) = std::env::var("NOTIFY_SOCKET").ok().filter(|socket| !socket.is_empty()) else {
            return;
        };
        let state = match self {
            Self::Ready => "READY=1",
            Self::Stopping => "STOPPING=1",
        };
        if let Err(error) = send(&socket, state) {
            tracing::warn!(%error, "systemd could not be told {state}");
        }
    }
}

fn send(socket: &str, state: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return sender.send_to_addr(state.as_bytes(), &address).map(drop);
    }
    sender.send_to(state.as_bytes(), socket).map(drop)
}
