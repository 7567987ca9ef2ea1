//! The program of the built-in image: a page on port 8080 that names its pod and its node. One thread a connection is not
//! needed: it answers one after another, and is never the thing to be measured.
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, bind, setsockopt, socket,
    sockopt,
};
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Serves until it is told to end. The port is `PORT` or 8080.
#[must_use]
pub fn main() -> i32 {
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = match listen(port) {
        Ok(listener) => listener,
        Err(why) => {
            eprintln!("port {port}: {why}; set PORT to another one");
            return 1;
        }
    };
    end_on_signal();
    let pod = read("POD_NAME").or_else(|| read("HOSTNAME")).or_else(hostname).unwrap_or_default();
    let node = read("NODE_NAME").unwrap_or_default();
    println!("hello from pod {pod} on node {node}, port {port}");
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16 * 1024 {
            match stream.read(&mut buffer) {
                Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        let line =
            String::from_utf8_lossy(request.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
        println!("{line}");
        let page = page(&pod, &node);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            page.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(page.as_bytes()));
    }
    0
}

/// On every address. Where pods have no network of their own, those of one Deployment share the port.
fn listen(port: u16) -> std::io::Result<TcpListener> {
    let any: [(AddressFamily, Box<dyn SockaddrLike>); 2] = [
        (AddressFamily::Inet6, Box::new(SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)))),
        (AddressFamily::Inet, Box::new(SockaddrIn::new(0, 0, 0, 0, port))),
    ];
    let mut last = std::io::Error::other("no address");
    for (family, address) in any {
        match listen_on(family, &*address) {
            Ok(listener) => return Ok(listener),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn listen_on(family: AddressFamily, address: &dyn SockaddrLike) -> std::io::Result<TcpListener> {
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    setsockopt(&socket, sockopt::ReusePort, &true)?;
    bind(socket.as_raw_fd(), address)?;
    nix::sys::socket::listen(&socket, Backlog::MAXCONN)?;
    Ok(TcpListener::from(socket))
}

fn page(pod: &str, node: &str) -> String {
    let place = if node.is_empty() { String::new() } else { format!(" on node {node}") };
    format!("Hello from pod {pod}{place}.\n")
}

fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn hostname() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

/// As process 1 of its namespace it would not hear SIGTERM without a handler.
fn end_on_signal() {
    extern "C" fn leave(_: i32) {
        // SAFETY: _exit is async-signal-safe.
        unsafe { nix::libc::_exit(0) }
    }
    for signal in [nix::sys::signal::Signal::SIGTERM, nix::sys::signal::Signal::SIGINT] {
        // SAFETY: the handler calls only _exit.
        let _ = unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::Handler(leave)) };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_names_pod_and_node() {
        assert_eq!(super::page("p", "n"), "Hello from pod p on node n.\n");
        assert_eq!(super::page("p", ""), "Hello from pod p.\n");
    }
}
