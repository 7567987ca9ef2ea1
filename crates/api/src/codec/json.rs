//! JSON bodies: strict about syntax and depth, and honest about members that occur twice. It knows no schema.
use crate::codec::parsed::Parsed;
use crate::status::Status;

/// Depth is limited by the decoder itself (128, `limits::JSON_DEPTH_MAX`).
///
/// # Errors
/// 400 if `bytes` are not one JSON value.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Status> {
    serde_json::from_slice(bytes)
        .map_err(|why| Status::bad_request(format!("couldn't get version/kind; json parse error: {why}")))
}

/// Puts complaints (`unknown field "…"`, `duplicate field "…"`) in the order in which their fields stand in the document, which
/// is the order Kubernetes tells them in. A body that is no JSON leaves them as they are.
#[must_use]
pub fn in_document_order(bytes: &[u8], mut complaints: Vec<String>) -> Vec<String> {
    if complaints.len() < 2 {
        return complaints;
    }
    let mut places = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = places::Places { path: String::new(), found: &mut places };
    if serde::de::DeserializeSeed::deserialize(seed, &mut deserializer).is_err() {
        return complaints;
    }
    let quoted = |complaint: &str| {
        complaint.split_once('"').map(|(_, rest)| rest.trim_end_matches('"').to_owned()).unwrap_or_default()
    };
    complaints.sort_by_key(|complaint| {
        let path = quoted(complaint);
        // The second occurrence is the duplicate.
        let skip = usize::from(complaint.starts_with("duplicate"));
        places.iter().enumerate().filter(|(_, known)| **known == path).map(|(at, _)| at).nth(skip).unwrap_or(usize::MAX)
    });
    complaints
}

mod places {
    use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
    use std::fmt;

    /// Collects the path of every member, in the order of the document.
    pub(super) struct Places<'a> {
        pub(super) path: String,
        pub(super) found: &'a mut Vec<String>,
    }

    impl<'de> DeserializeSeed<'de> for Places<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    impl<'de> Visitor<'de> for Places<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON value")
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
            let mut at = 0_usize;
            while list
                .next_element_seed(Places { path: format!("{}[{at}]", self.path), found: &mut *self.found })?
                .is_some()
            {
                at += 1;
            }
            Ok(())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<String>()? {
                let path = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
                self.found.push(path.clone());
                if path.len() > 4_096 {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    map.next_value_seed(Places { path, found: &mut *self.found })?;
                }
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{in_document_order, parse};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn duplicates_are_named_and_the_last_counts() {
        let parsed = parse(br#"{"a":{"b":1,"b":2,"l":[{"x":1},{"x":1,"x":null}]},"a2":1,"a2":3}"#).expect("JSON");
        assert_eq!(parsed.value, json!({"a": {"b": 2, "l": [{"x": 1}, {"x": null}]}, "a2": 3}));
        assert_eq!(parsed.duplicates, ["a.b", "a.l[1].x", "a2"]);
    }

    #[test]
    fn complaints_stand_in_the_order_of_the_document() {
        let body = br#"{"metadata":{"name":"st","foo":1},"dta":{"a":"b"},"data":{"a":"1","a":"2"}}"#;
        let told = vec![
            "duplicate field \"data.a\"".into(),
            "unknown field \"dta\"".into(),
            "unknown field \"metadata.foo\"".into(),
        ];
        assert_eq!(
            in_document_order(body, told),
            ["unknown field \"metadata.foo\"", "unknown field \"dta\"", "duplicate field \"data.a\""]
        );
    }

    #[test]
    fn numbers_keep_their_64_bits() {
        assert_eq!(parse(b"[9223372036854775807,-1,1.5]").expect("JSON").value, json!([i64::MAX, -1, 1.5]));
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        let deep = "[".repeat(100_000);
        for text in ["{bad", "", "{}{}", "{\"a\":}", deep.as_str(), "nul"] {
            assert_eq!(parse(text.as_bytes()).expect_err("no JSON").code, 400);
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}:,\"a0-9. ]{0,40}") {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                let plain = serde_json::from_slice::<serde_json::Value>(bytes).ok();
                prop_assert_eq!(parse(bytes).ok().map(|parsed| parsed.value), plain);
            }
        }
    }
}
