//! What a load costs the server: the CPU time of its processes on this machine or, of a server elsewhere, what its metrics say.
use super::process::Meter;
use crate::client::Target;
use hyper::Method;

/// The count of Prometheus' client libraries, in seconds, which every kube-apiserver publishes.
const METRIC: &str = "process_cpu_seconds_total ";

/// Counts from now on.
pub(crate) enum Cost {
    Processes(Meter),
    /// The server's own count in microseconds at the start. It is of the one process that answers.
    Metrics {
        target: Target,
        before: u64,
    },
    Unknown,
}

impl Cost {
    /// `pids` are the server's processes where they are known.
    pub(crate) async fn start(target: &Target, pids: &[u32]) -> Self {
        if !pids.is_empty() {
            return Self::Processes(Meter::start(pids));
        }
        match published(target).await {
            Some(before) => Self::Metrics { target: target.clone(), before },
            None => Self::Unknown,
        }
    }

    /// Microseconds since the start; `None` if nobody says.
    pub(crate) async fn used_us(&self) -> Option<u64> {
        match self {
            Self::Processes(meter) => meter.used_us(),
            Self::Metrics { target, before } => Some(published(target).await?.saturating_sub(*before)),
            Self::Unknown => None,
        }
    }
}

async fn published(target: &Target) -> Option<u64> {
    let (status, page) = target.connect().await.ok()?.call(Method::GET, "/metrics", None).await.ok()?;
    if status == 200 { cpu_us(&String::from_utf8_lossy(&page)) } else { None }
}

fn cpu_us(page: &str) -> Option<u64> {
    let seconds: f64 = page.lines().find_map(|line| line.strip_prefix(METRIC))?.trim().parse().ok()?;
    Some((seconds * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_count_is_found() {
        let page = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5\n";
        assert_eq!((super::cpu_us(page), super::cpu_us("x 1\n")), (Some(12_500_000), None));
    }
}
