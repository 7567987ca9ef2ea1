//! Sessions over QUIC: the adapter of `Sessions` and `Wire`. One UDP socket serves and dials. The only file that knows quinn's sessions.
use crate::authority::{Identity, Pin};
use crate::datagrams::{self, Datagrams, Socket};
use crate::error::LinkError;
use crate::limits::{
    CONNECT_MAX, DATAGRAM_BYTES_MAX, IDLE_MAX, KEEP_ALIVE, MEMBER_STREAMS_MAX, NODE_STREAMS_MAX, SESSION_WINDOW_BYTES,
    STREAM_WINDOW_BYTES,
};
use crate::peer::Peer;
use crate::reset::{self, ResetSecret};
use crate::runtime::Rt;
use crate::session::{Doing, Reader, Session, Wire, Writer};
use crate::sessions::{Knock, Sessions};
use crate::tls;
use quinn::{
    AsyncUdpSocket, ClientConfig, ConnectionError, EndpointConfig, MtuDiscoveryConfig, Runtime as _, ServerConfig,
    TransportConfig, VarInt,
};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;

/// A UDP socket and what we are on it. Cloning it clones the handle.
#[derive(Clone)]
pub struct Endpoint {
    quinn: quinn::Endpoint,
    client: ClientConfig,
}

/// A peer that has knocked; its handshake is not done.
pub struct Arriving {
    incoming: quinn::Incoming,
}

impl Endpoint {
    /// A member's: serves on `address` and dials from it.
    ///
    /// # Errors
    /// If the port is taken or the identity unusable.
    pub fn serve(address: SocketAddr, identity: &Identity, secret: ResetSecret) -> Result<Self, LinkError> {
        let bind = |why: std::io::Error| match why.kind() {
            std::io::ErrorKind::AddrInUse => LinkError::Taken { address: address.to_string() },
            _ => LinkError::Bind { address: address.to_string(), why: why.to_string() },
        };
        let socket = Rt.wrap_udp_socket(datagrams::udp(address).map_err(bind)?).map_err(bind)?;
        let provider = tls::provider();
        Self::made(socket, tls::client(identity, &provider)?, Some((server(identity, &provider)?, secret)))
    }

    /// A node's: dials, serves nobody, needs no open port.
    ///
    /// # Errors
    /// If no socket can be had or the identity is unusable.
    pub fn dial(identity: &Identity) -> Result<Self, LinkError> {
        Self::made(any_socket()?, tls::client(identity, &tls::provider())?, None)
    }

