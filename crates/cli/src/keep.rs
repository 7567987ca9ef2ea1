//! The flags that say how much of the past a member keeps, read and handed on. It keeps and takes away nothing itself.
use control::config::Keep;
use std::time::Duration;

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct KeepFlags {
    /// How long the past is kept, such as 30d, 12h or 90m, or `forever`; by itself 30d.
    #[arg(long, value_parser = age)]
    keep_age: Option<Bound>,
    /// How many bytes of the past are kept, such as 32GiB or 500MiB, or `all`; by itself 32GiB.
    #[arg(long, value_parser = bytes)]
    keep_bytes: Option<Bound>,
}

/// A bound as it was typed, and what it means: `None` is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    typed: String,
    pub(crate) value: Option<u64>,
}

/// Less cannot be kept: a member needs its newest entries.
const KEEP_BYTES_MIN: u64 = 1024 * 1024;

impl KeepFlags {
    pub(crate) fn keep(&self) -> Keep {
        let itself = Keep::default();
        let age = self.keep_age.as_ref().map_or(itself.age, |bound| bound.value.map(Duration::from_secs));
        let bytes = self.keep_bytes.as_ref().map_or(itself.bytes, |bound| bound.value);
        Keep { age, bytes, ..itself }
    }

    /// The same flags for another process.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let flags = [("--keep-age", &self.keep_age), ("--keep-bytes", &self.keep_bytes)];
        let given =
            flags.into_iter().filter_map(|(flag, bound)| Some([flag.to_owned(), bound.as_ref()?.typed.clone()]));
        given.flatten().collect()
    }
}

fn age(text: &str) -> Result<Bound, String> {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    bound(text, "forever", &units, 1).ok_or_else(|| "say such as 30d, 12h, 90m or forever".into())
}

fn bytes(text: &str) -> Result<Bound, String> {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20)];
    bound(text, "all", &units, KEEP_BYTES_MIN)
        .ok_or_else(|| "say such as 32GiB or 500MiB, at least 1MiB, or all".into())
}

pub(crate) fn bound(text: &str, none: &str, units: &[(&str, u64)], least: u64) -> Option<Bound> {
    let typed = text.to_owned();
    if text == none {
        return Some(Bound { typed, value: None });
    }
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let value = number.parse::<u64>().ok().filter(|_| digits)?.checked_mul(*unit)?;
    (value >= least).then_some(Bound { typed, value: Some(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_with_their_units() {
        let value = |bound: Result<Bound, String>| bound.map(|bound| bound.value);
        assert_eq!(value(age("30d")), Ok(Some(30 * 86_400)));
        assert_eq!((value(age("90m")), value(age("forever"))), (Ok(Some(5_400)), Ok(None)));
        assert_eq!((value(bytes("32GiB")), value(bytes("all"))), (Ok(Some(32 << 30)), Ok(None)));
        for bad in ["", "30", "d", "+3d", "-1d", "0s", "3 d", "99999999999999999999d", "999999999999999999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        for bad in ["", "1", "0MiB", "1KiB", "all of it", "99999999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        let flags = KeepFlags { keep_age: age("1h").ok(), keep_bytes: None };
        assert_eq!(flags.arguments(), ["--keep-age", "1h"]);
        assert_eq!((flags.keep().age, flags.keep().bytes), (Some(Duration::from_secs(3_600)), Keep::default().bytes));
    }
}
