//! How a member that was killed and started again ends the sessions of its life before: with QUIC's stateless reset (RFC 9000,
//! section 10.3), signed by a secret that outlives the process. Without it the others send into the void until the idle limit.
use quinn::crypto::{AeadKey, CryptoError, HandshakeTokenKey, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a signature; QUIC takes the first sixteen.
const SIGNATURE_BYTES: usize = 32;

/// A member's secret for resets: the same at every start, and nobody else's.
#[derive(Clone, Copy)]
pub struct ResetSecret(pub(crate) [u8; SIGNATURE_BYTES]);

struct Signer([u8; SIGNATURE_BYTES]);

impl HmacKey for Signer {
    fn sign(&self, data: &[u8], out: &mut [u8]) {
        let signature = blake3::keyed_hash(&self.0, data);
        let length = out.len().min(SIGNATURE_BYTES);
        out[..length].copy_from_slice(&signature.as_bytes()[..length]);
    }

    fn signature_len(&self) -> usize {
        SIGNATURE_BYTES
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let right: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| CryptoError)?;
        // Compared in constant time.
        if blake3::keyed_hash(&self.0, data) == *right { Ok(()) } else { Err(CryptoError) }
    }
}

/// The settings of an endpoint whose connection ids and resets outlive it.
pub(crate) fn endpoint(secret: ResetSecret) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(Signer(secret.0)));
    config.cid_generator(|| Box::new(Ids));
    config
}

/// Connection ids that say nothing. quinn's own are checked against a key of the process, and one of a life before would be
/// dropped without a word.
struct Ids;

/// Bytes of a connection id.
const ID_BYTES: usize = 8;

/// What a dialler calls the session until the other side has named it: unpredictable (RFC 9000, section 7.2).
pub(crate) fn first_id() -> ConnectionId {
    let mut id = [0; 2 * ID_BYTES];
    id.chunks_exact_mut(ID_BYTES).for_each(|half| half.copy_from_slice(&rt::random().to_le_bytes()));
    ConnectionId::new(&id)
}

/// Tokens with which a peer proves an address that it had before (RFC 9000, section 8.1): we give none and believe none.
pub(crate) struct NoTokens;

impl HandshakeTokenKey for NoTokens {
    fn aead_from_hkdf(&self, _: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Self)
    }
}

impl AeadKey for NoTokens {
    fn seal(&self, _: &mut Vec<u8>, _: &[u8]) -> Result<(), CryptoError> {
        Err(CryptoError)
    }

    fn open<'a>(&self, _: &'a mut [u8], _: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        Err(CryptoError)
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rt::random().to_le_bytes())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
