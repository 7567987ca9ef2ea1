//! Quantities against exact arithmetic of whole numbers of any size: what they are worth, their sum, their canonical form.
use api::quantity::Quantity;
use proptest::prelude::*;
use std::cmp::Ordering;

/// A whole number, its digits in base 10, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Whole(Vec<u32>);

impl Whole {
    fn of(digits: &str) -> Self {
        Self(digits.bytes().rev().map(|digit| u32::from(digit - b'0')).collect()).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn times(&self, factor: u32) -> Self {
        let mut carry = 0;
        let mut digits: Vec<u32> = Vec::new();
        for digit in &self.0 {
            let product = digit * factor + carry;
            digits.push(product % 10);
            carry = product / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
        Self(digits).trimmed()
    }

    fn power(self, base: u32, times: u32) -> Self {
        (0..times).fold(self, |whole, _| whole.times(base))
    }

    /// Over ten to the power, rounded up.
    fn shifted_up(&self, places: usize) -> Self {
        let lost = self.0.iter().take(places).any(|digit| *digit > 0);
        let whole = Self(self.0.iter().skip(places).copied().collect());
        if lost { whole.plus(&Self(vec![1])) } else { whole }
    }

    fn plus(&self, other: &Self) -> Self {
        let (mut carry, mut digits) = (0, Vec::new());
        for at in 0..self.0.len().max(other.0.len()) {
            let sum = self.0.get(at).unwrap_or(&0) + other.0.get(at).unwrap_or(&0) + carry;
            digits.push(sum % 10);
            carry = sum / 10;
        }
        digits.push(carry);
        Self(digits).trimmed()
    }

    fn compared(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// Binary units by powers of two, decimal ones by powers of ten over the smallest.
const UNITS: [(&str, u32, u32); 16] = [
    ("n", 0, 0),
    ("u", 3, 0),
    ("m", 6, 0),
    ("", 9, 0),
    ("k", 12, 0),
    ("M", 15, 0),
    ("G", 18, 0),
    ("T", 21, 0),
    ("P", 24, 0),
    ("E", 27, 0),
    ("Ki", 9, 10),
    ("Mi", 9, 20),
    ("Gi", 9, 30),
    ("Ti", 9, 40),
    ("Pi", 9, 50),
    ("Ei", 9, 60),
];

/// Billionths, as Kubernetes keeps them: rounded up, and no more than 2^63-1 whole ones.
fn worth(whole: &str, fraction: &str, unit: (u32, u32)) -> Whole {
    let all = Whole::of(&format!("{whole}{fraction}")).power(10, unit.0).power(2, unit.1);
    let (exact, most) = (all.shifted_up(fraction.len()), Whole::of("9223372036854775807").power(10, 9));
    if exact.compared(&most) == Ordering::Greater { most } else { exact }
}

/// What a canonical text is worth, which has neither sign nor fraction.
fn read(canonical: &str) -> Whole {
    let end = canonical.find(|c: char| !c.is_ascii_digit()).unwrap_or(canonical.len());
    let (digits, suffix) = canonical.split_at(end);
    let (_, tens, twos) = UNITS.iter().find(|(known, ..)| *known == suffix).unwrap_or_else(|| panic!("{canonical}"));
    worth(digits, "", (*tens, *twos))
}

fn amounts() -> impl Strategy<Value = (String, Whole, bool)> {
    ("[0-9]{1,22}", "[0-9]{0,14}", 0..UNITS.len()).prop_map(|(whole, fraction, unit)| {
        let (suffix, tens, twos) = UNITS[unit];
        (format!("{whole}.{fraction}{suffix}"), worth(&whole, &fraction, (tens, twos)), twos > 0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_is_worth_what_it_says(amount in amounts()) {
        let (text, worth, binary) = amount;
        let quantity = Quantity::parse(&text).expect("a quantity");
        let printed = read(&quantity.canonical());
        let whole = worth.shifted_up(9).power(10, 9);
        // Of a binary amount no fraction is printed, beyond a Ki.
        let expected = if binary && worth.compared(&Whole::of("1024").power(10, 9)) != Ordering::Less { whole } else { worth.clone() };
        prop_assert_eq!(printed, expected, "{} as {}", text, quantity.canonical());
        let thousandths = Whole::of(&quantity.thousandths().to_string());
        let most = Whole::of(&i64::MAX.to_string());
        let exact = worth.shifted_up(6);
        prop_assert_eq!(thousandths, if exact.compared(&most) == Ordering::Greater { most } else { exact });
        prop_assert_eq!(quantity.is_zero(), worth.0.is_empty());
    }

    #[test]
    fn a_sum_is_the_sum(one in amounts(), other in amounts()) {
        let (a, b) = (Quantity::parse(&one.0).expect("a quantity"), Quantity::parse(&other.0).expect("a quantity"));
        let (sum, most) = (one.1.plus(&other.1), Whole::of("9223372036854775807").power(10, 9));
        let sum = if sum.compared(&most) == Ordering::Greater { most } else { sum };
        let up = a.plus(b);
        // Thousandths are what is left of a sum in any unit.
        let exact = sum.shifted_up(6);
        let capped = Whole::of(&i64::MAX.to_string());
        let exact = if exact.compared(&capped) == Ordering::Greater { capped } else { exact };
        prop_assert_eq!(Whole::of(&up.thousandths().to_string()), exact);
        prop_assert_eq!(a.exceeds(&b), one.1.compared(&other.1) == Ordering::Greater);
        prop_assert!(up.minus(up).is_zero() && a.by(2) == a.plus(a));
        if sum.compared(&Whole::of("9223372036854775807").power(10, 9)) == Ordering::Less {
            prop_assert_eq!(up.minus(b).thousandths(), a.thousandths());
        }
    }

    #[test]
    fn a_sign_turns_it_about(amount in amounts()) {
        let (up, down) = (Quantity::parse(&amount.0).expect("a quantity"), Quantity::parse(&format!("-{}", amount.0)).expect("a quantity"));
        prop_assert_eq!(down.thousandths(), -up.thousandths());
        prop_assert!(up.plus(down).is_zero());
        prop_assert_eq!(down.canonical().trim_start_matches('-').to_owned(), up.canonical());
    }
}
