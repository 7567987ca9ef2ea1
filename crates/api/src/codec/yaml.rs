//! YAML bodies, read as the JSON they stand for, and values printed as YAML. One document only.
mod lines;

pub use lines::twice;

use crate::codec::json;
use crate::codec::parsed::Parsed;
use crate::depth;
use crate::limits::{YAML_ALIAS_EVENTS_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};
use crate::status::Status;
use serde_json::Value;

/// # Errors
/// 400 if `bytes` are not one YAML document, or nest too deeply.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Status> {
    // JSON is YAML, programs send it under that name, and it is read in a tenth of the time. What is amiss is told in the words of YAML.
    if bytes.trim_ascii_start().starts_with(b"{")
        && let Ok(parsed) = json::read(bytes)
        && parsed.duplicates.is_empty()
    {
        return Ok(parsed);
    }
    let bad = |why: String| Status::bad_request(format!("error converting YAML to JSON: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|why| bad(why.to_string()))?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            max_depth: YAML_DEPTH_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: YAML_ALIAS_EVENTS_MAX,
        },
    };
    let parsed: Parsed =
        serde_saphyr::from_str_with_options(first_document(text), options).map_err(|why| bad(why.to_string()))?;
    if depth::readable(&parsed.value) { Ok(parsed) } else { Err(bad("it nests too deeply".into())) }
}

/// The first document of a stream of them: as Go's reader does, the others are not looked at.
fn first_document(text: &str) -> &str {
    let mark = |line: &str, mark: &str| {
        line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    };
    let (mut begun, mut at) = (false, 0);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if begun && (mark(bare, "---") || mark(bare, "...")) {
            return &text[..at];
        }
        begun |= !bare.is_empty() && !bare.starts_with(['#', '%']) && bare != "---";
        at += line.len();
    }
    text
}

/// # Errors
/// 500 if the value has no YAML form.
pub fn print(value: &Value) -> Result<String, Status> {
    serde_saphyr::to_string(value).map_err(|why| Status::internal(format!("the object has no YAML form: {why}")))
}

#[cfg(test)]
mod tests {
    use super::{parse, print};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn a_manifest_is_read() {
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y1}\ndata:\n  port: \"80\"\n  on: \"true\"\n  text: |\n    a\n    b\n";
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y1"},
            "data": {"port": "80", "on": "true", "text": "a\nb\n"}});
        assert_eq!(parse(text.as_bytes()).expect("YAML").value, value);
        assert_eq!(
            parse(b"spec:\n  replicas: 3\n  cpu: 1.5\n  x: null\n  paused: false\n").expect("YAML").value,
            json!({"spec": {"replicas": 3, "cpu": 1.5, "x": null, "paused": false}})
        );
        assert_eq!(parse(b"a: 1\na: 2\n").expect("YAML").duplicates, ["a"]);
        for many in [
            "a: 1\n---\nb: 2\n",
            "# x\n---\na: 1\n...\n[broken",
            "--- {a: 1}\n--- {b: 2}",
            "\n---\na: 1\r\n---\r\nb: 2",
        ] {
            assert_eq!(parse(many.as_bytes()).expect("YAML").value, json!({"a": 1}), "{many}");
        }
        assert_eq!(parse(b"a: |\n  x\n  ---\n  y\n").expect("YAML").value, json!({"a": "x\n---\ny\n"}));
    }

    #[test]
    fn bad_yaml_is_a_bad_request() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                    g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        let nine = ["*a"; 9].join(",");
        let many: String = (0..1_300).map(|at| format!("m{at}: [{nine}]\n")).collect();
        let aliases = format!("a: &a x\n{many}");
        for text in ["a: [", "a: b: c", bomb, &aliases] {
            assert_eq!(parse(text.as_bytes()).expect_err(text).code, 400);
        }
        assert!(parse(&[0xff, 0xfe, 0x00]).is_err());
        assert!(parse("[".repeat(2_000).as_bytes()).is_err());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~\n]{0,12}".prop_map(Value::from),
            prop_oneof!["yes", "1", "null", "~", "0x1f", "1e3", "- a", "a: b"].prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z.$]{1,6}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(value in values()) {
            let text = print(&value).expect("a value");
            prop_assert_eq!(parse(text.as_bytes()).expect("our own YAML").value, value, "{}", text);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }
    }
}
