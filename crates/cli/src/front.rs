//! The one address that a kubeconfig names on this machine: carries each TCP connection to a member that answers. It sees no plain text.
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// How long a member has to accept before the next is tried.
const CONNECT_WAIT: Duration = Duration::from_millis(500);
/// How long a new connection waits for any member at all.
const ROUNDS: u32 = 20;

/// Accepts for ever. A member is preferred until it refuses, so that a client's requests stay on one view.
pub(crate) async fn serve(listener: TcpListener, members: Vec<SocketAddr>) {
    let members: Arc<[SocketAddr]> = members.into();
    let preferred = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((client, _)) = listener.accept().await else {
            rt::sleep(CONNECT_WAIT).await;
            continue;
        };
        let (members, preferred) = (members.clone(), preferred.clone());
        rt::spawn("front connection", async move { carry(client, &members, &preferred).await });
    }
}

async fn carry(mut client: TcpStream, members: &[SocketAddr], preferred: &AtomicUsize) {
    for _ in 0..ROUNDS {
        let first = preferred.load(Ordering::Relaxed);
        for turn in 0..members.len() {
            let at = (first + turn) % members.len();
            if let Some(Ok(mut member)) = rt::timeout(CONNECT_WAIT, TcpStream::connect(members[at])).await {
                preferred.store(at, Ordering::Relaxed);
                // Nagle's delay helps nobody here, and the end of either side is the end of both.
                let _ = (client.set_nodelay(true), member.set_nodelay(true));
                let _ = copy_bidirectional(&mut client, &mut member).await;
                return;
            }
        }
        rt::sleep(CONNECT_WAIT).await;
    }
}
