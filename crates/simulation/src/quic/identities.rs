//! Who is who on a simulated site: certificates over keys that follow from the names, so that every run has the same. It knows no network.
use crate::clock::WALL_START_MILLIS;
use api::revision::Millis;
use link::authority::{Authority, Holder, Identity, Key};
use link::error::LinkError;
use link::peer::Peer;
use link::reset::ResetSecret;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What stands before the 32 bytes of an Ed25519 key in its PKCS #8 form (RFC 8410, section 7).
const ED25519_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

pub struct Identities {
    authority: Arc<Authority>,
    made: Mutex<BTreeMap<String, Identity>>,
}

impl Identities {
    #[must_use]
    pub fn new(authority: &Arc<Authority>) -> Self {
        Self { authority: authority.clone(), made: Mutex::default() }
    }

    /// What proves a process to be `peer`, and a member's secret for resets.
    pub(super) fn of(&self, peer: &Peer) -> Result<(Identity, Option<ResetSecret>), LinkError> {
        let (holder, secret) = match peer {
            Peer::Member(name) => (Holder::Member { name: name.clone() }, Some(self.authority.reset_secret(name))),
            Peer::Node(name) => (Holder::Node { name: name.clone() }, None),
            Peer::Nobody => return Err(LinkError::Certificate("nobody has no certificate".into())),
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = made.get(&peer.to_string()) {
            return Ok((identity.clone(), secret));
        }
        let seed = blake3::hash(peer.to_string().as_bytes());
        let key = Key::of_der(&[&ED25519_HEAD[..], seed.as_bytes()].concat())?;
        let began = Millis(u64::try_from(WALL_START_MILLIS).unwrap_or_default());
        let certificate_pem = self.authority.sign(&holder, &key.public_pem, began)?;
        let authority_pem = self.authority.certificate_pem().to_owned();
        let identity = Identity { authority_pem, certificate_pem, key_pem: key.private_pem };
        made.insert(peer.to_string(), identity.clone());
        Ok((identity, secret))
    }
}
