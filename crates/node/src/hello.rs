//! The program of the built-in image: a page on port 8080 that names its pod and its node. One thread a connection is not
//! needed: it answers one after another, and is never the thing to be measured.
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

/// Serves until it is told to end. The port is `PORT` or 8080.
#[must_use]
pub fn main() -> i32 {
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = match TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port))) {
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
