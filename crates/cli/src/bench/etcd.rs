//! The peer: three members of etcd from the package manager on loopback, fsync on, and a load of puts over gRPC.
//! It knows of etcd's API only what a put needs.
use super::measure::Measured;
use super::process;
use crate::failure::Failure;
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;

/// Three members that end when this is dropped.
pub(crate) struct Etcd {
    children: Vec<Child>,
    ports: Vec<u16>,
}

const MEMBERS: u16 = 3;
const NEXT: &str = "see that its ports are free (--etcd-port), then measure again";
const START_WAIT: Duration = Duration::from_secs(20);

impl Etcd {
    /// Starts them with their data below `dir`, on `port` and those that follow (two a member).
    pub(crate) async fn start(dir: &Path, port: u16) -> Result<Self, Failure> {
        let peer = |member: u16| format!("http://127.0.0.1:{}", port + 2 * member + 1);
        let cluster: Vec<String> = (0..MEMBERS).map(|member| format!("e{member}={}", peer(member))).collect();
        let mut etcd = Self { children: Vec::new(), ports: Vec::new() };
        for member in 0..MEMBERS {
            let client = format!("http://127.0.0.1:{}", port + 2 * member);
            let child = Command::new("etcd")
                .args(["--name", &format!("e{member}"), "--data-dir"])
                .arg(dir.join(format!("e{member}")))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer(member), "--initial-advertise-peer-urls", &peer(member)])
                .args([
                    "--initial-cluster",
                    &cluster.join(","),
                    "--initial-cluster-state",
                    "new",
                    "--log-level",
                    "error",
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|why| Failure::new(format!("etcd cannot be started: {why}"), "apt-get install etcd-server"))?;
            etcd.children.push(child);
            etcd.ports.push(port + 2 * member);
        }
        let started = rt::now();
        loop {
            if let Ok(mut client) = Client::connect(etcd.ports[0]).await
                && client.put(b"ready", b"").await.is_ok()
            {
                return Ok(etcd);
            }
            if rt::now().since(started) > START_WAIT {
                return Err(Failure::new(
                    "etcd did not elect a leader in time",
                    "see that its ports are free (--etcd-port)",
                ));
            }
            rt::sleep(Duration::from_millis(200)).await;
        }
    }

    fn pids(&self) -> Vec<u32> {
        self.children.iter().map(Child::id).collect()
    }

    /// The port of the member that leads, and the term.
    pub(crate) async fn leader(&self) -> Result<Option<(u16, String)>, Failure> {
        for port in &self.ports {
            let status = Client::status(*port).await?;
            let text = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            if !text("/leader").is_empty() && text("/leader") == text("/header/member_id") {
                return Ok(Some((*port, text("/raftTerm"))));
            }
        }
        Ok(None)
    }

    /// `clients` loops of puts of `size` bytes for `seconds`, each of a new key, all of the leader.
    pub(crate) async fn load(
        &self,
        leader: u16,
        clients: usize,
        size: usize,
        seconds: u64,
    ) -> Result<Measured, Failure> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Client::connect(leader).await?);
        }
        let (start, meter, salt) = (rt::now(), process::Meter::start(&self.pids()), rt::random());
        let end = start.after(Duration::from_secs(seconds));
        let loops = connections.into_iter().enumerate().map(|(number, mut client)| {
            rt::spawn("etcd client", async move { client.puts(&format!("{salt:x}-{number}"), size, end).await })
        });
        let mut whole = Measured::default();
        for each in loops.collect::<Vec<_>>() {
            whole.add(each.await.unwrap_or_default());
        }
        whole.elapsed_us = rt::now().since(start).as_micros() as u64;
        whole.cpu_us = meter.used_us();
        whole.checked("etcd")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Already gone is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// One gRPC connection.
struct Client {
    send: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Client {
    async fn connect(port: u16) -> Result<Self, Failure> {
        let authority = format!("127.0.0.1:{port}");
        let bad = |why: &dyn std::fmt::Display| Failure::new(format!("etcd at {authority}: {why}"), NEXT);
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.map_err(|why| bad(&why))?;
        tcp.set_nodelay(true).map_err(|why| bad(&why))?;
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await;
        let (send, connection) = handshake.map_err(|why| bad(&why))?;
        rt::spawn("etcd connection", async move {
            // Its end is seen by the request that waits on it.
            let _ = connection.await;
        });
        Ok(Self { send, authority })
    }

    /// The member's own account of itself, through its JSON gateway.
    async fn status(port: u16) -> Result<Value, Failure> {
        let bad = |why: &dyn std::fmt::Display| Failure::new(format!("etcd at 127.0.0.1:{port}: {why}"), NEXT);
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.map_err(|why| bad(&why))?;
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.map_err(|why| bad(&why))?;
        rt::spawn("etcd connection", async move {
            // Its end is seen by the request that waits on it.
            let _ = connection.await;
        });
        let request = Request::post("/v3/maintenance/status")
            .header("host", format!("127.0.0.1:{port}"))
            .body(Full::new(Bytes::from_static(b"{}")))
            .map_err(|why| bad(&why))?;
        let response = send.send_request(request).await.map_err(|why| bad(&why))?;
        let body = response.into_body().collect().await.map_err(|why| bad(&why))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|why| bad(&why))
    }

    async fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        let bad = |why: &dyn std::fmt::Display| Failure::new(format!("etcd put: {why}"), NEXT);
        let request = Request::post(format!("http://{}/etcdserverpb.KV/Put", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(put_request(key, value)))
            .map_err(|why| bad(&why))?;
        self.send.ready().await.map_err(|why| bad(&why))?;
        let response = self.send.send_request(request).await.map_err(|why| bad(&why))?;
        let headers = response.headers().clone();
        let body = response.into_body().collect().await.map_err(|why| bad(&why))?;
        let status =
            body.trailers().and_then(|trailers| trailers.get("grpc-status")).or_else(|| headers.get("grpc-status"));
        match status {
            Some(status) if status == "0" => Ok(()),
            status => Err(bad(&format!("grpc-status {status:?}"))),
        }
    }

    async fn puts(&mut self, salt: &str, size: usize, end: rt::Instant) -> Measured {
        let value = vec![b'x'; size];
        let mut measured = Measured::default();
        let mut turn = 0_u64;
        while rt::now() < end {
            let asked = rt::now();
            turn += 1;
            match self.put(format!("bench/{salt}/{turn}").as_bytes(), &value).await {
                Ok(()) => measured.latencies_us.push(rt::now().since(asked).as_micros() as u64),
                Err(why) => {
                    measured.errors += 1;
                    measured.error.get_or_insert(why.what);
                }
            }
        }
        measured
    }
}

/// `etcdserverpb.PutRequest {1: key, 2: value}` in a gRPC frame (uncompressed flag, length).
fn put_request(key: &[u8], value: &[u8]) -> Bytes {
    let mut message = BytesMut::new();
    for (tag, field) in [(0x0a, key), (0x12, value)] {
        message.put_u8(tag);
        let mut length = field.len();
        while length >= 0x80 {
            message.put_u8((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(field);
    }
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put(message);
    frame.freeze()
}
