//! How long a request may take: as long as its `timeout` says, and never longer than every request may. What lasts is for others to end.
use crate::limits::REQUEST_MAX;
use crate::query::Parameters;
use api::duration;
use api::status::Status;
use std::time::Duration;

/// How long the request with these parameters may take.
///
/// # Errors
/// 400 in Kubernetes' words if `timeout` is no duration.
pub fn of(query: &Parameters) -> Result<Duration, Status> {
    let Some(text) = query.get("timeout") else { return Ok(REQUEST_MAX) };
    let nanos = duration::nanos(text)
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
