//! Join tokens: what a machine must know to enter the cluster, and to know that it enters the right one. Pure: random and
//! time are handed in. The secret is never kept, only its hash.
use crate::authority::Pin;
use crate::error::LinkError;
use api::revision::Millis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What the holder of a token may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Node,
    Member,
}

impl Role {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Member => "member",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "node" => Some(Self::Node),
            "member" => Some(Self::Member),
            _ => None,
        }
    }
}

/// A join token. Printed as `rutter.ROLE.ID.SECRET.EXPIRY.PIN`: expiry in seconds since 1970, secret and pin in base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub role: Role,
    /// Six of a-z and 0-9, as in Kubernetes' bootstrap tokens. Names the token in lists and is no secret.
    pub id: String,
    secret: [u8; 16],
    pub expires: Millis,
    /// Of the authority of the cluster that gave the token.
    pub pin: Pin,
}

/// What the cluster keeps of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub role: Role,
    pub expires: Millis,
    /// BLAKE3 of id, role, expiry and secret, in hexadecimal.
    pub hash: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token {} {}", self.role.text(), self.id)
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (role, id, expires) = (self.role.text(), &self.id, self.expires.0 / 1_000);
        let (secret, pin) = (URL_SAFE_NO_PAD.encode(self.secret), URL_SAFE_NO_PAD.encode(self.pin));
        write!(f, "rutter.{role}.{id}.{secret}.{expires}.{pin}")
    }
}

impl Token {
    /// A new token from unpredictable bits.
    #[must_use]
    pub fn make(role: Role, secret: u128, id: u64, expires: Millis, pin: Pin) -> Self {
        const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let digit = |place: u32| char::from(LETTERS[usize::try_from(id / 36u64.pow(place) % 36).unwrap_or(0)]);
        // Whole seconds, as printed.
        let expires = Millis(expires.0 / 1_000 * 1_000);
        Self { role, id: (0..6).map(digit).collect(), secret: secret.to_be_bytes(), expires, pin }
    }

    /// Reads the printed form.
    ///
    /// # Errors
    /// One line that says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let bad = |why: &str| LinkError::Token(format!("{why}; copy the whole line that `rutter token` printed"));
        let parts: Vec<&str> = text.trim().split('.').collect();
        let ["rutter", role, id, secret, expires, pin] = parts[..] else {
            return Err(bad("it is not of the form rutter.ROLE.ID.SECRET.EXPIRY.PIN"));
        };
        let role = Role::parse(role).ok_or_else(|| bad("its role is neither node nor member"))?;
        if id.len() != 6 || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err(bad("its id is not six of a-z and 0-9"));
        }
        let secret = decode(secret).ok_or_else(|| bad("its secret is cut or changed"))?;
        let pin = decode(pin).ok_or_else(|| bad("its end is cut or changed"))?;
        let seconds: u64 = expires.parse().map_err(|_| bad("its expiry is no number"))?;
        let expires = seconds.checked_mul(1_000).ok_or_else(|| bad("its expiry is no time"))?;
        Ok(Self { role, id: id.to_owned(), secret, expires: Millis(expires), pin })
    }

    /// What the cluster keeps.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept { role: self.role, expires: self.expires, hash: self.hash().to_hex().to_string() }
    }

    /// Whether this is the token that was kept, at `now`. Takes the same time wherever the secret differs.
    ///
    /// # Errors
    /// One line: unknown, expired, or for another role.
    pub fn check(&self, kept: Option<&Kept>, role: Role, now: Millis) -> Result<(), LinkError> {
        let bad = |why: String| LinkError::Token(format!("{why}; make a new one with `rutter token`"));
        let known = kept.and_then(|kept| Some((kept, blake3::Hash::from_hex(&kept.hash).ok()?)));
        let Some((kept, hash)) = known else { return Err(bad(format!("this cluster knows no token {}", self.id))) };
        // blake3::Hash compares in constant time. The hash covers role and expiry, so that neither can be altered.
        if hash != self.hash() {
            return Err(bad(format!("this cluster knows no token {}", self.id)));
        }
        if now >= kept.expires {
            return Err(bad(format!("it expired at {}", kept.expires.rfc3339())));
        }
        if kept.role != role {
            return Err(bad(format!("it is for a {}, not for a {}", kept.role.text(), role.text())));
        }
        Ok(())
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("rutter 2026 join token");
        hasher.update(self.id.as_bytes());
        hasher.update(self.role.text().as_bytes());
        hasher.update(&self.expires.0.to_be_bytes());
        hasher.update(&self.secret);
        hasher.finalize()
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> Token {
        Token::make(Role::Node, 0x1234_5678_9abc_def0_1122_3344_5566_7788, 987_654_321, Millis(2_000_000_999), [7; 32])
    }

    proptest! {
        #[test]
        fn a_printed_token_reads_back(secret: u128, id: u64, seconds in 0u64..1 << 40, pin: [u8; 32], member: bool) {
            let role = if member { Role::Member } else { Role::Node };
            let token = Token::make(role, secret, id, Millis(seconds * 1_000), pin);
            prop_assert_eq!(Token::parse(&token.to_string()), Ok(token));
        }

        #[test]
        fn any_text_gives_an_answer(text in ".{0,200}") {
            let _ = Token::parse(&text);
            let _ = Token::parse(&format!("rutter.{text}"));
        }

        /// Change one character anywhere: it is refused, when read or when checked against what is kept and the right pin.
        #[test]
        fn no_character_can_be_changed(at in 0usize..200, to in "[a-zA-Z0-9._-]") {
            let good = token().to_string();
            let at = at % good.len();
            let mut bad = good.clone();
            bad.replace_range(at..=at, &to);
            prop_assume!(bad != good);
            if let Ok(bad) = Token::parse(&bad) {
                let refused = bad.check(Some(&token().kept()), Role::Node, Millis(0)).is_err();
                prop_assert!(refused || bad.pin != token().pin || bad == token());
            }
        }
    }

    #[test]
    fn a_token_holds_for_its_role_until_its_time() {
        let (token, kept) = (token(), token().kept());
        assert_eq!(token.check(Some(&kept), Role::Node, Millis(1_999_999_999)), Ok(()));
        let refused = |kept, role, now| match token.check(kept, role, Millis(now)) {
            Err(LinkError::Token(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(refused(Some(&kept), Role::Node, 2_000_000_000).starts_with("it expired at 1970-01-24T03:33:20Z"));
        assert!(refused(Some(&kept), Role::Member, 0).starts_with("it is for a node, not for a member"));
        assert!(refused(None, Role::Node, 0).starts_with("this cluster knows no token"));
        let damaged = Kept { hash: "zz".into(), ..kept };
        assert!(refused(Some(&damaged), Role::Node, 0).starts_with("this cluster knows no token"));
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", token()).contains(&URL_SAFE_NO_PAD.encode(token().secret)));
        assert!(!token().kept().hash.contains("123456789abc"));
    }
}
