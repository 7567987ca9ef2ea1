//! A schedule as cron writes it (minute, hour, day of the month, month, day of the week) or an interval, in the time of a zone: when it
//! is due before and after a moment. It knows no seconds of cron, and reads no clock and no zone of the machine.
use crate::duration;
use crate::revision::{Millis, civil};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

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
const EVERY: &str = "@every ";

/// When something is due, and in the time of which zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// Milliseconds, whole seconds.
    Every(u64),
    At(Fields),
}

/// Each field as a set of bits.
#[derive(Clone, Copy, Debug)]
struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both fields of days are restricted: then one of them is enough.
    either: bool,
}

/// The zone of that name in the IANA's database, as it is spelt there.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

impl Schedule {
    /// In UTC, until it is said otherwise.
    ///
    /// # Errors
    /// It is none; in the words of Kubernetes' own reader of cron.
    pub fn parse(text: &str) -> Result<Self, String> {
        let when = if let Some(every) = text.strip_prefix(EVERY) {
            let nanos =
                duration::nanos(every).map_err(|why| format!("failed to parse duration {text}: time: {why}"))?;
            let seconds = u64::try_from(nanos).unwrap_or(0) / 1_000_000_000;
            When::Every(seconds.max(1) * 1_000)
        } else {
            When::At(Fields::parse(text)?)
        };
        Ok(Self { when, zone: TimeZone::UTC })
    }

