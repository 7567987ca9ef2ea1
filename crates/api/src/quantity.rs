//! Kubernetes' resource quantities: `500m`, `1Gi`, `2e3`. Exact arithmetic on billionths; never a float.
//!
//! `Quantity::parse(&str) -> Result<Quantity, QuantityError>`, `canonical() -> String`, `thousandths() -> i64` (rounded up).
//! Grammar and canonical form are those of `resource.Quantity` in Kubernetes' API conventions.

/// An amount in billionths, and how it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Decimal,
    Binary,
    Exponent,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Digits missing or misplaced.
    Format,
    /// An unknown unit.
    Suffix,
}

impl std::fmt::Display for QuantityError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for QuantityError {}

const NANOS: i128 = 1_000_000_000;
/// Amounts are capped here, as in Kubernetes.
const MAX: i128 = i64::MAX as i128 * NANOS;
const DECIMAL: [(&str, u32); 10] =
    [("E", 27), ("P", 24), ("T", 21), ("G", 18), ("M", 15), ("k", 12), ("", 9), ("m", 6), ("u", 3), ("n", 0)];
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
/// Digits beyond these cannot matter: the cap has 19, billionths have 9.
const DIGITS_MAX: usize = 128;

impl Quantity {
    /// # Errors
    /// If `text` is not a number with a known unit.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > DIGITS_MAX {
            return Err(QuantityError::Format);
        }
        let (style, tens, twos) = unit(suffix)?;
        let nanos = scaled(whole, fraction, tens, twos).min(MAX);
        Ok(Self { nanos: if negative { -nanos } else { nanos }, style })
    }

    /// The one way Kubernetes prints this amount: no fraction, the largest unit that loses nothing.
    #[must_use]
    pub fn canonical(&self) -> String {
        match self.style {
            Style::Binary if self.nanos.abs() >= 1_024 * NANOS => self.binary(),
            Style::Exponent => self.exponent(),
            _ => self.decimal(),
        }
    }

    /// Thousandths, rounded up (away from zero), capped at the range of i64.
    #[must_use]
    pub fn thousandths(&self) -> i64 {
        let up = (self.nanos.abs() + 999_999) / 1_000_000;
        let milli = i64::try_from(up).unwrap_or(i64::MAX);
        if self.nanos < 0 { -milli } else { milli }
    }

    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    pub const ZERO: Self = Self { nanos: 0, style: Style::Decimal };

    /// So many whole ones.
    #[must_use]
    pub fn of(count: usize) -> Self {
        let count = i128::try_from(count).unwrap_or(i128::MAX / NANOS);
        Self { nanos: (count * NANOS).min(MAX), style: Style::Decimal }
    }

    /// The sum, capped as every amount is; it is printed as the first is, unless that is nothing.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let style = if self.nanos == 0 { other.style } else { self.style };
        Self { nanos: (self.nanos + other.nanos).clamp(-MAX, MAX), style }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self { nanos: -other.nanos, ..other })
    }

    /// So many times as much, capped.
    #[must_use]
    pub fn by(self, count: usize) -> Self {
        let count = i128::try_from(count).unwrap_or(i128::MAX);
        Self { nanos: self.nanos.saturating_mul(count).clamp(-MAX, MAX), ..self }
    }

    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        self.nanos > other.nanos
    }

    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// How many times `each` is in it; none if there is nothing, or less.
    #[must_use]
    pub fn times(&self, each: &Self) -> usize {
        if self.nanos <= 0 || each.nanos <= 0 {
            return 0;
        }
        usize::try_from(self.nanos / each.nanos).unwrap_or(usize::MAX)
    }

    /// Whether it is more than `times` as much as `other`.
    #[must_use]
    pub fn exceeds_times(&self, other: &Self, times: &Self) -> bool {
        self.nanos.saturating_mul(NANOS) > times.nanos.saturating_mul(other.nanos)
    }

    /// How many times `other` it is, with six digits after the point; `other` is not nothing.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> String {
        const DIGITS: i128 = 1_000_000;
        let divisor = other.nanos.max(1);
        let rounded = (self.nanos.saturating_mul(DIGITS) + divisor / 2) / divisor;
        format!("{}.{:06}", rounded / DIGITS, rounded % DIGITS)
    }

    /// Whether it is a whole number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nanos % NANOS == 0
    }

    fn decimal(&self) -> String {
        if self.nanos == 0 {
            return "0".into();
        }
        let (suffix, tens) = largest(self.nanos);
        format!("{}{suffix}", self.nanos / 10_i128.pow(tens))
    }

    fn exponent(&self) -> String {
        if self.nanos == 0 {
            return "0".into();
        }
        let (_, tens) = largest(self.nanos);
        let mantissa = self.nanos / 10_i128.pow(tens);
        match i64::from(tens) - 9 {
            0 => mantissa.to_string(),
            power => format!("{mantissa}e{power}"),
        }
    }

    fn binary(&self) -> String {
        let whole = (self.nanos.abs() + NANOS - 1) / NANOS * self.nanos.signum();
        let fit = BINARY.iter().find(|(_, bits)| whole % (1 << bits) == 0);
        fit.map_or_else(|| whole.to_string(), |(suffix, bits)| format!("{}{suffix}", whole >> bits))
    }
}

