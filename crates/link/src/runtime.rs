//! What quinn runs on: tasks, timers and the clock of `rt`, the machine's sockets. It knows nothing of sessions.
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Rt;

#[derive(Debug)]
struct Timer(rt::Sleep);

impl Runtime for Rt {
    fn new_timer(&self, when: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(Timer(rt::sleep_until(rt::from_std(when))))
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        rt::spawn("quic", future);
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> std::io::Result<Arc<dyn AsyncUdpSocket>> {
        let _ = tokio::runtime::Handle::try_current().map_err(std::io::Error::other)?;
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        rt::to_std(rt::now())
    }
}

impl AsyncTimer for Timer {
    fn reset(mut self: Pin<&mut Self>, when: Instant) {
        self.0.reset(rt::from_std(when));
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}
