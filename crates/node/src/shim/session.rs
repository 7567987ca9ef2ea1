//! One connection to the shim: what it is for, and its bytes in and out. It moves no bytes by itself.
use super::protocol::Reply;
use crate::limits::FORWARD_CONNECT_WAIT;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(super) enum Purpose {
    /// Has not yet said what it wants.
    Asking,
    Exec {
        child: u64,
    },
    Attach {
        container: String,
        stdin: bool,
    },
    Events,
    /// A connection that is not there yet; the reply waits for it.
    Connecting {
        peer: TcpStream,
        port: u16,
        until: rt::Instant,
    },
    Forward {
        peer: TcpStream,
        to_peer: Vec<u8>,
        peer_ended: bool,
        we_ended: bool,
    },
    /// Goes when what is still to be written has been.
    Leaving,
}

pub(super) struct Session {
    pub(super) stream: UnixStream,
    pub(super) purpose: Purpose,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// Its sending side has ended.
    pub(super) ended: bool,
    pub(super) broken: bool,
}

impl Session {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, purpose: Purpose::Asking, input: Vec::new(), output: Vec::new(), ended: false, broken: false }
    }

    /// Begins to connect to a port of the pod. The shim has one thread: it never waits for anybody's accept.
    pub(super) fn connect(&mut self, port: u16) -> Result<(), String> {
        let words = |why: Errno| format!("connecting to port {port} in the pod: {why}");
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let peer = socket(AddressFamily::Inet, SockType::Stream, flags, None).map_err(words)?;
        match connect(peer.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(why) => return Err(words(why)),
        }
        let until = rt::now().after(Duration::from_millis(FORWARD_CONNECT_WAIT));
        self.purpose = Purpose::Connecting { peer: peer.into(), port, until };
        Ok(())
    }

    /// The kernel has an answer to `connect`: says so.
    pub(super) fn connected(&mut self) {
        match std::mem::replace(&mut self.purpose, Purpose::Leaving) {
            Purpose::Connecting { peer, port, .. } => match peer.take_error() {
                Ok(None) => {
                    self.purpose = Purpose::Forward { peer, to_peer: Vec::new(), peer_ended: false, we_ended: false };
                    self.say(&Reply::Done);
                }
                Ok(Some(why)) | Err(why) => {
                    self.say(&Reply::Failed(format!("connecting to port {port} in the pod: {why}")));
                }
            },
            other => self.purpose = other,
        }
    }

    pub(super) fn say<T: serde::Serialize>(&mut self, value: &T) {
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            self.output.extend_from_slice(&line);
        }
    }
}
