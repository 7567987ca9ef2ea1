//! Spans of time and names as scenario files write them. Nothing here knows what they mean.

/// Longest span that is read: a year, so that sums of spans stay far from their limits.
pub const SPAN_MAX: u64 = 366 * 24 * 3_600_000;

const UNITS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// Milliseconds of `500ms`, `3s`, `2m` or `1h`.
///
/// # Errors
/// What would be right.
pub fn millis(word: &str) -> Result<u64, String> {
    let wrong = || format!("`{word}` is no span of time: say such as 500ms, 30s, 2m or 1h");
    let found = UNITS.iter().find_map(|(unit, size)| Some((word.strip_suffix(unit)?, size)));
    let (digits, size) =
        found.filter(|(digits, _)| digits.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(wrong)?;
    let millis = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*size));
    millis.filter(|millis| *millis <= SPAN_MAX).ok_or_else(wrong)
}

/// The shortest way to write so many milliseconds.
#[must_use]
pub fn span(millis: u64) -> String {
    if millis > 0 && millis % 1_000 == 0 { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        for given in [0, 1, 999, 1_000, 1_001, 3_600_000] {
            assert_eq!(millis(&span(given)), Ok(given));
        }
        assert_eq!((millis("2m"), millis("1h")), (Ok(120_000), Ok(3_600_000)));
        for bad in ["", "5", "s", "-1s", "+1s", "1 s", "99999999999999999999h", "999999999h"] {
            assert!(millis(bad).is_err(), "{bad}");
        }
    }
}
