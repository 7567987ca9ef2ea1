//! The shim's one loop: waits on every pipe, socket and process of the pod at once, and moves bytes. It plans nothing.
use super::console;
use super::engine;
use super::log::Log;
use super::protocol::{
    self, CONTAINER_FILE, CONTAINERS, ContainerRecord, Engine, Reply, Request, STATE_FILE, SandboxRecord, StateRecord,
    frame, take_frame,
};
use super::session::{Purpose, Session};
use super::started::Started;
use crate::limits::{SHIM_REQUEST_MAX, STREAM_FRAME_MAX};
use crate::runtime::End;
use link::message::ExecExit;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Bytes that wait for a slow reader before its process is no longer read.
const PENDING_MAX: usize = 256 * 1024;
/// An attached reader that is this far behind is let go; a container never waits for one.
const ATTACH_PENDING_MAX: usize = 4 * 1024 * 1024;
/// Orphans are reaped at least this often, milliseconds.
const TICK: u16 = 1_000;

#[derive(Clone, Copy, Debug)]
enum Token {
    Listener,
    Session(u64),
    Peer(u64),
    Stdin(u64),
    Output(u64, bool),
    Exit,
}

enum Role {
    Container { record: Box<ContainerRecord>, dir: PathBuf, log: Log, started: u64 },
    Exec { session: u64 },
}

struct Child {
    role: Role,
    streams: Started,
    handle: Option<OwnedFd>,
    to_stdin: Vec<u8>,
    close_stdin: bool,
}

pub(super) struct Reactor {
    dir: PathBuf,
    record: SandboxRecord,
    listener: UnixListener,
    sessions: BTreeMap<u64, Session>,
    children: BTreeMap<u64, Child>,
    next: u64,
    ending: bool,
}

impl Reactor {
    pub(super) fn new(dir: PathBuf, record: SandboxRecord, listener: UnixListener) -> Self {
        Self { dir, record, listener, sessions: BTreeMap::new(), children: BTreeMap::new(), next: 1, ending: false }
    }

    /// Until the pod is ended.
    pub(super) fn run(mut self) -> Result<(), String> {
        loop {
            for (token, flags) in self.wait()? {
                self.turn(token, flags);
            }
            self.reap();
            self.answer();
            self.flush();
            if self.ending
                && self.children.is_empty()
                && self.sessions.values().all(|session| session.output.is_empty())
            {
                return Ok(());
            }
        }
    }

    fn wait(&self) -> Result<Vec<(Token, PollFlags)>, String> {
        let mut tokens = vec![Token::Listener];
        let mut fds = vec![PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        for (key, session) in &self.sessions {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, !session.ended && self.hungry(session));
            flags.set(PollFlags::POLLOUT, !session.output.is_empty());
            if !flags.is_empty() {
                tokens.push(Token::Session(*key));
                fds.push(PollFd::new(session.stream.as_fd(), flags));
            }
            if let Purpose::Connecting { peer, .. } = &session.purpose {
                tokens.push(Token::Peer(*key));
                fds.push(PollFd::new(peer.as_fd(), PollFlags::POLLOUT));
            }
            if let Purpose::Forward { peer, to_peer, peer_ended, .. } = &session.purpose {
                let mut flags = PollFlags::empty();
                flags.set(PollFlags::POLLIN, !peer_ended && session.output.len() < PENDING_MAX);
                flags.set(PollFlags::POLLOUT, !to_peer.is_empty());
                if !flags.is_empty() {
                    tokens.push(Token::Peer(*key));
                    fds.push(PollFd::new(peer.as_fd(), flags));
                }
            }
        }
        for (key, child) in &self.children {
            if let (Some(stdin), false) = (&child.streams.stdin, child.to_stdin.is_empty()) {
                tokens.push(Token::Stdin(*key));
                fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
            }
            let slow = matches!(child.role, Role::Exec { session } if self.sessions.get(&session).is_some_and(|s| s.output.len() >= PENDING_MAX));
            for (error, pipe) in [(false, &child.streams.stdout), (true, &child.streams.stderr)] {
                if let (Some(pipe), false) = (pipe, slow) {
                    let mut flags = PollFlags::POLLIN;
                    flags.set(PollFlags::POLLOUT, !error && child.streams.tty && !child.to_stdin.is_empty());
                    tokens.push(Token::Output(*key, error));
                    fds.push(PollFd::new(pipe.as_fd(), flags));
                }
            }
            if let Some(handle) = &child.handle {
                tokens.push(Token::Exit);
                fds.push(PollFd::new(handle.as_fd(), PollFlags::POLLIN));
            }
        }
        match poll(&mut fds, PollTimeout::from(TICK)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(why) => return Err(format!("waiting: {why}")),
        }
        let ready = tokens
            .into_iter()
            .zip(&fds)
            .filter_map(|(token, fd)| Some((token, fd.revents()?)).filter(|(_, flags)| !flags.is_empty()));
        Ok(ready.collect())
    }

