//! The numbers that have a meaning: revision, log index, time. Nothing here counts or reads a clock.
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// One step per changed object, dense, assigned by the fold. It is Kubernetes' `resourceVersion`. 0 is the empty state.
    Revision
}
number! {
    /// Milliseconds since the Unix epoch, as stamped by the leader: never before the entry before it.
    Millis
}

impl Revision {
    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Millis {
    /// RFC 3339 in UTC with whole seconds, as Kubernetes' `metav1.Time` prints it: `2026-11-22T09:00:39Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (year, month, day) = civil(self.0 / 86_400_000);
        let second = self.0 / 1_000 % 86_400;
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }

    /// As HTTP's headers have it (RFC 9110): `Sun, 22 Nov 2026 09:00:39 GMT`.
    #[must_use]
    pub fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let days = self.0 / 86_400_000;
        let (year, month, day) = civil(days);
        let weekday = DAYS.iter().cycle().nth((days % 7) as usize).unwrap_or(&"");
        let name = (1_u64..).zip(MONTHS).find(|(number, _)| *number == month).map_or("", |(_, name)| name);
        format!("{weekday}, {day:02} {name} {year:04} {} GMT", &self.rfc3339()[11..19])
    }

    /// RFC 3339 in UTC with microseconds, as Kubernetes' `metav1.MicroTime` prints it.
    #[must_use]
    pub fn rfc3339_micro(self) -> String {
        let seconds = self.rfc3339();
        format!("{}.{:06}Z", &seconds[..19], self.0 % 1_000 * 1_000)
    }

    /// Reads RFC 3339; `None` if it is not that or lies before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let stamp: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(stamp.as_millisecond()).ok().map(Self)
    }
}

/// Days since 1970-01-01 to (year, month, day), proleptic Gregorian (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
#[must_use]
pub fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::Millis;

    #[test]
    fn stamps_read_back() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-22T09:00:39Z", "2100-03-01T00:00:00Z"] {
            assert_eq!(Millis::parse(text).map(Millis::rfc3339).as_deref(), Some(text));
        }
        assert_eq!(Millis(1_001).rfc3339_micro(), "1970-01-01T00:00:01.001000Z");
        assert_eq!(Millis::parse("yesterday"), None);
        let date = Millis::parse("2026-11-22T09:00:39Z").map(Millis::http_date);
        assert_eq!(date.as_deref(), Some("Sun, 22 Nov 2026 09:00:39 GMT"));
    }
}
