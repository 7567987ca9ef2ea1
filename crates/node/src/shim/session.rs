//! One connection to the shim: what it is for, and its bytes in and out. It moves no bytes by itself.
use std::os::unix::net::UnixStream;

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
    Forward {
        peer: std::net::TcpStream,
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

    pub(super) fn say<T: serde::Serialize>(&mut self, value: &T) {
        if let Ok(mut line) = serde_json::to_vec(value) {
            line.push(b'\n');
            self.output.extend_from_slice(&line);
        }
    }
}