    /// That of a machine which holds nothing but a token with this pin.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn join(pin: Pin) -> Result<Self, LinkError> {
        Self::made(any_socket()?, tls::joining(pin)?, None)
    }

    /// One over another network than the machine's, with other cryptography: a member's if it has a secret for resets.
    ///
    /// # Errors
    /// If the identity is unusable.
    pub fn over(
        network: Arc<dyn Datagrams>,
        provider: &Arc<CryptoProvider>,
        identity: &Identity,
        secret: Option<ResetSecret>,
    ) -> Result<Self, LinkError> {
        let serving = secret.map(|secret| server(identity, provider).map(|server| (server, secret))).transpose()?;
        Self::made(Arc::new(Socket(network)), tls::client(identity, provider)?, serving)
    }

    /// One that can be dialled too if it is given with what and with which secret it ends the sessions of its lives before.
    fn made(
        socket: Arc<dyn AsyncUdpSocket>,
        crypto: quinn::crypto::rustls::QuicClientConfig,
        serving: Option<(ServerConfig, ResetSecret)>,
    ) -> Result<Self, LinkError> {
        let (server, mut config) = match serving {
            Some((server, secret)) => {
                let mut config = reset::endpoint(secret);
                let size = config.max_udp_payload_size(DATAGRAM_BYTES_MAX);
                let _ = size.map_err(|why| LinkError::Certificate(format!("no size of a datagram: {why}")))?;
                (Some(server), config)
            }
            None => (None, reset::endpoint(ResetSecret(seed()))),
        };
        let _: &mut EndpointConfig = config.rng_seed(Some(seed()));
        let bind = |why: std::io::Error| LinkError::Bind { address: "UDP".into(), why: why.to_string() };
        let quinn = quinn::Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(Rt)).map_err(bind)?;
        Ok(Self { quinn, client: client(crypto)? })
    }

    /// A session with the member at `address` (`host:port`).
    ///
    /// # Errors
    /// If nobody answers there in `CONNECT_MAX`, or who answers is no member of the cluster.
    pub async fn connect(&self, address: &str) -> Result<Session, LinkError> {
        if let Ok(socket) = address.parse() {
            return self.connect_to(socket).await;
        }
        let no_address = |why: std::io::Error| LinkError::Address { address: address.into(), why: why.to_string() };
        let found = tokio::net::lookup_host(address).await.map_err(no_address)?;
        let mut last = LinkError::Address { address: address.into(), why: "its host has no address".into() };
        for socket in found {
            match self.connect_to(socket).await {
                Ok(session) => return Ok(session),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr) -> Result<Session, LinkError> {
        let unreachable = |why: String| LinkError::Unreachable { address: address.to_string(), why };
        let connecting = self.quinn.connect_with(self.client.clone(), address, tls::member_name());
        let connecting = connecting.map_err(|why| unreachable(why.to_string()))?;
        let connection = match rt::timeout(CONNECT_MAX, connecting).await {
            None => return Err(unreachable(format!("no answer in {} seconds", CONNECT_MAX.as_secs()))),
            Some(Err(ConnectionError::TransportError(why))) => {
                return Err(LinkError::Stranger(format!(
                    "{address} has not proved to be a member of it ({})",
                    why.reason
                )));
            }
            Some(Err(why)) => return Err(unreachable(reason(&why))),
            Some(Ok(connection)) => connection,
        };
        session(connection, MEMBER_STREAMS_MAX)
    }

    /// The next peer that knocks; `None` when the endpoint is closed. Let another task finish its handshake.
    pub async fn accept(&self) -> Option<Arriving> {
        self.quinn.accept().await.map(|incoming| Arriving { incoming })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the socket is gone.
    pub fn local_address(&self) -> Result<SocketAddr, LinkError> {
        self.quinn.local_addr().map_err(|why| LinkError::Bind { address: "?".into(), why: why.to_string() })
    }

    /// Ends every session with `why`, and waits until the peers have been told.
    pub async fn close(&self, why: &str) {
        self.quinn.close(VarInt::from_u32(0), why.as_bytes());
        // A peer that is gone cannot be told: the wait has an end.
        let _ = rt::timeout(CONNECT_MAX, self.quinn.wait_idle()).await;
    }
}

impl Arriving {
    /// Finishes the handshake.
    ///
    /// # Errors
    /// If the peer goes away, or shows a certificate that is not of this cluster.
    pub async fn session(self) -> Result<Session, LinkError> {
        let address = self.incoming.remote_address();
        let unreachable = |why: String| LinkError::Unreachable { address: address.to_string(), why };
        match rt::timeout(CONNECT_MAX, self.incoming.into_future()).await {
            None => Err(unreachable("its handshake took too long".into())),
            Some(Err(ConnectionError::TransportError(why))) => {
                Err(LinkError::Stranger(format!("{address}: {}", why.reason)))
            }
            Some(Err(why)) => Err(unreachable(reason(&why))),
            Some(Ok(connection)) => session(connection, NODE_STREAMS_MAX),
        }
    }
}

impl Sessions for Endpoint {
    fn connect<'a>(&'a self, address: &'a str) -> Doing<'a, Result<Session, LinkError>> {
        Box::pin(self.connect(address))
    }

    fn accept(&self) -> Doing<'_, Option<Knock>> {
        Box::pin(async move { self.accept().await.map(|arriving| Box::pin(arriving.session()) as Knock) })
    }
}

fn session(connection: quinn::Connection, streams: u32) -> Result<Session, LinkError> {
    let shown = connection.peer_identity().and_then(|shown| shown.downcast::<Vec<CertificateDer<'static>>>().ok());
    let peer = match shown.as_deref().and_then(|chain| chain.first()) {
        None => Peer::Nobody,
        Some(certificate) => match Peer::of_certificate(certificate) {
            Ok(peer) => peer,
            Err(error) => {
                connection.close(VarInt::from_u32(1), error.to_string().as_bytes());
                return Err(error);
            }
        },
    };
    let streams = match peer {
        Peer::Nobody => 1,
        Peer::Node(_) => streams,
        Peer::Member(_) => MEMBER_STREAMS_MAX,
    };
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
    let remote = connection.remote_address().to_string();
    Ok(Session::new(peer, &remote, Arc::new(Quic(connection))))
}

struct Quic(quinn::Connection);

impl Wire for Quic {
    fn open(&self) -> Doing<'_, Result<(Writer, Reader), LinkError>> {
        Box::pin(async move {
            let (send, receive) = self.0.open_bi().await.map_err(ended)?;
            Ok((Box::new(send) as Writer, Box::new(receive) as Reader))
        })
    }

    fn accept(&self) -> Doing<'_, Result<(Writer, Reader), LinkError>> {
        Box::pin(async move {
            let (send, receive) = self.0.accept_bi().await.map_err(ended)?;
            Ok((Box::new(send) as Writer, Box::new(receive) as Reader))
        })
    }

    fn closed(&self) -> Doing<'_, LinkError> {
        Box::pin(async move { ended(self.0.closed().await) })
    }

    fn close(&self, why: &str) {
        self.0.close(VarInt::from_u32(0), why.as_bytes());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn ended(why: ConnectionError) -> LinkError {
    LinkError::Closed(reason(&why))
}

fn reason(why: &ConnectionError) -> String {
    match why {
        ConnectionError::ApplicationClosed(close) if !close.reason.is_empty() => {
            String::from_utf8_lossy(&close.reason).into_owned()
        }
        ConnectionError::TimedOut => format!("nothing was heard for {} seconds", IDLE_MAX.as_secs()),
        other => other.to_string(),
    }
}

fn any_socket() -> Result<Arc<dyn AsyncUdpSocket>, LinkError> {
    let bind = |why: std::io::Error| LinkError::Bind { address: "port 0".into(), why: why.to_string() };
    Rt.wrap_udp_socket(datagrams::any_udp().map_err(bind)?).map_err(bind)
}

/// Unpredictable bytes.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    seed.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&rt::random().to_le_bytes()));
    seed
}

