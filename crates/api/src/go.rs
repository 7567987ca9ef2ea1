//! How Go prints what Kubernetes' messages show: they are compared byte by byte. It decides nothing.
use serde_json::Value;

/// The text as `%q` prints it: in quotes, and what cannot be printed by its number.
#[must_use]
pub fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let named = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\t' => "\\t",
            '\r' => "\\r",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            _ => "",
        };
        if !named.is_empty() {
            out.push_str(named);
            continue;
        }
        let code = u32::from(c);
        // Writing to a text does not fail.
        let _ = match c {
            '\u{0}'..='\u{1f}' | '\u{7f}' => write!(out, "\\x{code:02x}"),
            _ if c.is_control() || (c.is_whitespace() && c != ' ') => write!(out, "\\u{code:04x}"),
            _ => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

/// The value as `%v` prints what Go reads of it: `map[a:[1 <nil>]]`.
#[must_use]
pub fn plain(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(plain).collect())),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let parts = members.into_iter().map(|(name, value)| format!("{name}:{}", plain(value)));
            format!("map[{}]", joined(parts.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{plain, quoted};
    use serde_json::json;

    #[test]
    fn a_value_is_printed_as_go_prints_it() {
        let value = json!({"b": [1, null, "x y"], "a": {"c": true}});
        assert_eq!(plain(&value), "map[a:map[c:true] b:[1 <nil> x y]]");
    }

    #[test]
    fn what_cannot_be_printed_is_shown_as_go_shows_it() {
        for (text, want) in [
            ("plain", r#""plain""#),
            ("a\u{1}b\u{7f}", r#""a\x01b\x7f""#),
            ("\"\\\n", r#""\"\\\n""#),
            ("\u{7}\u{85}é\u{2028}", r#""\a\u0085é\u2028""#),
        ] {
            assert_eq!(quoted(text), want);
        }
    }
}