    /// Whether there is room for more of the session's input.
    fn hungry(&self, session: &Session) -> bool {
        let room = |child: &u64| self.children.get(child).is_some_and(|child| child.to_stdin.len() < PENDING_MAX);
        match &session.purpose {
            Purpose::Exec { child } => room(child),
            Purpose::Attach { container, .. } => self.child_of(container).is_some_and(|child| room(&child)),
            Purpose::Connecting { .. } => session.input.len() < PENDING_MAX,
            Purpose::Forward { to_peer, .. } => to_peer.len() < PENDING_MAX,
            _ => true,
        }
    }

    fn turn(&mut self, token: Token, flags: PollFlags) {
        match token {
            Token::Listener => self.accept(),
            Token::Session(key) => self.read_session(key, flags),
            Token::Peer(key) => self.turn_peer(key),
            Token::Stdin(key) => self.write_stdin(key),
            Token::Output(key, error) => {
                if flags.contains(PollFlags::POLLOUT) {
                    self.write_stdin(key);
                }
                self.read_output(key, error);
            }
            Token::Exit => {}
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                self.sessions.insert(self.next, Session::new(stream));
                self.next += 1;
            }
        }
    }

    fn read_session(&mut self, key: u64, flags: PollFlags) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if flags.intersects(PollFlags::POLLERR) {
            session.broken = true;
        }
        let mut buffer = [0; 16 * 1024];
        match session.stream.read(&mut buffer) {
            Ok(0) => session.ended = true,
            Ok(count) => session.input.extend_from_slice(&buffer[..count]),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => session.broken = true,
        }
    }

    /// Acts on what sessions have said.
    fn answer(&mut self) {
        let keys: Vec<u64> = self.sessions.keys().copied().collect();
        for key in keys {
            let Some(mut session) = self.sessions.remove(&key) else { continue };
            match &mut session.purpose {
                Purpose::Asking => self.ask(key, &mut session),
                Purpose::Exec { child } => {
                    let child = *child;
                    self.channels(&mut session, child, true);
                }
                Purpose::Attach { container, stdin } => {
                    let (container, stdin) = (container.clone(), *stdin);
                    if let Some(child) = self.child_of(&container) {
                        self.channels(&mut session, child, stdin);
                    }
                }
                Purpose::Forward { to_peer, peer_ended, .. } => {
                    to_peer.append(&mut session.input);
                    if *peer_ended && session.output.is_empty() {
                        session.purpose = Purpose::Leaving;
                    }
                }
                Purpose::Connecting { until, port, .. } => {
                    if rt::now() >= *until {
                        let reply = Reply::Failed(format!("connecting to port {port} in the pod: nobody answers"));
                        session.purpose = Purpose::Leaving;
                        session.say(&reply);
                    }
                }
                Purpose::Events | Purpose::Leaving => session.input.clear(),
            }
            self.sessions.insert(key, session);
        }
        let gone = |session: &Session| match session.purpose {
            _ if session.broken => true,
            Purpose::Leaving => session.output.is_empty(),
            Purpose::Asking | Purpose::Events | Purpose::Attach { .. } | Purpose::Connecting { .. } => session.ended,
            Purpose::Exec { .. } | Purpose::Forward { .. } => false,
        };
        let leaving: Vec<u64> =
            self.sessions.iter().filter(|(_, session)| gone(session)).map(|(key, _)| *key).collect();
        for key in leaving {
            self.sessions.remove(&key);
            // An exec whose reader is gone has nobody to run for.
            for child in
                self.children.values().filter(|child| matches!(child.role, Role::Exec { session } if session == key))
            {
                let _ = nix::sys::signal::kill(Pid::from_raw(child.streams.pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
    }

    fn ask(&mut self, key: u64, session: &mut Session) {
        let Some(end) = session.input.iter().position(|byte| *byte == b'\n') else {
            session.broken |= session.input.len() > SHIM_REQUEST_MAX;
            return;
        };
        let rest = session.input.split_off(end + 1);
        let line = std::mem::replace(&mut session.input, rest);
        let reply = match serde_json::from_slice(&line) {
            Ok(Request::Forward { port }) => match session.connect(port) {
                // The reply follows when it is known.
                Ok(()) => return,
                Err(why) => Reply::Failed(why),
            },
            Ok(request) => self.request(key, session, request),
            Err(why) => Reply::Failed(format!("a request that cannot be read: {why}")),
        };
        session.say(&reply);
        let stays = matches!(session.purpose, Purpose::Exec { .. } | Purpose::Attach { .. } | Purpose::Events);
        if !stays && reply != Reply::Done {
            session.purpose = Purpose::Leaving;
        }
    }

    fn request(&mut self, key: u64, session: &mut Session, request: Request) -> Reply {
        match request {
            Request::Start { id } => self.start(&id),
            Request::Signal { id, signal } => self.signal(&id, signal),
            Request::Exec { id, exec } => {
                let Some((record, dir)) = self.running(&id) else {
                    return Reply::State(format!("container {id} does not run"));
                };
                match engine::exec(self.record.engine, &dir, &record, &exec) {
                    Ok(streams) => {
                        let child = self.adopt(Role::Exec { session: key }, streams);
                        session.purpose = Purpose::Exec { child };
                        Reply::Done
                    }
                    Err(why) => Reply::Failed(why),
                }
            }
            Request::Attach { id, stdin } => {
                if self.running(&id).is_none() {
                    return Reply::State(format!("container {id} does not run"));
                }
                session.purpose = Purpose::Attach { container: id, stdin };
                Reply::Done
            }
            Request::Forward { port } => Reply::Failed(format!("port {port} is connected to elsewhere")),
            Request::Events => {
                session.purpose = Purpose::Events;
                Reply::Done
            }
            Request::Discard { id } => {
                if self.running(&id).is_some() {
                    return Reply::State(format!("container {id} still runs"));
                }
                engine::discard(self.record.engine, &self.place(&id));
                Reply::Done
            }
            Request::End => {
                self.ending = true;
                for child in self.children.values() {
                    end(child.streams.pid, libc::SIGKILL, self.record.engine);
                }
                Reply::Done
            }
        }
    }

    fn place(&self, id: &str) -> PathBuf {
        self.dir.join(CONTAINERS).join(id)
    }

    fn child_of(&self, container: &str) -> Option<u64> {
        self.children
            .iter()
            .find(|(_, child)| matches!(&child.role, Role::Container { record, .. } if record.id == container))
            .map(|(key, _)| *key)
    }

    fn running(&self, id: &str) -> Option<(ContainerRecord, PathBuf)> {
        match &self.children.get(&self.child_of(id)?)?.role {
            Role::Container { record, dir, .. } => Some(((**record).clone(), dir.clone())),
            Role::Exec { .. } => None,
        }
    }

    fn start(&mut self, id: &str) -> Reply {
        let dir = self.place(id);
        if self.ending {
            return Reply::State("the pod is ending".into());
        }
        let record: ContainerRecord = match protocol::read_file(&dir.join(CONTAINER_FILE)) {
            Ok(record) => record,
            Err(why) => return Reply::NotFound(format!("container {id}: {why}")),
        };
        if dir.join(STATE_FILE).exists() {
            return Reply::State(format!("container {id} was started before"));
        }
        let started = rt::wall();
        let streams = Log::open(&record.log)
            .map_err(|why| format!("its log cannot be written: {why}"))
            .and_then(|log| engine::start(self.record.engine, &dir, &record).map(|streams| (log, streams)));
        match streams {
            Ok((log, streams)) => {
                let state = StateRecord { pid: streams.pid, ticks: protocol::ticks(streams.pid), started, end: None };
                let written = protocol::write_file(&dir.join(STATE_FILE), &state);
                self.adopt(Role::Container { record: Box::new(record), dir, log, started }, streams);
                self.changed(id);
                written
                    .map_or_else(|why| Reply::Failed(format!("keeping the container's state: {why}")), |()| Reply::Done)
            }
            Err(why) => {
                engine::ended(self.record.engine, &dir, &record);
                let end =
                    End { code: 128, signal: 0, reason: "StartError".into(), message: why.clone(), finished: started };
                let _ = protocol::write_file(
                    &dir.join(STATE_FILE),
                    &StateRecord { started, end: Some(end), ..StateRecord::default() },
                );
                self.changed(id);
                Reply::Failed(why)
            }
        }
    }

    fn signal(&self, id: &str, signal: i32) -> Reply {
        match self.child_of(id).and_then(|key| self.children.get(&key)) {
            Some(child) => {
                end(child.streams.pid, signal, self.record.engine);
                Reply::Done
            }
            None => Reply::State(format!("container {id} does not run")),
        }
    }

    fn adopt(&mut self, role: Role, streams: Started) -> u64 {
        for pipe in [&streams.stdin, &streams.stdout, &streams.stderr].into_iter().flatten() {
            let _ = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK));
        }
        let handle = handle(streams.pid);
        self.children.insert(self.next, Child { role, streams, handle, to_stdin: Vec::new(), close_stdin: false });
        self.next += 1;
        self.next - 1
    }

    /// Takes frames from a session to a process.
    fn channels(&mut self, session: &mut Session, key: u64, stdin: bool) {
        let Some(child) = self.children.get_mut(&key) else { return };
        loop {
            match take_frame(&mut session.input) {
                Ok(Some((0, bytes))) if stdin => child.to_stdin.extend_from_slice(&bytes),
                Ok(Some((4, bytes))) => {
                    if let (true, Some(master)) = (child.streams.tty, &child.streams.stdout) {
                        console::resize(master, &bytes);
                    }
                }
                Ok(Some((255, _))) if stdin => {
                    child.close_stdin |= matches!(child.role, Role::Exec { .. }) || once(child)
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    session.broken = true;
                    break;
                }
            }
        }
        child.close_stdin |= session.ended && stdin && (matches!(child.role, Role::Exec { .. }) || once(child));
        self.write_stdin(key);
    }

    fn write_stdin(&mut self, key: u64) {
        let Some(child) = self.children.get_mut(&key) else { return };
        let pipe = if child.streams.tty { &child.streams.stdout } else { &child.streams.stdin };
        if pipe.is_none() {
            // Nobody will ever read it.
            child.to_stdin.clear();
        }
        if let (Some(pipe), false) = (pipe, child.to_stdin.is_empty()) {
            match nix::unistd::write(pipe, &child.to_stdin) {
                Ok(count) => _ = child.to_stdin.drain(..count),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(_) => {
                    child.to_stdin.clear();
                    child.streams.stdin = None;
                }
            }
        }
        if child.close_stdin && child.to_stdin.is_empty() {
            child.streams.stdin = None;
        }
    }

    /// Reads once; how much, 0 if there is nothing more for now.
    fn read_output(&mut self, key: u64, error: bool) -> usize {
        let Some(child) = self.children.get_mut(&key) else { return 0 };
        let pipe = if error { &mut child.streams.stderr } else { &mut child.streams.stdout };
        let mut buffer = [0; STREAM_FRAME_MAX / 4];
        let count = match pipe.as_ref().map(|pipe| nix::unistd::read(pipe, &mut buffer)) {
            None | Some(Err(Errno::EAGAIN | Errno::EINTR)) => return 0,
            // EIO is how a terminal says that nobody holds its other end.
            Some(Ok(0) | Err(_)) => {
                *pipe = None;
                if let Role::Container { log, .. } = &mut child.role {
                    let _ = log.end(error);
                }
                return 0;
            }
            Some(Ok(count)) => count,
        };
        let channel = if error { 2 } else { 1 };
        let bytes = &buffer[..count];
        match &mut child.role {
            Role::Container { log, record, .. } => {
                // A full disk must not end the container; what cannot be written is lost.
                let _ = log.take(error, bytes);
                for session in self.sessions.values_mut() {
                    if matches!(&session.purpose, Purpose::Attach { container, .. } if *container == record.id) {
                        session.output.extend_from_slice(&frame(channel, bytes));
                        session.broken |= session.output.len() > ATTACH_PENDING_MAX;
                    }
                }
            }
            Role::Exec { session } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.output.extend_from_slice(&frame(channel, bytes));
                }
            }
        }
        count
    }

    /// Reads what an ended process left in its pipe: no more than the pipe holds, for what it started may write on for ever.
    fn drain(&mut self, key: u64, error: bool) {
        let streams = self.children.get(&key).map(|child| &child.streams);
        let pipe = streams.and_then(|streams| if error { streams.stderr.as_ref() } else { streams.stdout.as_ref() });
        let holds = pipe.and_then(|pipe| nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_GETPIPE_SZ).ok());
        // A terminal is no pipe; it holds less than a pipe does by default.
        let mut left = holds.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(64 * 1024);
        while left > 0 {
            match self.read_output(key, error) {
                0 => return,
                count => left = left.saturating_sub(count),
            }
        }
    }

    fn turn_peer(&mut self, key: u64) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.connected();
        let Purpose::Forward { peer, to_peer, peer_ended, .. } = &mut session.purpose else { return };
        let mut buffer = [0; 16 * 1024];
        match peer.read(&mut buffer) {
            Ok(0) => *peer_ended = true,
            Ok(count) => session.output.extend_from_slice(&buffer[..count]),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => *peer_ended = true,
        }
        match peer.write(to_peer) {
            Ok(count) => _ = to_peer.drain(..count),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => session.broken = true,
        }
    }

    /// Learns who has ended, and finishes with them.
    fn reap(&mut self) {
        loop {
            let (pid, code, signal) = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid, code, 0),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32, signal as i32),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            let Some(key) =
                self.children.iter().find(|(_, child)| child.streams.pid == pid.as_raw()).map(|(key, _)| *key)
            else {
                continue;
            };
            if matches!(self.children.get(&key), Some(Child { role: Role::Container { .. }, .. }))
                && self.record.engine == Engine::Process
            {
                // What the first process left of its session goes with it, as a PID namespace would see to.
                let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
            }
            self.drain(key, false);
            self.drain(key, true);
            if let Some(child) = self.children.remove(&key) {
                self.finish(child, code, signal);
            }
        }
    }

    fn finish(&mut self, child: Child, code: i32, signal: i32) {
        match child.role {
            Role::Exec { session } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    let exit = serde_json::to_vec(&ExecExit { code, error: String::new() }).unwrap_or_default();
                    session.output.extend_from_slice(&frame(3, &exit));
                    session.purpose = Purpose::Leaving;
                }
            }
            Role::Container { record, dir, mut log, started } => {
                let _ = log.end(false);
                let _ = log.end(true);
                let starved = engine::ended(self.record.engine, &dir, &record);
                let reason = if starved {
                    "OOMKilled"
                } else if code == 0 {
                    "Completed"
                } else {
                    "Error"
                };
                let end = End { code, signal, reason: reason.into(), message: String::new(), finished: rt::wall() };
                let _ = protocol::write_file(
                    &dir.join(STATE_FILE),
                    &StateRecord { started, end: Some(end), ..StateRecord::default() },
                );
                let exit = serde_json::to_vec(&ExecExit { code, error: String::new() }).unwrap_or_default();
                for session in self.sessions.values_mut() {
                    if matches!(&session.purpose, Purpose::Attach { container, .. } if *container == record.id) {
                        session.output.extend_from_slice(&frame(3, &exit));
                        session.purpose = Purpose::Leaving;
                    }
                }
                self.changed(&record.id);
            }
        }
    }

    fn changed(&mut self, id: &str) {
        for session in self.sessions.values_mut().filter(|session| matches!(session.purpose, Purpose::Events)) {
            session.say(&id);
        }
    }

    fn flush(&mut self) {
        for session in self.sessions.values_mut() {
            while !session.output.is_empty() {
                match session.stream.write(&session.output) {
                    Ok(count) => _ = session.output.drain(..count),
                    Err(why) if why.kind() == ErrorKind::Interrupted => {}
                    Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        session.broken = true;
                        session.output.clear();
                    }
                }
            }
            let ended = session.ended;
            if let Purpose::Forward { peer, to_peer, we_ended, .. } = &mut session.purpose {
                if !to_peer.is_empty() {
                    if let Ok(count) = peer.write(to_peer) {
                        to_peer.drain(..count);
                    }
                } else if ended && !*we_ended {
                    *we_ended = true;
                    let _ = peer.shutdown(std::net::Shutdown::Write);
                }
            }
        }
    }
}

fn once(child: &Child) -> bool {
    matches!(&child.role, Role::Container { record, .. } if record.spec.stdin_once)
}

/// A descriptor that becomes readable when the process ends; without one the tick finds out.
fn handle(pid: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes a pid and flags and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: the descriptor was just made for us alone.
    i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Signals a container's first process; of plain processes the whole session, for they have no namespace to fall with.
fn end(pid: i32, signal: i32, engine: Engine) {
    let Ok(signal) = nix::sys::signal::Signal::try_from(signal) else { return };
    let _ = match engine {
        Engine::Oci => nix::sys::signal::kill(Pid::from_raw(pid), signal),
        Engine::Process => nix::sys::signal::killpg(Pid::from_raw(pid), signal),
    };
}
