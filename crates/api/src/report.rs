//! A Kubernetes Event: what a decider tells users in `kubectl describe`. Equal reports about one object share one Event, which counts them.
//! Names come from what is said, so that a replay writes the same.
use crate::key::Key;
use crate::object::Object;
use crate::revision::Millis;
use serde_json::{Value, json};

/// What is told of an object.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Who tells it, as users know it: `deployment-controller`.
    pub component: &'a str,
    pub warning: bool,
    /// One word in CamelCase.
    pub reason: &'a str,
    pub message: &'a str,
}

impl Report<'_> {
    /// Where the Event about the decoded object `about` is kept: beside it, or in `default` if it has no namespace.
    #[must_use]
    pub fn key(&self, about: &Value) -> Key {
        let meta = |member: &str| about["metadata"][member].as_str().unwrap_or("");
        let namespace = Some(meta("namespace")).filter(|name| !name.is_empty()).unwrap_or("default");
        let mut hasher = blake3::Hasher::new();
        for part in [meta("uid"), self.component, self.reason, self.message] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        let hash = hasher.finalize().to_hex();
        // A name has at most 253 bytes: leave room for the dot and the hash.
        let stem: String = meta("name").chars().take(236).collect();
        Key::new("events", namespace, &format!("{stem}.{}", &hash[..16]))
    }

    /// The Event itself; `old` is the one that is there already and is now counted once more.
    #[must_use]
    pub fn value(&self, about: &Value, old: Option<&Object>, now: Millis) -> Value {
        if let Some(old) = old {
            let mut value = old.value();
            value["count"] = value["count"].as_i64().unwrap_or(1).saturating_add(1).into();
            value["lastTimestamp"] = now.rfc3339().into();
            return value;
        }
        let key = self.key(about);
        let meta = &about["metadata"];
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": &*key.name, "namespace": &*key.namespace},
            "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], "name": meta["name"],
                "namespace": meta["namespace"].as_str().unwrap_or(""), "uid": meta["uid"].as_str().unwrap_or(""),
                "resourceVersion": meta["resourceVersion"].as_str().unwrap_or("")},
            "reason": self.reason, "message": self.message, "count": 1,
            "type": if self.warning { "Warning" } else { "Normal" },
            "source": {"component": self.component}, "reportingComponent": self.component, "reportingInstance": "",
            "firstTimestamp": now.rfc3339(), "lastTimestamp": now.rfc3339(), "eventTime": null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::facet::Facet;
    use crate::object::{Body, Uid};
    use crate::revision::{Millis, Revision};
    use serde_json::json;

    #[test]
    fn what_is_said_again_is_counted() {
        let about = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n".repeat(253), "uid": "u"}});
        let report = Report { component: "c", warning: true, reason: "Gone", message: "it is gone" };
        let key = report.key(&about);
        assert_eq!((&*key.namespace, key.name.len()), ("default", 253));
        let first = report.value(&about, None, Millis(1_000));
        let body = Body::new(&first, Facet::default()).expect("an event");
        let old = body.join(key, Uid(1), Millis(1_000), Revision(1));
        let again = report.value(&about, Some(&old), Millis(9_000));
        assert_eq!((&again["count"], &again["firstTimestamp"]), (&json!(2), &json!("1970-01-01T00:00:01Z")));
        assert_eq!(again["lastTimestamp"], "1970-01-01T00:00:09Z");
        assert_ne!(Report { message: "another", ..report }.key(&about), report.key(&about));
    }
}
