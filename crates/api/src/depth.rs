//! How deeply a value nests. Values are dropped, printed and compared by recursion, so one that nests too deeply ends the process.
use crate::limits::JSON_DEPTH_MAX;
use serde_json::Value;

/// Levels of a value that the JSON reader can read back: it refuses the one that reaches its limit.
pub(crate) const LEVELS_MAX: usize = JSON_DEPTH_MAX - 1;

/// How many levels of `value` there are, and how many values in all.
pub(crate) fn measure(value: &Value) -> (usize, usize) {
    let children = |inner: &mut dyn Iterator<Item = &Value>| {
        inner.map(measure).fold((1, 1), |(levels, count), (inner, more)| (levels.max(inner + 1), count + more))
    };
    match value {
        Value::Array(items) => children(&mut items.iter()),
        Value::Object(members) => children(&mut members.values()),
        _ => (0, 1),
    }
}

/// Whether what is printed of `value` can be read back. It looks no deeper than that.
pub(crate) fn readable(value: &Value) -> bool {
    within(value, LEVELS_MAX)
}

fn within(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| within(item, left - 1)),
        Value::Object(members) => left > 0 && members.values().all(|member| within(member, left - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_is_what_the_reader_reads() {
        for levels in [0, 1, LEVELS_MAX, LEVELS_MAX + 1, 600] {
            let value = (0..levels).fold(Value::Null, |value, _| Value::Array(vec![value]));
            let reads = crate::codec::json::value(value.to_string().as_bytes()).is_some();
            assert_eq!((readable(&value), measure(&value)), (reads, (levels, levels + 1)), "{levels}");
        }
    }
}