fn server(identity: &Identity, provider: &Arc<CryptoProvider>) -> Result<ServerConfig, LinkError> {
    let mut config = ServerConfig::new(Arc::new(tls::server(identity, provider)?), Arc::new(reset::NoTokens));
    config.transport_config(Arc::new(transport(NODE_STREAMS_MAX, false)?));
    Ok(config)
}

fn client(crypto: quinn::crypto::rustls::QuicClientConfig) -> Result<ClientConfig, LinkError> {
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.initial_dst_cid_provider(Arc::new(reset::first_id));
    config.transport_config(Arc::new(transport(MEMBER_STREAMS_MAX, true)?));
    Ok(config)
}

/// Small windows: what an idle session costs is what bounds how many nodes one member can hold.
fn transport(streams: u32, keep_alive: bool) -> Result<TransportConfig, LinkError> {
    let mut config = TransportConfig::default();
    let idle = IDLE_MAX
        .try_into()
        .map_err(|why| LinkError::Certificate(format!("the idle limit is no QUIC number: {why}")))?;
    config.max_idle_timeout(Some(idle));
    config.keep_alive_interval(keep_alive.then_some(KEEP_ALIVE));
    config.max_concurrent_bidi_streams(VarInt::from_u32(streams));
    config.max_concurrent_uni_streams(VarInt::from_u32(0));
    config.stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES));
    config.receive_window(VarInt::from_u32(SESSION_WINDOW_BYTES));
    config.send_window(u64::from(SESSION_WINDOW_BYTES));
    config.datagram_receive_buffer_size(None);
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(DATAGRAM_BYTES_MAX);
    config.mtu_discovery_config(Some(discovery));
    Ok(config)
}
