//! Amounts of a container's resources as the kernel wants them: thousandths of a core, bytes. Pure.
use super::spec::{Amount, Container, Pod, Resources};

/// Thousandths of the unit that `amount` means, rounded up; `None` if it is no quantity.
#[must_use]
pub fn thousandths(amount: &Amount) -> Option<i128> {
    let text = match amount {
        Amount::Text(text) => text.clone(),
        Amount::Number(number) => number.to_string(),
    };
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    // In thousandths: suffix as (numerator, denominator).
    let (numerator, denominator): (i128, i128) = match suffix {
        "" => (1_000, 1),
        "m" => (1, 1),
        "u" => (1, 1_000),
        "n" => (1, 1_000_000),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        _ => {
            let power: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|power| *power <= 18)?;
            (1_000 * 10_i128.pow(power), 1)
        }
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?.checked_mul(denominator)?;
    let product = digits.checked_mul(numerator)?;
    Some(product.div_euclid(scale) + i128::from(product.rem_euclid(scale) != 0))
}

/// Thousandths of a core.
#[must_use]
pub fn millicores(amounts: &std::collections::BTreeMap<String, Amount>) -> Option<u64> {
    u64::try_from(thousandths(amounts.get("cpu")?)?).ok()
}

#[must_use]
pub fn memory_bytes(amounts: &std::collections::BTreeMap<String, Amount>) -> Option<u64> {
    u64::try_from(thousandths(amounts.get("memory")?)?.checked_add(999)? / 1_000).ok()
}

/// CFS weight on cgroup v1: 1024 a core, at least 2 (kubelet's `MilliCPUToShares`).
#[must_use]
pub fn shares(resources: &Resources) -> u64 {
    let milli = millicores(&resources.requests).or_else(|| millicores(&resources.limits)).unwrap_or(0);
    (milli.saturating_mul(1_024) / 1_000).clamp(2, 262_144)
}

/// CFS quota for a period of 100 ms, in microseconds; at least 1000 (kubelet's `MilliCPUToQuota`).
#[must_use]
pub fn quota(resources: &Resources) -> Option<i64> {
    let milli = millicores(&resources.limits).filter(|milli| *milli > 0)?;
    i64::try_from(milli.saturating_mul(100).max(1_000)).ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Qos {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The pod's quality-of-service class, as Kubernetes computes it over cpu and memory.
#[must_use]
pub fn qos(pod: &Pod) -> Qos {
    let all: Vec<&Container> = pod.spec.containers.iter().chain(&pod.spec.init_containers).collect();
    let set = |amount: Option<&Amount>| amount.and_then(thousandths).filter(|amount| *amount > 0);
    let mut any = false;
    let mut guaranteed = true;
    for container in &all {
        for name in ["cpu", "memory"] {
            let limit = set(container.resources.limits.get(name));
            let request = set(container.resources.requests.get(name)).or(limit);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_read_as_kubernetes_reads_them() {
        let table = [
            ("100m", Some(100)),
            ("1", Some(1_000)),
            ("0.5", Some(500)),
            ("1.0001", Some(1_001)),
            ("64Mi", Some(67_108_864_000)),
            ("1e3", Some(1_000_000)),
            ("12E", None),
            ("", None),
            ("-", None),
            ("x", None),
            ("1Zi", None),
            ("9999999999999999999999999999999999999999P", None),
        ];
        for (text, expected) in table {
            assert_eq!(thousandths(&Amount::Text(text.into())), expected, "{text}");
        }
    }

    #[test]
    fn classes() {
        let class = |resources: serde_json::Value| {
            let pod = json!({"metadata": {"name": "p", "namespace": "d", "uid": "u"},
                "spec": {"containers": [{"name": "c", "resources": resources}]}});
            qos(&Pod::read(&pod).expect("a pod"))
        };
        assert_eq!(class(json!({})), Qos::BestEffort);
        assert_eq!(class(json!({"requests": {"cpu": "1"}})), Qos::Burstable);
        assert_eq!(class(json!({"limits": {"cpu": 1, "memory": "1Gi"}})), Qos::Guaranteed);
        assert_eq!(class(json!({"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "500m"}})), Qos::Burstable);
    }
}
