//! Production's QUIC over a pretended network: link's endpoint with its library below it, datagrams that travel as packets of the simulated
//! network, cryptography whose random numbers are the world's. What is pretended ends at the datagram and at the random number.
mod cryptography;
mod identities;
mod sockets;

use crate::trace::Node;
pub use identities::Identities;
use link::error::LinkError;
use link::peer::Peer;
use link::quic::Endpoint;
pub use sockets::Sockets;
use std::net::SocketAddr;
use std::sync::Arc;

/// The ground of all QUIC endpoints of a site. Its exam is that of the other twin of sessions.
pub struct Quic {
    pub sockets: Sockets,
    pub identities: Identities,
}

impl Quic {
    /// What the process that runs on `node` now dials from as `peer`; a member is dialled there too. Call it within the world.
    ///
    /// # Errors
    /// If the peer cannot have a certificate.
    pub fn endpoint(&self, node: Node, peer: &Peer, address: SocketAddr) -> Result<Endpoint, LinkError> {
        let (identity, secret) = self.identities.of(peer)?;
        let socket = Arc::new(self.sockets.bind(node, address));
        Endpoint::over(socket, &cryptography::provider(), &identity, secret)
    }
}
