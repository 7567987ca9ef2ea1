//! Formats of texts, as far as Kubernetes checks them (kube-openapi's strfmt); those it does not know it ignores, and so do we.
use regex::Regex;
use std::sync::LazyLock;

/// Whether `text` is of `format`.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => date_time(text),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => duration(text),
        "byte" => crate::base64::decode(text).is_some(),
        "ipv4" => text.parse::<core::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<core::net::Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => MAC.is_match(text),
        "uuid" => UUID.is_match(text),
        "uuid3" => UUID.is_match(text) && version(text, "3", false),
        "uuid4" => UUID.is_match(text) && version(text, "4", true),
        "uuid5" => UUID.is_match(text) && version(text, "5", true),
        "email" => email(text),
        "hostname" => text.len() <= 255 && HOST.is_match(text),
        "uri" => URI.is_match(text),
        "hexcolor" => HEX_COLOUR.is_match(text),
        "rgbcolor" => RGB_COLOUR.is_match(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "creditcard" => card(text),
        "ssn" => SSN.is_match(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "isbn" => isbn10(text) || isbn13(text),
        "k8s-short-name" => crate::name::label(text).is_empty(),
        "k8s-long-name" => crate::name::subdomain(text).is_empty(),
        _ => true,
    }
}

/// A pattern of this file; one that cannot be read matches nothing, and the test below reads them all.
macro_rules! patterns {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).unwrap_or_else(|_| never()));)*
    };
}

patterns! {
    MAC = r"^(?i)([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^(?i)([0-9a-f]{2}[:-]){7}[0-9a-f]{2}$|^(?i)([0-9a-f]{4}\.){2}[0-9a-f]{4}$";
    UUID = r"^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    HOST = r"^([a-zA-Z0-9¡-￿]((-?[a-zA-Z0-9¡-￿]{0,62})?)|([a-zA-Z0-9¡-￿](([a-zA-Z0-9¡-￿-]{0,61}[a-zA-Z0-9¡-￿])?)(\.))*([a-zA-Z¡-￿]{2,63}))$";
    URI = r"^(/|[a-zA-Z][a-zA-Z0-9+.-]*:)[^\s]*$";
    HEX_COLOUR = r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    RGB_COLOUR = r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$";
    SSN = r"^\d{3}[- ]?\d{2}[- ]?\d{4}$";
    DATE_TIME = r"^\d{4}-\d{2}-\d{2}(?i)[t ]\d{2}:\d{2}:\d{2}(\.\d+)?(z|[+-]\d{2}:\d{2})$";
    DURATION = r"^(\d+)\s*(ns|nano|nanosecond|nanoseconds|us|µs|micro|microsecond|microseconds|ms|milli|millisecond|milliseconds|s|sec|second|seconds|m|min|minute|minutes|h|hr|hour|hours|d|day|days|w|wk|week|weeks)$";
    GO_DURATION = r"^[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$";
}

fn never() -> Regex {
    // An empty set of characters: it is always a pattern.
    Regex::new(r"[^\s\S]").unwrap_or_else(|_| unreachable!("a constant"))
}

fn date_time(text: &str) -> bool {
    DATE_TIME.is_match(text) && text.replace(' ', "T").parse::<jiff::Timestamp>().is_ok()
}

fn duration(text: &str) -> bool {
    GO_DURATION.is_match(text) || DURATION.is_match(text)
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<core::net::IpAddr>() {
        Ok(core::net::IpAddr::V4(_)) => 32,
        Ok(core::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    !bits.starts_with('+') && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// The version of a UUID, and whether its variant must be RFC 9562's.
fn version(text: &str, version: &str, variant: bool) -> bool {
    let plain = text.replace('-', "");
    let of = |at: usize| plain.get(at..=at).unwrap_or_default();
    of(12) == version && (!variant || matches!(of(16), "8" | "9" | "a" | "b" | "A" | "B"))
}

fn email(text: &str) -> bool {
    // `Ann <ann@example.com>` is an address too (RFC 5322).
    let plain = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((_, plain)) => plain,
        None => text,
    };
    let Some((local, host)) = plain.rsplit_once('@') else { return false };
    let atom = |part: &str| {
        !part.is_empty() && part.chars().all(|one| one.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(one))
    };
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    (quoted || local.split('.').all(atom)) && host.split('.').all(atom)
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|one| one.to_digit(10)).collect()
}

fn card(text: &str) -> bool {
    let digits = digits(text);
    let plain = text.chars().all(|one| one.is_ascii_digit() || matches!(one, ' ' | '-'));
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match digit * if at % 2 == 1 { 2 } else { 1 } {
            twice if twice > 9 => twice - 9,
            once => once,
        })
        .sum();
    plain && (13..=19).contains(&digits.len()) && sum % 10 == 0
}

fn isbn10(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|one| !matches!(one, ' ' | '-')).collect();
    let value = |(at, one): (usize, &char)| match one.to_digit(10) {
        Some(digit) => Some(digit),
        None if at == 9 && matches!(one, 'X' | 'x') => Some(10),
        None => None,
    };
    let values: Option<Vec<u32>> = plain.iter().enumerate().map(value).collect();
    values.is_some_and(|values| {
        values.len() == 10
            && values.iter().zip((1..=10).rev()).map(|(digit, weight)| digit * weight).sum::<u32>() % 11 == 0
    })
}

fn isbn13(text: &str) -> bool {
    let digits = digits(text);
    let plain = text.chars().all(|one| one.is_ascii_digit() || matches!(one, ' ' | '-'));
    let sum: u32 = digits.iter().enumerate().map(|(at, digit)| digit * if at % 2 == 1 { 3 } else { 1 }).sum();
    plain && digits.len() == 13 && sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn formats_know_their_own() {
        for (format, good, bad) in [
            ("date-time", "2026-11-28T13:00:00.5Z", "2026-11-28"),
            ("date-time", "2026-11-28T13:00:00+01:00", "yesterday"),
            ("date", "2026-11-28", "2026-13-01"),
            ("duration", "1h30m", "soon"),
            ("duration", "3 days", "3 moons"),
            ("byte", "aGk=", "a"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "00:1a:2b:3c:4d:5e", "00:1a"),
            ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810"),
            ("uuid4", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            ("email", "ann@example.com", "ann"),
            ("hostname", "a.example.com", "a b"),
            ("uri", "https://example.com/a?b", "example"),
            ("hexcolor", "#fff", "#ggg"),
            ("rgbcolor", "rgb(1, 2, 255)", "rgb(1,2,256)"),
            ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
            ("ssn", "111-11-1111", "111"),
            ("isbn", "978-3-16-148410-0", "978-3-16-148410-1"),
            ("isbn10", "0-306-40615-2", "0-306-40615-3"),
            ("k8s-short-name", "a-b", "a.b"),
            ("k8s-long-name", "a.b", "a_b"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
        ] {
            assert!(fits(format, good), "{format} {good}");
            assert!(!fits(format, bad), "{format} {bad}");
        }
        assert!(fits("password", "anything") && fits("nobody-knows-it", "x"));
    }
}
