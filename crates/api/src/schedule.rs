//! A schedule as cron writes it (minute, hour, day of the month, month, day of the week), in UTC: when it is due before and after a
//! moment. It knows no zones and no seconds.
use crate::revision::{Millis, civil};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// Days that are looked through: a schedule that is due on 29 February waits for eight years at most.
const DAYS_MAX: u64 = 8 * 366;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Each field as a set of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both fields of days are restricted: then one of them is enough.
    either: bool,
}

impl Schedule {
    /// `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = NAMED.iter().find(|(name, _)| *name == text).map_or(text, |(_, meant)| meant);
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else { return None };
        let restricted = |field: &str| !matches!(field, "*" | "?" | "*/1");
        Some(Self {
            minutes: set(minutes, 0, 59, &[])?,
            hours: set(hours, 0, 23, &[])?,
            days: set(days, 1, 31, &[])?,
            months: set(months, 1, 12, &MONTHS)?,
            weekdays: set(weekdays, 0, 6, &DAYS)?,
            either: restricted(days) && restricted(weekdays),
        })
    }

    /// The first moment after `moment` at which it is due.
    #[must_use]
    pub fn next(&self, moment: Millis) -> Option<Millis> {
        let from = moment.0 / MINUTE + 1;
        let first = from * MINUTE / DAY;
        let mut due = (first..first + DAYS_MAX).filter(|day| self.on(*day)).flat_map(|day| self.of_day(day));
        due.find(|minute| *minute >= from).map(|minute| Millis(minute * MINUTE))
    }

    /// The last moment at which it was due, after `start` and not after `end`.
    #[must_use]
    pub fn last(&self, start: Millis, end: Millis) -> Option<Millis> {
        let last = end.0 / DAY;
        let first = (start.0 / DAY).max(last.saturating_sub(DAYS_MAX));
        let days = (first..=last).rev().filter(|day| self.on(*day));
        let mut due = days.flat_map(|day| self.of_day(day).collect::<Vec<_>>().into_iter().rev());
        let due = due.find(|minute| *minute <= end.0 / MINUTE).map(|minute| Millis(minute * MINUTE));
        due.filter(|due| *due > start)
    }

    fn on(&self, day: u64) -> bool {
        let (_, month, of_month) = civil(day);
        // 1 January 1970 was a Thursday.
        let (days, weekdays) = (has(self.days, of_month), has(self.weekdays, (day + 4) % 7));
        has(self.months, month) && if self.either { days || weekdays } else { days && weekdays }
    }

    /// The minutes since 1970 of that day at which it is due.
    fn of_day(&self, day: u64) -> impl Iterator<Item = u64> + use<> {
        let (hours, minutes) = (self.hours, self.minutes);
        (0..24 * 60).filter(move |at| has(hours, at / 60) && has(minutes, at % 60)).map(move |at| day * 24 * 60 + at)
    }
}

fn has(set: u64, bit: u64) -> bool {
    set >> bit & 1 == 1
}

/// The numbers that a field names: `*`, `5`, `1-5`, `*/15`, `10-30/5`, `mon-fri`, and lists of these.
fn set(field: &str, least: u64, most: u64, names: &[&str]) -> Option<u64> {
    let number = |word: &str| {
        let word = word.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == word).and_then(|at| u64::try_from(at).ok());
        named.map(|at| at + least).or_else(|| word.parse().ok()).filter(|number| (least..=most).contains(number))
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (first, last) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (least, most),
            (_, Some((first, last))) => (number(first)?, number(last)?),
            (one, None) => (number(one)?, if step.is_some() { most } else { number(one)? }),
        };
        let step: u64 = step.map_or(Some(1), |step| step.parse().ok())?;
        if first > last || step == 0 {
            return None;
        }
        let mut at = first;
        while at <= last {
            bits |= 1 << at;
            at += step;
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis::parse(text).expect("a stamp")
    }

    #[test]
    fn it_is_due_when_cron_says() {
        for (schedule, after, due) in [
            ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
            ("*/15 * * * *", "2026-01-01T00:16:30Z", "2026-01-01T00:30:00Z"),
            ("5 4 * * *", "2026-01-01T04:05:00Z", "2026-01-02T04:05:00Z"),
            ("0 9-17/4 * * MON-fri", "2026-01-02T17:00:00Z", "2026-01-05T09:00:00Z"),
            ("0 0 13 * fri", "2026-01-03T00:00:00Z", "2026-01-09T00:00:00Z"),
            ("0 0 29 2 ?", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("@hourly", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"),
            ("3,1 50/5 * * *", "", ""),
            ("30/10 0 1 jan *", "2026-01-01T00:40:00Z", "2026-01-01T00:50:00Z"),
        ] {
            let Some(schedule) = Schedule::parse(schedule) else {
                assert!(due.is_empty(), "{schedule}");
                continue;
            };
            assert_eq!(schedule.next(at(after)).map(Millis::rfc3339).as_deref(), Some(due));
            assert_eq!(schedule.last(Millis(0), at(due)), Some(at(due)));
        }
    }

    #[test]
    fn what_was_due_lies_between() {
        let schedule = Schedule::parse("0 * * * *").expect("a schedule");
        let (start, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T02:59:59Z"));
        assert_eq!(schedule.last(start, end), Some(at("2026-01-01T02:00:00Z")));
        assert_eq!(schedule.last(at("2026-01-01T02:00:00Z"), end), None);
        let never = Schedule::parse("0 0 31 2 *").expect("a schedule");
        assert_eq!((never.next(start), never.last(start, end)), (None, None));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for bad in
            ["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "* * * * 7", "x * * * *", "@never"]
        {
            assert_eq!(Schedule::parse(bad), None, "{bad}");
        }
    }
}
