//! The cryptography of a simulated site: ring's ciphers and signatures, with random numbers of the world and an exchange of keys that hides
//! nothing. It guards no secret: who would listen is in the simulation too.
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup, ring,
};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use std::sync::Arc;

const KEY_BYTES: usize = 32;

pub(super) fn provider() -> Arc<CryptoProvider> {
    let ring = ring::default_provider();
    Arc::new(CryptoProvider { kx_groups: vec![&Open], secure_random: &Seeded, ..ring })
}

#[derive(Debug)]
struct Seeded;

impl SecureRandom for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        for word in buffer.chunks_mut(8) {
            word.copy_from_slice(&rt::random().to_le_bytes()[..word.len()]);
        }
        Ok(())
    }
}

/// An exchange of keys in the open: the secret is a digest of both public keys. It stands where X25519 does, for ring lets nobody choose
/// the random numbers of that.
#[derive(Debug)]
struct Open;

struct Begun([u8; KEY_BYTES]);

impl SupportedKxGroup for Open {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut own = [0; KEY_BYTES];
        Seeded.fill(&mut own)?;
        Ok(Box::new(Begun(own)))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Begun {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let theirs: [u8; KEY_BYTES] = theirs.try_into().map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let (one, two) = if self.0 <= theirs { (self.0, theirs) } else { (theirs, self.0) };
        let secret = blake3::Hasher::new().update(&one).update(&two).finalize();
        Ok(SharedSecret::from(&secret.as_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.0
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}
