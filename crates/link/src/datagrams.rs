//! The port below QUIC: datagrams, which may be lost, doubled and overtaken. A machine's UDP socket is one adapter (`udp`), a pretended
//! network the other. It knows nothing of what the datagrams mean.
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::fmt::Debug;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One end of a network of datagrams.
pub trait Datagrams: Send + Sync + Debug + 'static {
    /// Where answers are sent to.
    fn address(&self) -> SocketAddr;
    /// Sends one datagram, without waiting. One that is too large for the network is lost like others.
    fn send(&self, to: SocketAddr, bytes: &[u8]);
    /// The next datagram that has come: its length, and who sent it.
    fn poll_receive(&self, context: &mut Context<'_>, into: &mut [u8]) -> Poll<(usize, SocketAddr)>;
}

/// What quinn takes for a socket.
#[derive(Debug)]
pub(crate) struct Socket(pub(crate) Arc<dyn Datagrams>);

#[derive(Debug)]
struct Writable;

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        self.0.send(transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        let (len, addr) = ready!(self.0.poll_receive(context, buffer));
        *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The machine's UDP socket at `address`.
pub(crate) fn udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind(address)
}

/// A UDP socket of the machine at a port that it chooses: one for both families where the machine has IPv6, else one for IPv4.
pub(crate) fn any_udp() -> io::Result<std::net::UdpSocket> {
    let both = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        socket.set_only_v6(false)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        Ok(socket.into())
    };
    both().or_else(|_: io::Error| udp((Ipv4Addr::UNSPECIFIED, 0).into()))
}
