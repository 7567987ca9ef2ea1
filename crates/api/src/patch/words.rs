//! Values as Go prints them (`%v`), for errors in Kubernetes' words. It parses nothing.
use serde_json::Value;
use std::fmt::{self, Display, Formatter};

/// A decoded value as Go's `fmt` prints it: `map[a:1 b:[x y]]`.
pub(super) struct Shown<'v>(pub &'v Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("<nil>"),
            Value::String(text) => f.write_str(text),
            Value::Bool(_) | Value::Number(_) => write!(f, "{}", self.0),
            Value::Array(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if place > 0 { " " } else { "" }, Shown(item))?;
                }
                f.write_str("]")
            }
            Value::Object(members) => {
                f.write_str("map[")?;
                for (place, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{name}:{}", if place > 0 { " " } else { "" }, Shown(value))?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shown;
    use serde_json::json;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        let value = json!({"b": [1, "x", null], "a": {"c": true}});
        assert_eq!(Shown(&value).to_string(), "map[a:map[c:true] b:[1 x <nil>]]");
    }
}
