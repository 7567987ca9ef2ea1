//! Asks a container: probes and lifecycle hooks, by HTTP, gRPC, TCP or a command in it. It judges nothing beyond one answer.
mod grpc;
mod https;

use crate::limits::PROBE_BODY_MAX;
use crate::pod::spec::{Container, Handler, HttpGet, Probe};
use crate::runtime::collect::collect;
use crate::runtime::{ExecSpec, Runtime};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Asks once. `Ok`: it passed; `Err`: what the container answered instead.
///
/// # Errors
/// In words that are shown to people.
pub(crate) async fn ask(
    runtime: &dyn Runtime,
    container: &Container,
    id: &str,
    ip: &str,
    probe: &Probe,
    patience: u64,
) -> Result<(), String> {
    let asking = async {
        match &probe.grpc {
            Some(asked) => grpc::ask(ip, asked.port, &asked.service).await,
            None => handle(runtime, container, id, ip, &probe.handler).await,
        }
    };
    match rt::timeout(Duration::from_millis(patience), asking).await {
        Some(answer) => answer,
        None => Err(format!("no answer within {} s", patience / 1_000)),
    }
}

/// Does what a handler says: a hook or a probe.
///
/// # Errors
/// In words.
pub(crate) async fn handle(
    runtime: &dyn Runtime,
    container: &Container,
    id: &str,
    ip: &str,
    handler: &Handler,
) -> Result<(), String> {
    if let Some(exec) = &handler.exec {
        let spec = ExecSpec { command: exec.command.clone(), stdin: false, tty: false };
        let stream = runtime.exec(id, spec).await.map_err(|why| why.to_string())?;
        let done = collect(stream).await?;
        if done.code == 0 {
            return Ok(());
        }
        let said = if done.stdout.is_empty() { &done.stderr } else { &done.stdout };
        return Err(format!("command exited with {}: {}", done.code, String::from_utf8_lossy(said).trim()));
    }
    if let Some(get) = &handler.http_get {
        let port = get.port.resolve(container).ok_or("the probe's port is not one of the container's")?;
        return http(get, if get.host.is_empty() { ip } else { &get.host }, port).await;
    }
    if let Some(socket) = &handler.tcp_socket {
        let port = socket.port.resolve(container).ok_or("the probe's port is not one of the container's")?;
        let host = if socket.host.is_empty() { ip } else { &socket.host };
        return TcpStream::connect((host, port))
            .await
            .map(drop)
            .map_err(|why| format!("dial tcp {host}:{port}: {why}"));
    }
    if let Some(sleep) = &handler.sleep {
        rt::sleep(Duration::from_secs(sleep.seconds)).await;
    }
    Ok(())
}

async fn http(get: &HttpGet, host: &str, port: u16) -> Result<(), String> {
    let path = if get.path.starts_with('/') { get.path.clone() } else { format!("/{}", get.path) };
    let scheme = if get.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
    let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("{scheme}://{shown}:{port}{path}");
    let wrong = |why: &dyn std::fmt::Display| format!("Get \"{url}\": {why}");
    let stream = TcpStream::connect((host, port)).await.map_err(|why| wrong(&why))?;
    let request = request(get, path, &format!("{shown}:{port}")).map_err(|why| wrong(&why))?;
    let code = if scheme == "https" {
        exchange(https::shake(host, stream).await.map_err(|why| wrong(&why))?, request).await
    } else {
        exchange(stream, request).await
    };
    match code.map_err(|why| wrong(&why))? {
        200..=399 => Ok(()),
        code => Err(format!("HTTP probe failed with statuscode: {code}")),
    }
}

fn request(get: &HttpGet, path: String, authority: &str) -> Result<Request, hyper::http::Error> {
    let mut request = hyper::Request::get(path).header("user-agent", "kube-probe/1.35").header("accept", "*/*");
    if !get.http_headers.iter().any(|header| header.name.eq_ignore_ascii_case("host")) {
        request = request.header("host", authority);
    }
    for header in &get.http_headers {
        request = request.header(&header.name, &header.value);
    }
    request.body(Empty::new())
}

type Request = hyper::Request<Empty<Bytes>>;

/// The status that the request is answered with.
async fn exchange<S>(stream: S, request: Request) -> Result<u16, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the request that waits on it.
    drop(rt::spawn("probe", connection));
    let response = send.send_request(request).await?;
    let code = response.status().as_u16();
    // Read so that the server is not cut off in the middle; more than that nobody needs.
    let _ = Limited::new(response.into_body(), PROBE_BODY_MAX).collect().await;
    Ok(code)
}
