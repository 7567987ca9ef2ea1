//! Bad input at the doors of members that run: wrong tokens, names, addresses and directories, another cluster's words, bytes that mean
//! nothing. A clear line each, the right exit code, no panic; and whoever is right is served as before.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
mod cluster;

use cluster::members::Members;
use cluster::{rutter, text};
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a line of words ends with: its exit code, and its last line.
fn told(dir: &Path, line: &str) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.arg("100").arg(rutter()).args(line.split_whitespace()).current_dir(dir);
    let output = command.env_remove("KUBECONFIG").stdin(Stdio::null()).output().expect("rutter runs");
    let said = text(&output.stderr);
    assert!(!said.contains("panicked"), "rutter {line}: {said}");
    (output.status.code(), said.trim_end().lines().last().unwrap_or_default().to_owned())
}

/// That it fails with one line that holds `wanted` and says what to do.
fn refused(dir: &Path, line: &str, wanted: &str) {
    let (code, said) = told(dir, line);
    assert_eq!(code, Some(1), "rutter {line}: {said}");
    assert!(said.starts_with("rutter: ") && said.contains("; ") && said.contains(wanted), "rutter {line}: {said}");
}

fn token(members: &Members, flags: &[&str]) -> String {
    let made = members.rutter("m1", &[&["token"], flags].concat());
    made["token"].as_str().expect("a token").to_owned()
}

/// Numbers that look like noise, the same each time.
fn noise(state: &mut u64) -> u8 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 56) as u8
}

/// Datagrams that mean nothing, and such that begin as QUIC does.
fn noise_on_link(address: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let mut state = 7;
    for number in 0..3_000_usize {
        let mut packet: Vec<u8> = (0..number % 1_400).map(|_| noise(&mut state)).collect();
        let heads: [&[u8]; 4] = [&[], &[0xc3, 0, 0, 0, 1, 8], &[0xe3, 0, 0, 0, 1, 20], &[0x43]];
        for (to, from) in packet.iter_mut().zip(heads[number % 4]) {
            *to = *from;
        }
        // A datagram may be lost; that is their nature.
        let _ = socket.send_to(&packet, address);
    }
}

/// Bytes that are no TLS, a greeting without more, and connections that say nothing.
fn noise_on_api(address: &str) {
    let mut state = 11;
    let mut silent = Vec::new();
    for number in 0..200_usize {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        match number % 4 {
            0 => silent.push(stream),
            1 => {
                // It may close while we speak.
                let _ = stream.write_all(b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n");
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer);
                assert!(!text(&answer).contains("NodeList"), "nothing is told without TLS");
            }
            _ => {
                let mut bytes: Vec<u8> = (0..number * 50).map(|_| noise(&mut state)).collect();
                for (to, from) in bytes.iter_mut().zip([0x16, 3, 1, 2, 0]) {
                    *to = from;
                }
                let _ = stream.write_all(&bytes);
            }
        }
    }
}

