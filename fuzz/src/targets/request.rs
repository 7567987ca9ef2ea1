//! Whole requests, as HTTP/1 writes them, to an API server in this process: `METHOD PATH`, headers, an empty line, the body. It
//! answers each, and never with a defect of its own.
use apiserver::identity::User;
use apiserver::request::{Content, Pieces, Request};
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::cell::RefCell;

/// Requests to one server; then another begins, so that what one leaves behind stays small.
const REQUESTS_MAX: usize = 512;
/// Pieces that are read of one stream.
const PIECES_MAX: usize = 64;

struct World {
    runtime: tokio::runtime::Runtime,
    server: ApiServer,
    requests: usize,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

pub fn run(bytes: &[u8]) {
    let Some(request) = read(bytes) else { return };
    WORLD.with_borrow_mut(|kept| {
        if kept.as_ref().is_some_and(|world| world.requests >= REQUESTS_MAX) {
            *kept = None;
        }
        let world = kept.get_or_insert_with(begin);
        world.requests += 1;
        world.runtime.block_on(answered(&world.server, request));
    });
}

fn begin() -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let server = ApiServer::new(Parts::new(consensus::Member::alone()));
    runtime.block_on(apiserver::founding::found(&server, 6443)).expect("a cluster is founded");
    World { runtime, server, requests: 0 }
}

fn read(bytes: &[u8]) -> Option<Request> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, tail) = rest.split_at(end);
        rest = &tail[1..];
        std::str::from_utf8(line).ok()
    };
    let (method, path) = line()?.split_once(' ')?;
    let (method, uri) = (method.parse().ok()?, path.parse().ok()?);
    let mut headers = HeaderMap::new();
    while let Some(header) = line().filter(|line| !line.is_empty()) {
        let (name, value) = header.split_once(": ")?;
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    let user = (!headers.contains_key("x-nobody")).then(|| User::new("admin", &["system:masters"]));
    Some(Request { method, uri, headers, body: Bytes::copy_from_slice(rest), user, from: None })
}

async fn answered(server: &ApiServer, request: Request) {
    let (method, uri) = (request.method.clone(), request.uri.clone());
    let response = server.handle(request).await;
    let code = response.code.as_u16();
    match response.content {
        Content::Whole(bytes) => {
            let told = String::from_utf8_lossy(&bytes);
            assert!(!told.contains("met a defect"), "{method} {uri}: {told}");
            let json = response.headers.get("content-type").is_some_and(|kind| kind == "application/json");
            if json && !(300..400).contains(&code) {
                serde_json::from_slice::<serde_json::Value>(&bytes)
                    .unwrap_or_else(|why| panic!("{uri}: {why}: {told}"));
            }
        }
        Content::Pieces(pieces) => drop(some(pieces).await),
        Content::Upgrade(_) => {}
    }
}

/// What comes of a stream without waiting for the world to change.
async fn some(mut pieces: Pieces) -> usize {
    let mut size = 0;
    for _ in 0..PIECES_MAX {
        match pieces.next().now_or_never() {
            Some(Some(piece)) => size += piece.len(),
            _ => break,
        }
    }
    size
}
