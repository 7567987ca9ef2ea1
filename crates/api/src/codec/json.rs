//! JSON bodies: strict about syntax and depth, and honest about members that occur twice. It knows no schema.
mod fault;
mod mend;

use crate::codec::parsed::{Deep, Parsed};
use crate::limits::{COMPLAINTS_MAX, JSON_DEPTH_MAX};
use crate::status::Status;
use serde::de::DeserializeSeed as _;
use serde_json::Value;

/// # Errors
/// 400 if `bytes` are not one JSON value, or nest too deeply.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Status> {
    read(bytes).map_err(|why| Status::bad_request(format!("couldn't get version/kind; json parse error: {why}")))
}

/// As `parse`. Characters that are none become U+FFFD, as they do in Go.
///
/// # Errors
/// What is wrong, in Go's words.
pub fn read(bytes: &[u8]) -> Result<Parsed, String> {
    let refused = match deep(bytes) {
        Ok(parsed) => return Ok(parsed),
        Err(why) => why,
    };
    match fault::of(bytes) {
        Some(fault) => Err(fault),
        None => deep(&mend::mended(bytes)).map_err(|_| refused.to_string()),
    }
}

/// A value that we printed ourselves, however deeply it nests; `None` if it is none.
#[must_use]
pub fn value(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().or_else(|| deep(bytes).ok().map(|parsed| parsed.value))
}

fn deep(bytes: &[u8]) -> Result<Parsed, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = Deep { levels: JSON_DEPTH_MAX - 1 }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(parsed)
}

/// Puts complaints (`unknown field "…"`, `duplicate field "…"`) in the order in which their fields stand in the document, which
/// is the order Kubernetes tells them in, and keeps as many as are told. A body that is no JSON leaves them as they are.
#[must_use]
pub fn in_document_order(bytes: &[u8], mut complaints: Vec<String>) -> Vec<String> {
    if complaints.len() < 2 {
        return complaints;
    }
    let paths: Vec<String> = complaints.iter().map(|complaint| quoted(complaint).to_owned()).collect();
    let mut places = places::Places::of(&paths);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    if serde::de::DeserializeSeed::deserialize(&mut places, &mut deserializer).is_ok() {
        // The second occurrence is the duplicate.
        complaints.sort_by_cached_key(|complaint| {
            places.nth(quoted(complaint), usize::from(complaint.starts_with("duplicate")))
        });
    }
    complaints.truncate(COMPLAINTS_MAX);
    complaints
}

fn quoted(complaint: &str) -> &str {
    complaint.split_once('"').map_or("", |(_, rest)| rest.trim_end_matches('"'))
}

mod places {
    use crate::limits::PLACE_BYTES_MAX;
    use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::{self, Write as _};