/// `text` in its canonical form, or nothing if it is no quantity.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    Quantity::parse(text).ok().map(|quantity| quantity.canonical())
}

/// Thousandths of `text`; 0 if it is no quantity.
#[must_use]
pub fn thousandths(text: &str) -> i64 {
    Quantity::parse(text).map_or(0, |quantity| quantity.thousandths())
}

fn largest(nanos: i128) -> (&'static str, u32) {
    DECIMAL.iter().copied().find(|(_, tens)| nanos % 10_i128.pow(*tens) == 0).unwrap_or(("n", 0))
}

/// Style, power of ten and power of two of a unit.
fn unit(suffix: &str) -> Result<(Style, i32, u32), QuantityError> {
    if let Some((_, bits)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Ok((Style::Binary, 0, *bits));
    }
    if let Some((_, tens)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Ok((Style::Decimal, i32::try_from(*tens).unwrap_or(0) - 9, 0));
    }
    let power = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    let power: i32 = power.parse().map_err(|_| QuantityError::Suffix)?;
    Ok((Style::Exponent, power.clamp(-64, 64), 0))
}

/// Billionths of `whole.fraction × 10^tens × 2^twos`, rounded up, capped.
fn scaled(whole: &str, fraction: &str, tens: i32, twos: u32) -> i128 {
    // All digits as one number, then the point moved: `places` of them stand behind it.
    let mut places = i32::try_from(fraction.len()).unwrap_or(i32::MAX) - tens - 9;
    let mut value: i128 = 0;
    let mut lost = false;
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit - b'0'));
    for digit in &mut digits {
        if value > MAX {
            // Too large for any unit to bring back, or more digits than billionths: only the scale goes on.
            places -= 1;
            lost |= digit != 0;
            continue;
        }
        value = value * 10 + digit;
    }
    // Binary first, for it may fill what the fraction leaves; 2^60 × 2^93 does not fit, so it is checked.
    let Some(grown) = value.checked_mul(1 << twos) else { return MAX };
    value = grown;
    for _ in 0..places.max(0) {
        lost |= value % 10 != 0;
        value /= 10;
    }
    for _ in 0..(-places).max(0) {
        if value > MAX {
            return MAX;
        }
        value *= 10;
    }
    value.saturating_add(i128::from(lost))
}

#[cfg(test)]
mod tests {
    use super::{Quantity, canonical, thousandths};
    use proptest::prelude::*;

    #[test]
    fn canonical_forms_are_kubernetes_own() {
        let table = [
            ("0", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("1000Ki", "1000Ki"),
            ("1Gi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("100", "100"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("-2.5", "-2500m"),
            ("+3", "3"),
            ("0.1Mi", "104858"),
            ("512", "512"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            (".5", "500m"),
            ("5.", "5"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("123456789012345678901234567890", "9223372036854775807"),
        ];
        for (text, printed) in table {
            assert_eq!(canonical(text).as_deref(), Some(printed), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "-", "x", "1x", "1 Gi", "1.2.3", ".", "1ki", "1e", "e3", "--1", "1GiB"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn thousandths_round_up() {
        assert_eq!(
            (thousandths("100m"), thousandths("2"), thousandths("1u"), thousandths("64Mi")),
            (100, 2_000, 1, 67_108_864_000)
        );
        assert_eq!(thousandths("8Ei"), i64::MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_met_without_panic(text in "[-+]?[0-9.]{0,140}[a-zA-Z0-9-]{0,4}") {
            if let Ok(quantity) = Quantity::parse(&text) {
                let printed = quantity.canonical();
                let again = Quantity::parse(&printed).expect("canonical text is a quantity");
                prop_assert_eq!(again.canonical(), printed);
            }
        }

        #[test]
        fn whole_numbers_keep_their_value(n in 0_i64..1_000_000_000) {
            prop_assert_eq!(thousandths(&n.to_string()), n * 1_000);
            prop_assert_eq!(thousandths(&canonical(&n.to_string()).expect("digits")), n * 1_000);
        }
    }
}
