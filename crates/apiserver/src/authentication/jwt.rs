//! JSON Web Tokens in their compact form (RFC 7519), signed: read, and believed only after a key was found that made the signature.
use super::keys::PublicKey;
use crate::limits::TOKEN_BYTES_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A token taken apart. Nothing of it is proved.
#[derive(Clone, Debug)]
pub struct Jwt<'a> {
    algorithm: String,
    key: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Value,
}

impl<'a> Jwt<'a> {
    /// `None`: it is no such token, and somebody else's.
    #[must_use]
    pub fn read(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decoded = |text: &str| -> Option<Value> {
            let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            value.is_object().then_some(value)
        };
        let (header, claims) = (decoded(header)?, decoded(claims)?);
        let word = |member: &str| header[member].as_str().unwrap_or_default().to_owned();
        Some(Self {
            algorithm: word("alg"),
            key: word("kid"),
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            claims,
        })
    }

    /// Who it says made it. It may lie: this only tells whom to ask.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.claims["iss"].as_str().unwrap_or_default()
    }

    /// The claims, if one of `keys` signed them. A token that names its key is tried with that one.
    #[must_use]
    pub fn proved<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> Option<&Value> {
        let mut named = keys.into_iter().filter(|key| self.key.is_empty() || key.id.is_empty() || key.id == self.key);
        let proved = named.any(|key| key.verifies(&self.algorithm, self.signed.as_bytes(), &self.signature));
        proved.then_some(&self.claims)
    }
}

/// The audiences of claims: one text or a list of them.
#[must_use]
pub fn audiences(claims: &Value) -> Vec<String> {
    match &claims["aud"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::signer::Signer;
    use serde_json::json;

    #[test]
    fn only_what_was_signed_is_believed() {
        let (ours, other) = (Signer::from_seed(&[1; 32]), Signer::from_seed(&[2; 32]));
        let token = ours.sign(&json!({"iss": "me", "sub": "x"}));
        let read = Jwt::read(&token).expect("a token");
        assert_eq!((read.issuer(), read.proved([ours.key()]).is_some()), ("me", true));
        assert!(read.proved([other.key()]).is_none() && read.proved([]).is_none());
        let nameless = PublicKey { id: String::new(), ..other.key().clone() };
        assert!(read.proved([&nameless, &PublicKey { id: String::new(), ..ours.key().clone() }]).is_some());
        let parts: Vec<&str> = token.split('.').collect();
        let forged = URL_SAFE_NO_PAD.encode(r#"{"iss":"me","sub":"y"}"#);
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for bad in [
            format!("{}.{forged}.{}", parts[0], parts[2]),
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
        ] {
            assert!(Jwt::read(&bad).is_none_or(|read| read.proved([ours.key()]).is_none()), "{bad}");
        }
        for bad in ["", "..", "a.b.c", "abcdef.0123456789abcdef", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(Jwt::read(bad).is_none(), "{bad}");
        }
    }

    /// RS256 by another's hand: made with OpenSSL.
    #[test]
    fn rs256_is_checked() {
        let key = json!({"keys": [{"kty": "RSA", "e": "AQAB",
            "n": "n_Foi-LQGX_en1MWOKHMuM01iI3LjYmeWCWSFAlN82gOj8wkwgKTjj0smsqLiYq7hEYE0QI82aJCoIDwSoEgRSAP6OC94c-pqoDd0Ii-8bJMg3CjFwFVDEBwgALsgM27F1Smghu935y-Vwo4sleX-zbdd2B_I0wODlkxA6hV1JYIapFq8qzzZnKUPZU-3VHcXSxYVxAF1zT4e80-1pELnjtb_tBk2Fxm8xgifBGX5boVJvigP7xYlh7HV-J3qqqDocWP5wPNFFN0Lqh98hdW8ziiGpkT9Jj071SNp2GM16HsinypDaPaO81yFKorTpABwCbSyUU1I82urvcja121KQ"}]});
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UifQ.k1zUL3BFOn5_YKaDirDiHvFuKmYNfPTrun6AjC-pAjjugQEi08UM8aqhG6qDLFIYWJt8HNFny2WPpby1FTYX6rZO0aiWRiX51ysGVafm2VcZ3JVyC1DtjCQDGwLviFIIFKuNojQQKymOCj1Ux_GY3l4aUuE4dOqdbTF2ece-vlz7mpBnb8dttP0_gnZ_EWucwj437EJXgSdMkz5xT5jt22N8vioHmtsF3HT_JQdfBMwVyyPNqZjZchAaqn_emp-TT1i_WlkrqnQQ0pTsXyDzZJy9kBDdgDqK9AEUH3IwIEvmGttDHzsxD_4sG9aNEf5suWtwHRwe8Z3MlZSQgWCOgg";
        let keys = PublicKey::of_set(&key);
        let read = Jwt::read(token).expect("a token");
        assert_eq!(read.proved(&keys).map(|claims| claims["iss"].clone()), Some(json!("joe")));
        assert_eq!(PublicKey::of_set(&json!({"keys": [keys[0].shown()]})), keys);
    }
}
