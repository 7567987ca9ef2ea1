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
    /// CPU time of all server processes while it ran.
    pub(crate) cpu_us: u64,
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

    pub(crate) fn cpu_us_per_op(&self) -> f64 {
        ratio(self.cpu_us as f64, self.operations() as f64)
    }

    /// Microseconds at or under which `percent` of the operations ended.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied().unwrap_or(0)
    }

    pub(crate) fn to_value(&self) -> Value {
        json!({
            "operations": self.operations(),
            "errors": self.errors,
            "error": self.error,
            "seconds": round(self.elapsed_us as f64 / 1e6),
            "ops_per_second": round(self.rate()),
            "p50_us": self.percentile(50.0),
            "p99_us": self.percentile(99.0),
            "max_us": self.percentile(100.0),
            "cpu_us_per_op": round(self.cpu_us_per_op()),
        })
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
            cpu_us: 500,
            ..Measured::default()
        };
        assert_eq!((measured.percentile(50.0), measured.percentile(99.0), measured.percentile(100.0)), (50, 99, 100));
        assert!((measured.rate() - 100.0).abs() < 1e-9 && (measured.cpu_us_per_op() - 5.0).abs() < 1e-9);
        assert_eq!(Measured::default().percentile(99.0), 0);
        assert!(Measured::default().checked("x").is_err());
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
