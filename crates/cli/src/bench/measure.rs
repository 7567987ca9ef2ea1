//! What a load did: how many, how fast, how late, at what cost to the server. It drives nothing.
use crate::failure::Failure;
use serde_json::{Value, json};

/// One load of one system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Microseconds from asking to answer, of each operation that succeeded.
    pub(crate) latencies_us: Vec<u64>,
    pub(crate) errors: u64,
    /// The first error's text.
    pub(crate) error: Option<String>,
    pub(crate) elapsed_us: u64,
    /// CPU time of all server processes while it ran; `None` if they are not known.
    pub(crate) cpu_us: Option<u64>,
}

impl Measured {
    pub(crate) fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.errors += other.errors;
        self.error = self.error.take().or(other.error);
    }

    pub(crate) fn operations(&self) -> u64 {
        self.latencies_us.len() as u64
    }

    /// Operations a second.
    pub(crate) fn rate(&self) -> f64 {
        ratio(self.operations() as f64 * 1e6, self.elapsed_us as f64)
    }

    pub(crate) fn cpu_us_per_op(&self) -> Option<f64> {
        self.cpu_us.map(|cpu| ratio(cpu as f64, self.operations() as f64))
    }

    /// Microseconds at or under which `percent` of the operations ended.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// A failure if nothing succeeded: a benchmark of errors says nothing.
    pub(crate) fn checked(self, of: &str) -> Result<Self, Failure> {
        if self.operations() == 0 {
            let why = self.error.unwrap_or_else(|| "no operation ended in time".into());
            return Err(Failure::new(
                format!("{of}: nothing succeeded ({why})"),
                "see that the server answers, then measure again",
            ));
        }
        Ok(self)
    }
}

/// How many rounds may be asked for.
pub(crate) fn rounds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rounds| (1..=100).contains(rounds)).ok_or_else(|| "say 1 to 100 rounds".into())
}

pub(crate) fn clients(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|clients| (1..=10_000).contains(clients)).ok_or_else(|| "say 1 to 10000 clients".into())
}

/// Medians over the rounds, with the least and the most of what a shared machine moves most.
pub(crate) fn summary(rounds: &[Measured]) -> Value {
    let all = |of: fn(&Measured) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let (rates, p99s) = (all(Measured::rate), all(|m| m.percentile(99.0) as f64));
    let cpus: Option<Vec<f64>> = rounds.iter().map(Measured::cpu_us_per_op).collect();
    let cpu = |of: fn(Vec<f64>) -> f64| cpus.clone().map(|cpus| round(of(cpus)));
    json!({
        "rounds": rounds.len(),
        "operations": rounds.iter().map(Measured::operations).sum::<u64>(),
        "errors": rounds.iter().map(|m| m.errors).sum::<u64>(),
        "error": rounds.iter().find_map(|m| m.error.clone()),
        "seconds": round(all(|m| m.elapsed_us as f64).iter().sum::<f64>() / 1e6),
        "ops_per_second": round(median(rates.clone())),
        "ops_per_second_min": round(least(rates.clone())),
        "ops_per_second_max": round(most(rates)),
        "p50_us": median(all(|m| m.percentile(50.0) as f64)),
        "p99_us": median(p99s.clone()),
        "p99_us_min": least(p99s.clone()),
        "p99_us_max": most(p99s),
        "max_us": most(all(|m| m.percentile(100.0) as f64)),
        "cpu_us_per_op": cpu(median),
        "cpu_us_per_op_min": cpu(least),
        "cpu_us_per_op_max": cpu(most),
    })
}

fn least(numbers: Vec<f64>) -> f64 {
    numbers.into_iter().fold(f64::INFINITY, f64::min)
}

fn most(numbers: Vec<f64>) -> f64 {
    numbers.into_iter().fold(0.0, f64::max)
}

/// `a / b`, or 0 where that has no meaning.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// Two decimals are more than a shared machine can promise.
pub(crate) fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The median; 0 of nothing.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_rates() {
        let measured = Measured {
            latencies_us: (1..=100).rev().collect(),
            elapsed_us: 1_000_000,
            cpu_us: Some(500),
            ..Measured::default()
        };
        assert_eq!((measured.percentile(50.0), measured.percentile(99.0), measured.percentile(100.0)), (50, 99, 100));
        assert!(
            (measured.rate() - 100.0).abs() < 1e-9
                && measured.cpu_us_per_op().is_some_and(|cpu| (cpu - 5.0).abs() < 1e-9)
        );
        let told = summary(&[measured.clone(), Measured { cpu_us: None, ..measured.clone() }]);
        assert!(
            told["cpu_us_per_op"].is_null() && told["operations"] == 200 && told["ops_per_second"] == 100.0,
            "{told}"
        );
        assert_eq!(Measured::default().percentile(99.0), 0);
        assert!(Measured::default().checked("x").is_err());
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