#[test]
fn who_may_not_come_in_is_told_why_and_nobody_else_notices() {
    let (mut ours, mut other) = (Members::new(18_250, &[]), Members::new(18_270, &[]));
    ours.found();
    other.begin("m1", &["--found"]);
    let dir = ours.dir.path().to_owned();
    let acknowledged = ours.create("m1", "a", 10, 100);
    let before = ours.agree("m1", 3);
    let (member, node, foreign) =
        (token(&ours, &["--role", "member"]), token(&ours, &["--role", "node"]), token(&other, &["--role", "member"]));
    let short = token(&ours, &["--role", "node", "--valid-seconds", "1"]);
    let join = |verb: &str, name: &str, token: &str| {
        let more = if verb == "control" { "--api 127.0.0.1:18258 --link 127.0.0.1:18358" } else { "" };
        format!("{verb} --name {name} --dir new --join 127.0.0.1:18351 --token {token} {more}")
    };
    let parts: Vec<&str> = member.split('.').collect();
    let changed = ["rutter", "member", "zzzzzz", parts[3], parts[4], parts[5]].join(".");

    // Tokens.
    refused(&dir, &join("control", "m4", &changed), "knows no token");
    refused(&dir, &join("control", "m4", &member[..member.len() - 4]), "its end is cut or changed");
    refused(&dir, &join("control", "m4", &node), "it is for a node, not for a member");
    refused(&dir, &join("node", "n1", &member), "it is for a member, not for a node");
    refused(&dir, &join("control", "m4", &node.replace("rutter.node", "rutter.member")), "knows no token");
    refused(&dir, &join("control", "m4", &foreign), "not of this cluster");
    refused(&dir, &join("node", "n1", "nonsense"), "rutter.ROLE.ID.SECRET.EXPIRY.PIN");
    std::thread::sleep(Duration::from_millis(2_500));
    refused(&dir, &join("node", "n1", &short), "expired");
    for seconds in ["0", "99999999999"] {
        let flags = format!("token --valid-seconds {seconds} --kubeconfig {}", ours.config("m1").display());
        refused(&dir, &flags, "a token holds for");
    }

    // Names and addresses.
    refused(&dir, &join("control", "m2", &member), "this cluster has a member m2");
    refused(&dir, &join("control", "M_4", &member), "M_4");
    refused(&dir, &join("node", "n_1", &node), "n_1");
    for (address, wanted) in
        [("127.0.0.1:1", "does not answer"), ("nowhere", "host:port"), ("no.such.host:1", "no.such.host")]
    {
        let line = join("control", "m4", &member).replace("127.0.0.1:18351", address);
        refused(&dir, &line, wanted);
    }
    let found = |link: &str, api: &str| format!("control --name m9 --dir ninth --found --link {link} --api {api}");
    refused(&dir, &found("127.0.0.1:18351", "127.0.0.1:18259"), "cannot listen on UDP");
    refused(&dir, &found("127.0.0.1:18359", "127.0.0.1:18251"), "127.0.0.1:18251");
    refused(&dir, &found("0.0.0.0:18359", "127.0.0.1:18259"), "--advertise-link");
    refused(&dir, &format!("{} --advertise-link x", found("127.0.0.1:18359", "127.0.0.1:18259")), "HOST:PORT");
    for verb in ["remove", "replace"] {
        let line = format!("member {verb} ../m1 --kubeconfig {}", ours.config("m1").display());
        refused(&dir, &line, "there is no member");
    }

    // Directories: in use, another's, of another cluster.
    let at = "--api 127.0.0.1:18258 --link 127.0.0.1:18358";
    refused(&dir, &format!("control --name m1 --dir m1 --found {at}"), "another process uses this directory");
    ours.stop("m2", false);
    let held = std::fs::read(ours.home("m2").join("identity.json")).expect("reads");
    refused(&dir, &format!("control --name m2 --dir m2 --found {at}"), "it cannot found another");
    refused(&dir, &format!("control --name m7 --dir m2 --found {at}"), "it belongs to member m2");
    let elsewhere = format!("control --name m2 --dir m2 --join 127.0.0.1:18371 --token {foreign} {at}");
    refused(&dir, &elsewhere, "the token is of another cluster");
    assert_eq!(std::fs::read(ours.home("m2").join("identity.json")).expect("reads"), held, "nothing was changed");

    // Bytes that mean nothing.
    noise_on_link("127.0.0.1:18351");
    noise_on_api("127.0.0.1:18251");
    assert!(!ours.said("m1").contains("panicked"), "{}", ours.said("m1"));

    // Whoever is right is served as before: the member goes on, a write is taken, a node comes in.
    ours.start("m2");
    ours.await_ready("m2");
    let now = ours.agree("m1", 3);
    assert!(now.0 >= before.0);
    let names = ours.names("m2");
    assert!(acknowledged.iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(ours.create("m2", "b", 10, 100).len(), 10);
    a_node_comes_in_once(&dir, &node, &foreign);
}

/// A node with the right token; its directory then is no other node's, no other cluster's, and not for two at once.
fn a_node_comes_in_once(dir: &Path, token: &str, foreign: &str) {
    let line = |name: &str, token: &str| {
        format!("node --name {name} --dir worker --join 127.0.0.1:18351 --token {token} --runtime process")
    };
    let mut command = Command::new(rutter());
    command.args(line("n1", token).split(' ')).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut agent = command.stderr(Stdio::null()).spawn().expect("it starts");
    let mut said = [0; 7];
    agent.stdout.as_mut().expect("it was piped").read_exact(&mut said).expect("it says that it runs");
    assert_eq!(&said, b"node n1");
    refused(dir, &line("n1", token), "in use by another agent");
    agent.kill().expect("it can be killed");
    agent.wait().expect("it ends");
    refused(dir, &line("n2", token), "is the directory of node n1");
    refused(dir, &line("n1", foreign), "the token is of another");
}
