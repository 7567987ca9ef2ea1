//! The key that signs the tokens of service accounts, ES256 (RFC 7518).
//!
//! It is made of a seed that every member derives from the key of the cluster's authority, as it does the secret of its sessions. So all
//! members sign and believe alike from their first moment, after a restart, and when one takes another's place; nothing need be
//! written, agreed on or carried over; and who may read Secrets, the log or its copies cannot make tokens, as they could if the key
//! stood in the state. The price: tokens are renewed with the authority, not apart from it. Signing asks for no random number (RFC
//! 6979), so that a simulated cluster runs the same again.
use super::keys::PublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// Who makes the tokens, and the audience of those that name none: the API itself, by the name that it has inside every cluster.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

pub struct Signer {
    key: SigningKey,
    public: PublicKey,
    /// The head of every token, encoded.
    head: String,
}

impl Signer {
    /// The key that belongs to `seed`, which is a secret.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut candidate = *seed;
        loop {
            // All but one in four thousand million are keys.
            let next = digest(&SHA256, &candidate);
            candidate.copy_from_slice(next.as_ref());
            let Ok(key) = SigningKey::from_slice(&candidate) else { continue };
            let mut point = [0; 65];
            let encoded = key.verifying_key().to_sec1_point(false);
            if encoded.as_bytes().len() == point.len() {
                point.copy_from_slice(encoded.as_bytes());
            }
            let public = PublicKey::p256(point);
            let head = json!({"alg": "ES256", "kid": public.id});
            return Self { key, public, head: URL_SAFE_NO_PAD.encode(head.to_string()) };
        }
    }

    /// One that nobody else has: for a server that is alone.
    #[must_use]
    pub fn random() -> Self {
        let mut seed = [0; 32];
        for part in seed.chunks_exact_mut(8) {
            part.copy_from_slice(&rt::random().to_le_bytes());
        }
        Self::from_seed(&seed)
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.public
    }

    /// A token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let signed = format!("{}.{}", self.head, URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_key_and_one_signature() {
        let (one, again) = (Signer::from_seed(&[7; 32]), Signer::from_seed(&[7; 32]));
        let claims = json!({"a": 1});
        assert_eq!((one.key(), one.sign(&claims)), (again.key(), again.sign(&claims)));
        assert_ne!(one.key(), Signer::from_seed(&[8; 32]).key());
    }
}
