//! How long a request may take: as long as its `timeout` says, and never longer than every request may. What lasts is for others to end.
use crate::limits::REQUEST_MAX;
use crate::query::Parameters;
use api::status::Status;
use std::time::Duration;

/// How long the request with these parameters may take.
///
/// # Errors
/// 400 in Kubernetes' words if `timeout` is no duration.
pub fn of(query: &Parameters) -> Result<Duration, Status> {
    let Some(text) = query.get("timeout") else { return Ok(REQUEST_MAX) };
    let nanos = nanos(text)
        .map_err(|why| Status::bad_request(format!("invalid timeout specified in the request URL - time: {why}")))?;
    // No time at all is what Kubernetes takes for no wish.
    let asked = u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos);
    Ok(asked.map_or(REQUEST_MAX, |asked| asked.min(REQUEST_MAX)))
}

/// # Errors
/// 504 as Kubernetes words it if `work` is not done in time. What it has begun may still come to pass.
pub async fn within<T>(most: Duration, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    rt::timeout(most, work).await.unwrap_or_else(|| {
        let why = "Timeout: request did not complete within requested timeout - context deadline exceeded";
        Err(Status::new(504, "Timeout", why).detailed())
    })
}

const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];

/// A duration as Go's `time.ParseDuration` reads it: `1h30m`, `-1.5s`, `0`.
fn nanos(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid duration {text:?}");
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    let mut total = 0.0;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(number);
        let value: f64 = digits.parse().map_err(|_| invalid())?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if unit.is_empty() {
            return Err(format!("missing unit in duration {text:?}"));
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, each) = known.ok_or_else(|| format!("unknown unit {unit:?} in duration {text:?}"))?;
        total += value * each;
        rest = tail;
    }
    if total >= NANOS_END {
        return Err(invalid());
    }
    let total = Duration::from_secs_f64(total / 1e9).as_nanos();
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

/// Go counts nanoseconds in 63 bits.
const NANOS_END: f64 = 9.2e18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_go_reads_it() {
        let of = |text: &str| of(&Parameters::parse(Some(&format!("timeout={text}"))).expect("a query"));
        for (text, want) in [
            ("", REQUEST_MAX),
            ("0", REQUEST_MAX),
            ("0s", REQUEST_MAX),
            ("-5s", REQUEST_MAX),
            ("5s", Duration::from_secs(5)),
            ("1.5s", Duration::from_millis(1_500)),
            ("%2B1s250ms", Duration::from_millis(1_250)),
            (".5s", Duration::from_millis(500)),
            ("7us", Duration::from_micros(7)),
            ("2h", REQUEST_MAX),
        ] {
            assert_eq!(of(text), Ok(want), "{text}");
        }
        for (text, want) in [
            ("soon", "invalid duration \"soon\""),
            ("10", "missing unit in duration \"10\""),
            ("10x", "unknown unit \"x\" in duration \"10x\""),
            (".s", "invalid duration \".s\""),
            ("-", "invalid duration \"-\""),
            ("99999999999h", "invalid duration \"99999999999h\""),
        ] {
            let refused = of(text).expect_err(text);
            let want = format!("invalid timeout specified in the request URL - time: {want}");
            assert_eq!((refused.code, refused.message.clone()), (400, want), "{text}");
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let done = within(Duration::from_secs(5), async { Ok(7) }).await;
        assert_eq!(done, Ok(7));
        let late = within(Duration::from_millis(5), std::future::pending::<Result<(), Status>>()).await;
        assert_eq!(late.map_err(|status| (status.code, status.reason)), Err((504, "Timeout")));
    }
}