    /// Finds where the wanted paths stand in the order of the document.
    pub(super) struct Places<'p> {
        /// Of the value that is being read.
        path: String,
        /// Members read so far.
        count: usize,
        lengths: BTreeSet<usize>,
        /// The first two places of each wanted path.
        found: BTreeMap<&'p str, Vec<usize>>,
    }

    impl<'p> Places<'p> {
        pub(super) fn of(wanted: &'p [String]) -> Self {
            let lengths = wanted.iter().map(String::len).collect();
            let found = wanted.iter().map(|path| (path.as_str(), Vec::new())).collect();
            Self { path: String::new(), count: 0, lengths, found }
        }

        /// Where `path` occurs once more than `skip` times; after everything else if it does not.
        pub(super) fn nth(&self, path: &str, skip: usize) -> usize {
            self.found.get(path).and_then(|places| places.get(skip)).copied().unwrap_or(usize::MAX)
        }

        fn note(&mut self) {
            self.count += 1;
            if self.lengths.contains(&self.path.len())
                && let Some(places) = self.found.get_mut(self.path.as_str())
                && places.len() < 2
            {
                places.push(self.count);
            }
        }
    }

    impl<'de> DeserializeSeed<'de> for &mut Places<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    impl<'de> Visitor<'de> for &mut Places<'_> {
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
            let (length, mut at) = (self.path.len(), 0_usize);
            loop {
                // Writing to a String cannot fail.
                let _ = write!(self.path, "[{at}]");
                let item = list.next_element_seed(&mut *self)?;
                self.path.truncate(length);
                if item.is_none() {
                    return Ok(());
                }
                at += 1;
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let length = self.path.len();
            while let Some(name) = map.next_key::<String>()? {
                if length > 0 {
                    self.path.push('.');
                }
                self.path.push_str(&name);
                self.note();
                if self.path.len() > PLACE_BYTES_MAX {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    map.next_value_seed(&mut *self)?;
                }
                self.path.truncate(length);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{JSON_DEPTH_MAX, Value, in_document_order, parse};
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

    /// Not a benchmark, but quadratic work would show: each complaint once searched the whole body.
    #[test]
    fn many_complaints_of_a_long_body_are_few_in_the_end() {
        let members: Vec<String> = (0..20_000).map(|at| format!("\"m{at}\":0,\"m{at}\":0")).collect();
        let body = format!("{{\"{}\":{{{}}}}}", "x".repeat(300), members.join(","));
        let parsed = parse(body.as_bytes()).expect("JSON");
        assert_eq!(parsed.duplicates.len(), crate::limits::COMPLAINTS_MAX);
        let told = (0..20_000).rev().map(|at| format!("unknown field \"{}.m{at}\"", "x".repeat(300))).collect();
        let told = in_document_order(body.as_bytes(), told);
        assert_eq!(told.len(), crate::limits::COMPLAINTS_MAX);
        assert!(told[1].ends_with(".m1\""), "{}", told[1]);
        let long = format!("{{\"{}\":{{\"a\":0,\"a\":0}}}}", "x".repeat(1_000_000));
        let duplicates = parse(long.as_bytes()).expect("JSON").duplicates;
        assert!(duplicates.len() == 1 && duplicates[0].len() <= crate::limits::PLACE_BYTES_MAX);
    }

    #[test]
    fn numbers_keep_their_64_bits() {
        assert_eq!(parse(b"[9223372036854775807,-1,1.5]").expect("JSON").value, json!([i64::MAX, -1, 1.5]));
    }

    #[test]
    fn depth_has_its_limit() {
        for levels in [0, 99, 100, 101, 127, 128, 200, 201, JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX, 100_000] {
            let lists = "[".repeat(levels) + "7" + &"]".repeat(levels);
            let members = "{\"a\":".repeat(levels) + "7" + &"}".repeat(levels);
            let twice = format!("{{\"b\":{members},\"b\":{members}}}");
            for text in [lists, members] {
                let parsed = parse(text.as_bytes());
                assert_eq!(parsed.is_ok(), levels < JSON_DEPTH_MAX, "{levels}");
                let Ok(parsed) = parsed else { continue };
                assert_eq!(crate::depth::measure(&parsed.value).0, levels);
                assert_eq!(parsed.value.to_string(), text);
                assert_eq!(super::value(text.as_bytes()), Some(parsed.value));
            }
            if levels + 1 < JSON_DEPTH_MAX {
                assert_eq!(parse(twice.as_bytes()).expect("JSON").duplicates, ["b"]);
            }
        }
        let inner = "[".repeat(150) + "{\"a\":1,\"a\":2}" + &"]".repeat(150);
        let duplicates = parse(inner.as_bytes()).expect("JSON").duplicates;
        assert_eq!(duplicates, ["[0]".repeat(150) + ".a"]);
    }

    #[test]
    fn characters_that_are_none_are_replaced() {
        for text in [&b"{\"a\": \"x\xff\"}"[..], b"{\"a\": \"x\\ud800\"}"] {
            assert_eq!(parse(text).expect("JSON").value, json!({"a": "x\u{fffd}"}));
        }
        assert_eq!(
            parse(b"{\"a\xff\"").expect_err("no JSON").message,
            "couldn't get version/kind; json parse error: unexpected end of JSON input"
        );
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
                let plain = serde_json::from_slice::<Value>(bytes).ok();
                let parsed = parse(bytes).ok().map(|parsed| parsed.value);
                // It reads more: characters that are none.
                prop_assert!(plain.is_none() || parsed == plain, "{:?}", bytes);
            }
        }
    }
}
