//! Public keys that sign tokens: P-256 and RSA, read from and shown as JSON Web Keys (RFC 7517), and their signatures checked. It signs
//! nothing.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Value, json};

/// A key and the name that tokens know it by; empty: it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub id: String,
    pub material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// The point on P-256, uncompressed: 4, x, y.
    P256([u8; 65]),
    /// Modulus and exponent, big endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// What stands before the point in a P-256 key's SubjectPublicKeyInfo (RFC 5480).
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl PublicKey {
    /// A P-256 key under the name that Kubernetes gives it: SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn p256(point: [u8; 65]) -> Self {
        let info = [&P256_HEAD[..], &point].concat();
        Self { id: URL_SAFE_NO_PAD.encode(digest(&SHA256, &info)), material: Material::P256(point) }
    }

    /// The signing keys of a JSON Web Key Set; those of a kind that is not known are left out.
    #[must_use]
    pub fn of_set(set: &Value) -> Vec<Self> {
        let keys = set["keys"].as_array().into_iter().flatten();
        keys.filter(|key| key["use"].as_str().is_none_or(|used| used == "sig")).filter_map(Self::of).collect()
    }

    fn of(key: &Value) -> Option<Self> {
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(key[member].as_str()?.trim_end_matches('=')).ok();
        let material = match key["kty"].as_str()? {
            "EC" if key["crv"] == "P-256" => {
                let mut point = [4; 65];
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                point[1..33].copy_from_slice(&x);
                point[33..].copy_from_slice(&y);
                Material::P256(point)
            }
            "RSA" => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
            _ => return None,
        };
        Some(Self { id: key["kid"].as_str().unwrap_or_default().to_owned(), material })
    }

    /// As a JSON Web Key.
    #[must_use]
    pub fn shown(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.material {
            Material::P256(point) => json!({"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
                "x": text(&point[1..33]), "y": text(&point[33..])}),
            Material::Rsa { n, e } => {
                json!({"use": "sig", "kty": "RSA", "kid": self.id, "alg": "RS256", "n": text(n), "e": text(e)})
            }
        }
    }

    /// Whether `signature` of `message` by `algorithm` (RFC 7518: `ES256`, `RS256`) is of this key. Each key has one algorithm, so that a
    /// token cannot choose another.
    #[must_use]
    pub fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::P256(point), "ES256") => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Material::Rsa { n, e }, "RS256") => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            _ => false,
        }
    }
}
