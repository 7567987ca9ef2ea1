//! What the tokens of service accounts say (KEP-1205, KEP-4193), and the older ones that live in Secrets. Shapes only.
use super::jwt::audiences;
use crate::authentication::signer::ISSUER;
use api::revision::Millis;
use serde_json::{Map, Value, json};

/// Who made the tokens in Secrets, which have no end and are for no audience.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";
const LEGACY: &str = "kubernetes.io/serviceaccount/";

/// An object by name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// Empty: whichever has the name.
    pub uid: String,
}

/// Of whom, and bound to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    pub audiences: Vec<String>,
    /// Seconds since the epoch. `expires` is absent from legacy tokens only.
    pub issued: u64,
    pub not_before: u64,
    pub expires: Option<u64>,
    pub id: String,
    pub namespace: String,
    pub account: Named,
    pub pod: Option<Named>,
    pub node: Option<Named>,
    pub secret: Option<Named>,
}

impl Claims {
    /// As a token carries them.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let subject = format!("system:serviceaccount:{}:{}", self.namespace, self.account.name);
        let shown = |named: &Named| {
            let mut shown = Map::from_iter([("name".to_owned(), named.name.as_str().into())]);
            if !named.uid.is_empty() {
                shown.insert("uid".into(), named.uid.as_str().into());
            }
            Value::Object(shown)
        };
        let Some(expires) = self.expires else {
            let secret = self.secret.as_ref().map_or("", |secret| secret.name.as_str());
            return json!({"iss": LEGACY_ISSUER, "sub": subject, format!("{LEGACY}namespace"): self.namespace,
                format!("{LEGACY}secret.name"): secret, format!("{LEGACY}service-account.name"): self.account.name,
                format!("{LEGACY}service-account.uid"): self.account.uid});
        };
        let mut private = json!({"namespace": self.namespace, "serviceaccount": shown(&self.account)});
        for (member, bound) in [("pod", &self.pod), ("node", &self.node), ("secret", &self.secret)] {
            if let Some(bound) = bound {
                private[member] = shown(bound);
            }
        }
        json!({"iss": ISSUER, "sub": subject, "aud": self.audiences, "iat": self.issued, "nbf": self.not_before,
            "exp": expires, "jti": self.id, "kubernetes.io": private})
    }

    /// What proved claims say; `None` if they are not of a service account.
    #[must_use]
    pub fn read(claims: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let named = |value: &Value| Named { name: text(&value["name"]), uid: text(&value["uid"]) };
        let optional = |value: &Value| value.is_object().then(|| named(value));
        // JSON has one kind of number: seconds may have a fraction.
        let seconds = |value: &Value| value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds.max(0.0) as u64));
        let read = if claims["iss"] == LEGACY_ISSUER {
            let legacy = |member: &str| text(&claims[format!("{LEGACY}{member}")]);
            let account = Named { name: legacy("service-account.name"), uid: legacy("service-account.uid") };
            let secret = Some(Named { name: legacy("secret.name"), uid: String::new() });
            Self { namespace: legacy("namespace"), account, secret, ..Self::default() }
        } else {
            let private = &claims["kubernetes.io"];
            Self {
                audiences: audiences(claims),
                issued: seconds(&claims["iat"]).unwrap_or(0),
                not_before: seconds(&claims["nbf"]).unwrap_or(0),
                // Whoever signs with our key always says when it ends.
                expires: Some(seconds(&claims["exp"])?),
                id: text(&claims["jti"]),
                namespace: text(&private["namespace"]),
                account: named(&private["serviceaccount"]),
                pod: optional(&private["pod"]),
                node: optional(&private["node"]),
                secret: optional(&private["secret"]),
            }
        };
        let whole = !read.namespace.is_empty() && !read.account.name.is_empty() && !read.account.uid.is_empty();
        let subject = format!("system:serviceaccount:{}:{}", read.namespace, read.account.name);
        (whole && claims["sub"] == subject).then_some(read)
    }

    /// Whether the token is good at `now`, with a minute's leeway for clocks that differ.
    ///
    /// # Errors
    /// In Kubernetes' words.
    pub fn timely(&self, now: Millis) -> Result<(), String> {
        let (now, leeway) = (now.0 / 1_000, crate::limits::TOKEN_LEEWAY.as_secs());
        if self.expires.is_some_and(|expires| now > expires.saturating_add(leeway)) {
            return Err("service account token has expired".into());
        }
        if self.not_before > now.saturating_add(leeway) {
            return Err("service account token is not valid yet".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, uid: &str) -> Named {
        Named { name: name.into(), uid: uid.into() }
    }

    #[test]
    fn claims_are_read_as_they_are_written() {
        let bound = Claims {
            audiences: vec!["a".into()],
            issued: 5,
            not_before: 5,
            expires: Some(9),
            id: "j".into(),
            namespace: "n".into(),
            account: named("s", "1"),
            pod: Some(named("p", "2")),
            node: Some(named("w", "")),
            secret: None,
        };
        let value = bound.to_value();
        assert_eq!(Claims::read(&value), Some(bound.clone()));
        let want = json!({"aud": ["a"], "exp": 9, "iat": 5, "iss": ISSUER, "jti": "j", "nbf": 5, "sub": "system:serviceaccount:n:s",
            "kubernetes.io": {"namespace": "n", "node": {"name": "w"}, "pod": {"name": "p", "uid": "2"}, "serviceaccount": {"name": "s", "uid": "1"}}});
        assert_eq!(value, want);
        let secret = Some(named("t", ""));
        let legacy = Claims { namespace: "n".into(), account: named("s", "1"), secret, ..Claims::default() };
        assert_eq!(Claims::read(&legacy.to_value()), Some(legacy));
        for (member, bad) in [("exp", Value::Null), ("sub", json!("admin")), ("kubernetes.io", json!({}))] {
            let mut other = value.clone();
            other[member] = bad;
            assert_eq!(Claims::read(&other), None, "{member}");
        }
        let at = |seconds: u64| bound.timely(Millis(seconds * 1_000));
        assert!(at(5).is_ok() && at(69).is_ok());
        assert_eq!(at(70), Err("service account token has expired".into()));
    }
}