    #[must_use]
    pub fn of(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    /// The first moment after `now` at which it is due; intervals are counted from `since`.
    #[must_use]
    pub fn next(&self, since: Millis, now: Millis) -> Option<Millis> {
        match &self.when {
            When::Every(each) => {
                let gone = now.0.saturating_sub(since.0) / each;
                Some(Millis(since.0.saturating_add((gone + 1).saturating_mul(*each))))
            }
            When::At(fields) => {
                let first = self.local(now) / DAY;
                let days = (first..first + DAYS_MAX).filter(|day| fields.on(*day));
                days.flat_map(|day| self.of_day(fields, day)).find(|due| *due > now)
            }
        }
    }

    /// The last moment at which it was due, after `since` and not after `now`.
    #[must_use]
    pub fn last(&self, since: Millis, now: Millis) -> Option<Millis> {
        let due = match &self.when {
            When::Every(each) => Some(Millis(since.0 + now.0.saturating_sub(since.0) / each * each)),
            When::At(fields) => {
                let last = self.local(now) / DAY;
                let first = (self.local(since) / DAY).max(last.saturating_sub(DAYS_MAX));
                let days = (first..=last).rev().filter(|day| fields.on(*day));
                days.flat_map(|day| self.of_day(fields, day).into_iter().rev()).find(|due| *due <= now)
            }
        };
        due.filter(|due| *due > since)
    }

    /// The moment as the clocks of its zone show it, RFC 3339.
    #[must_use]
    pub fn shown(&self, moment: Millis) -> String {
        let (offset, utc) = (self.offset(moment), moment.rfc3339());
        let shown = Millis(self.local(moment)).rfc3339();
        match shown.strip_suffix('Z') {
            Some(shown) if self.zone != TimeZone::UTC && offset != 0 => {
                let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
                format!("{shown}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            _ => utc,
        }
    }

    /// Seconds by which the zone is before UTC then.
    fn offset(&self, moment: Millis) -> i64 {
        let stamp = i64::try_from(moment.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        stamp.map_or(0, |stamp| i64::from(self.zone.to_offset(stamp).seconds()))
    }

    /// What the clocks of the zone show then, as milliseconds since they showed 1970.
    fn local(&self, moment: Millis) -> u64 {
        moment.0.saturating_add_signed(self.offset(moment) * 1_000)
    }

    /// The moments of that day of the zone at which it is due, in their order: an hour that the clocks leave out has none, and one that
    /// they show twice has each twice.
    fn of_day(&self, fields: &Fields, day: u64) -> Vec<Millis> {
        let mut due: Vec<_> = fields.of_day(day).flat_map(|minute| self.moments(minute * MINUTE)).collect();
        due.sort_unstable();
        due
    }

    /// When the clocks of the zone show that.
    fn moments(&self, local: u64) -> impl Iterator<Item = Millis> + use<> {
        let shown = i64::try_from(local).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let shown = shown.map(|stamp| self.zone.to_ambiguous_timestamp(Offset::UTC.to_datetime(stamp)).offset());
        let offsets = match shown {
            Some(AmbiguousOffset::Unambiguous { offset }) => [Some(offset), None],
            Some(AmbiguousOffset::Fold { before, after }) => [Some(before), Some(after)],
            Some(AmbiguousOffset::Gap { .. }) | None => [None, None],
        };
        let seconds = offsets.into_iter().flatten().map(|offset| i64::from(offset.seconds()));
        seconds.filter_map(move |seconds| local.checked_add_signed(-seconds * 1_000).map(Millis))
    }
}

impl Fields {
    fn parse(text: &str) -> Result<Self, String> {
        let meant = NAMED.iter().find(|(name, _)| *name == text).map_or(text, |(_, meant)| meant);
        if meant.starts_with('@') {
            return Err(format!("unrecognized descriptor: {meant}"));
        }
        let fields: Vec<&str> = meant.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        let restricted = |field: &str| !matches!(field, "*" | "?" | "*/1");
        Ok(Self {
            minutes: set(minutes, 0, 59, &[])?,
            hours: set(hours, 0, 23, &[])?,
            days: set(days, 1, 31, &[])?,
            months: set(months, 1, 12, &MONTHS)?,
            weekdays: set(weekdays, 0, 6, &DAYS)?,
            either: restricted(days) && restricted(weekdays),
        })
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
fn set(field: &str, least: u64, most: u64, names: &[&str]) -> Result<u64, String> {
    let mut bits = 0;
    for part in field.split(',').filter(|part| !part.is_empty()) {
        let (first, last, step) = range(part, least, most, names)?;
        let mut at = first;
        while at <= last {
            bits |= 1 << at;
            at += step;
        }
    }
    Ok(bits)
}

/// First, last and step of one part.
fn range(part: &str, least: u64, most: u64, names: &[&str]) -> Result<(u64, u64, u64), String> {
    let number = |word: &str| {
        let small = word.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == small).and_then(|at| u64::try_from(at).ok());
        named.map_or_else(|| whole(word), |at| Ok(at + least))
    };
    let pieces: Vec<&str> = part.split('/').collect();
    let (bounds, step) = match pieces.as_slice() {
        [bounds] => (*bounds, None),
        [bounds, step] => (*bounds, Some(*step)),
        _ => return Err(format!("too many slashes: {part}")),
    };
    let ends: Vec<&str> = bounds.split('-').collect();
    let (first, last) = match ends.as_slice() {
        ["*" | "?", ..] => (least, most),
        [one] => (number(one)?, if step.is_some() { most } else { number(one)? }),
        [first, last] => (number(first)?, number(last)?),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    let step = step.map_or(Ok(1), whole)?;
    if first < least {
        return Err(format!("beginning of range ({first}) below minimum ({least}): {part}"));
    }
    if last > most {
        return Err(format!("end of range ({last}) above maximum ({most}): {part}"));
    }
    if first > last {
        return Err(format!("beginning of range ({first}) beyond end of range ({last}): {part}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    Ok((first, last, step.min(most + 1)))
}

fn whole(word: &str) -> Result<u64, String> {
    let why = |why: &str| format!("failed to parse int from {word}: strconv.Atoi: parsing {word:?}: {why}");
    match word.parse::<i64>() {
        Ok(number) => u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {word}")),
        Err(error) => Err(why(match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        })),
    }
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
            ("30/10 0 1 jan *", "2026-01-01T00:40:00Z", "2026-01-01T00:50:00Z"),
            ("1,,2 * * * *", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"),
        ] {
            let schedule = Schedule::parse(schedule).expect(schedule);
            assert_eq!(schedule.next(Millis(0), at(after)).map(Millis::rfc3339).as_deref(), Some(due));
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
        assert_eq!((never.next(start, start), never.last(start, end)), (None, None));
    }

    #[test]
    fn an_interval_is_counted_from_where_it_began() {
        let schedule = Schedule::parse("@every 1h30m").expect("a schedule");
        let (since, now) = (at("2026-01-01T00:10:00Z"), at("2026-01-01T04:00:00Z"));
        assert_eq!(schedule.next(since, now), Some(at("2026-01-01T04:40:00Z")));
        assert_eq!(schedule.last(since, now), Some(at("2026-01-01T03:10:00Z")));
        assert_eq!(schedule.last(since, at("2026-01-01T01:00:00Z")), None);
        let least = Schedule::parse("@every 1ms").expect("a schedule");
        assert_eq!(least.next(since, since), Some(Millis(since.0 + 1_000)));
    }

    /// In Berlin the clocks left out 2 o'clock on 29 March 2026 and showed it twice on 25 October.
    #[test]
    fn the_clocks_of_a_zone_count() {
        let of = |text: &str, name: &str| Schedule::parse(text).expect(text).of(zone(name).expect(name));
        let all = |schedule: &Schedule, from: &str, count: usize| {
            let mut now = at(from);
            let mut due = Vec::new();
            while due.len() < count {
                now = schedule.next(Millis(0), now).expect("due once more");
                assert_eq!(schedule.last(Millis(0), now), Some(now));
                due.push(schedule.shown(now));
            }
            due
        };
        let night = of("30 2 * * *", "Europe/Berlin");
        assert_eq!(
            all(&night, "2026-03-27T12:00:00Z", 2),
            ["2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"],
            "not at a time that was not"
        );
        assert_eq!(
            all(&night, "2026-10-24T12:00:00Z", 3),
            ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2026-10-26T02:30:00+01:00"],
            "at each time that was twice"
        );
        let west = of("0 20 * * fri", "America/New_York");
        assert_eq!(all(&west, "2026-01-01T00:00:00Z", 1), ["2026-01-02T20:00:00-05:00"]);
        assert_eq!(west.next(Millis(0), at("2026-01-01T00:00:00Z")), Some(at("2026-01-03T01:00:00Z")));
        assert_eq!(all(&of("0 0 * * *", "Asia/Kathmandu"), "2026-01-01T00:00:00Z", 1), ["2026-01-02T00:00:00+05:45"]);
        assert_eq!(all(&of("0 0 * * *", "Etc/UTC"), "2026-01-01T00:00:00Z", 1), ["2026-01-02T00:00:00Z"]);
    }

    #[test]
    fn zones_are_spelt_as_in_the_database() {
        for (name, known) in [
            ("Europe/Berlin", true),
            ("UTC", true),
            ("Etc/GMT+5", true),
            ("europe/berlin", false),
            ("Foo/Bar", false),
            ("", false),
        ] {
            assert_eq!(zone(name).is_some(), known, "{name}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        for (bad, why) in [
            ("", "expected exactly 5 fields, found 0: []"),
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("3,1 50/5 * * *", "beginning of range (50) beyond end of range (23): 50/5"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
            ("@never", "unrecognized descriptor: @never"),
            ("@every 1x", "failed to parse duration @every 1x: time: unknown unit \"x\" in duration \"1x\""),
        ] {
            assert_eq!(Schedule::parse(bad).map(|_| ()), Err(why.to_owned()), "{bad}");
        }
        assert!(Schedule::parse("*/18446744073709551615 * * * *").is_err());
        assert!(Schedule::parse("*/9223372036854775807 * * * *").is_ok(), "it steps over all but the first");
    }
}
