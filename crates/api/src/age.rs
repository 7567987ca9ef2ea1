//! How long ago, in the few characters a table has room for. It is given both times.
use crate::revision::Millis;

/// `5s`, `3m12s`, `45m`, `7h30m`, `3d4h`, `2y17d`: as kubectl prints ages.
#[must_use]
pub fn since(then: Millis, now: Millis) -> String {
    if now.0 + 1_000 < then.0 {
        return "<invalid>".into();
    }
    between(now.0.saturating_sub(then.0))
}

/// A duration in milliseconds, printed so.
#[must_use]
pub fn between(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let pair = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 24 * 8 => pair(hours / 24, "d", hours % 24, "h"),
        () if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        () if hours < 24 * 365 * 8 => pair(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        () => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::{between, since};
    use crate::revision::Millis;

    #[test]
    fn ages_as_kubectl_prints_them() {
        let table = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (192, "3m12s"),
            (2_700, "45m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (27_000, "7h30m"),
            (86_400, "24h"),
            (172_800, "2d"),
            (273_600, "3d4h"),
            (86_400 * 30, "30d"),
            (86_400 * (730 + 17), "2y17d"),
            (86_400 * 365 * 9, "9y"),
        ];
        for (seconds, text) in table {
            assert_eq!(between(seconds * 1_000), text);
        }
        assert_eq!(since(Millis(5_000), Millis(1_000)), "<invalid>");
        assert_eq!(since(Millis(5_000), Millis(4_500)), "0s");
    }
}
