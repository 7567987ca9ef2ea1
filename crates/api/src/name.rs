//! Names: what Kubernetes accepts (RFC 1123, RFC 1035), and generated suffixes. It draws no random bits: they are given to it.
//!
//! Each check returns the problems in Kubernetes' own words; an empty list is a good name.
use crate::limits::NAME_BYTES_MAX;

/// Letters and digits of generated suffixes: no vowels, so that no word comes out; no 0, 1, 3, for they look like letters.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// Longest prefix that leaves room for the suffix in a label of 63.
const GENERATED_PREFIX_MAX: usize = 63 - SUFFIX_LENGTH;

/// `generateName` with five characters drawn from `bits`. A prefix that is too long is cut.
#[must_use]
pub fn generate(prefix: &str, bits: u64) -> String {
    let mut end = prefix.len().min(GENERATED_PREFIX_MAX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &prefix[..end], suffix(bits))
}

/// Five characters drawn from `bits`, each value of which gives the same suffix for ever.
#[must_use]
pub fn suffix(bits: u64) -> String {
    let mut rest = bits;
    let base = ALPHABET.len() as u64;
    let mut next = || {
        let at = usize::try_from(rest % base).unwrap_or(0);
        rest /= base;
        char::from(ALPHABET[at])
    };
    (0..SUFFIX_LENGTH).map(|_| next()).collect()
}

/// Kubernetes' safe encoding of a number, as pod template hashes are printed.
#[must_use]
pub fn safe(text: &str) -> String {
    text.bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// A subdomain: most objects' names.
#[must_use]
pub fn subdomain(name: &str) -> Vec<String> {
    let mut problems = too_long(name, NAME_BYTES_MAX);
    if name.is_empty() || !name.split('.').all(is_label) {
        problems.push(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
             end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    problems
}

/// A label: namespaces, containers.
#[must_use]
pub fn label(name: &str) -> Vec<String> {
    let mut problems = too_long(name, 63);
    if !is_label(name) {
        problems.push(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with \
             an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        );
    }
    problems
}

/// A label that starts with a letter (RFC 1035): services.
#[must_use]
pub fn label_1035(name: &str) -> Vec<String> {
    let mut problems = too_long(name, 63);
    if !is_label(name) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        problems.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and \
             end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
             '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        );
    }
    problems
}

/// A path segment: RBAC objects, whose names may hold colons.
#[must_use]
pub fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." {
        return vec![format!("may not be '{name}'")];
    }
    let found = ['/', '%'].into_iter().filter(|c| name.contains(*c));
    found.map(|c| format!("may not contain '{c}'")).collect()
}

/// `prefix/name`, the prefix a subdomain and optional: labels' and annotations' keys, taints, finalizers.
#[must_use]
pub fn qualified(key: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let (prefix, name) = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    match prefix {
        Some("") => problems.push("prefix part must be non-empty".into()),
        Some(prefix) => problems.extend(subdomain(prefix).into_iter().map(|problem| format!("prefix part {problem}"))),
        None => {}
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".into());
    }
    problems.extend(too_long(name, 63).into_iter().map(|problem| format!("name part {problem}")));
    if !is_qualified_part(name) {
        problems.push(format!("name part {QUALIFIED}"));
    }
    problems
}

const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                         character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
                         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// A label's value.
#[must_use]
pub fn label_value(value: &str) -> Vec<String> {
    let mut problems = too_long(value, 63);
    if !value.is_empty() && !is_qualified_part(value) {
        problems.push(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
             end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
             '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
                .into(),
        );
    }
    problems
}

/// A subdomain below a `*.`: hosts of an Ingress.
#[must_use]
pub fn wildcard(name: &str) -> Vec<String> {
    let mut problems = too_long(name, NAME_BYTES_MAX);
    let rest = name.strip_prefix("*.");
    if !rest.is_some_and(|rest| !rest.is_empty() && rest.split('.').all(is_label)) {
        problems.push(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of \
             lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex \
             used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                .into(),
        );
    }
    problems
}

/// A name of an environment variable: whatever can be printed, but for `=`.
#[must_use]
pub fn variable(name: &str) -> Vec<String> {
    if name.is_empty() {
        return vec!["environment variable name must be non-empty".into()];
    }
    if name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return Vec::new();
    }
    vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".into()]
}

/// What is wrong with a port's name (RFC 6335).
#[must_use]
pub fn port(name: &str) -> Vec<String> {
    let mut whys: Vec<&str> = Vec::new();
    if name.len() > 15 {
        whys.push("must be no more than 15 characters");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        whys.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.contains(|c: char| c.is_ascii_lowercase()) {
        whys.push("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        whys.push("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        whys.push("must not begin or end with a hyphen");
    }
    whys.into_iter().map(str::to_owned).collect()
}

/// A key of a ConfigMap or Secret.
#[must_use]
pub fn config_key(key: &str) -> Vec<String> {
    let mut problems = too_long(key, NAME_BYTES_MAX);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if key.is_empty() || !key.chars().all(allowed) {
        problems.push(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
             'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                .into(),
        );
    }
    match key {
        "." => problems.push("must not be '.'".into()),
        ".." => problems.push("must not be '..'".into()),
        _ if key.starts_with("..") => problems.push("must not start with '..'".into()),
        _ => {}
    }
    problems
}

fn too_long(text: &str, most: usize) -> Vec<String> {
    if text.len() > most { vec![format!("must be no more than {most} characters")] } else { Vec::new() }
}

fn is_label(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| edge(Some(b)) || *b == b'-')
}

fn is_qualified_part(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| edge(Some(b)) || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_and_bad_names() {
        for good in ["a", "a.b", "0-1", "example.com", "x".repeat(253).as_str()] {
            assert!(subdomain(good).is_empty(), "{good}");
        }
        for bad in ["", "Bad_Name", "a..b", "-a", "a-", "a.", "ü", "x".repeat(254).as_str()] {
            assert!(!subdomain(bad).is_empty(), "{bad}");
        }
        assert!(wildcard("*.example.com").is_empty() && wildcard("*").len() == 1 && wildcard("a.*.b").len() == 1);
        assert!(variable("a.B-c 1").is_empty() && variable("a=b").len() == 1 && variable("").len() == 1);
        assert!(label("a.b").len() == 1 && label_1035("1a").len() == 1 && label_1035("a1").is_empty());
        assert!(
            qualified("example.com/My_Name").is_empty()
                && !qualified("a/b/c").is_empty()
                && !qualified("/x").is_empty()
        );
        assert!(label_value("").is_empty() && !label_value("-").is_empty() && label_value("A.b_c").is_empty());
        assert!(config_key("a_B.c").is_empty() && !config_key("..x").is_empty() && !config_key("a/b").is_empty());
        assert!(
            path_segment("system:node").is_empty() && !path_segment("a/b").is_empty() && !path_segment("..").is_empty()
        );
    }

    proptest! {
        #[test]
        fn a_generated_name_is_a_name(prefix in "[a-z][a-z0-9-]{0,80}", bits in any::<u64>()) {
            let name = generate(&prefix, bits);
            prop_assert!(name.len() <= 63 && subdomain(&name).is_empty(), "{}", name);
            prop_assert_eq!(generate(&prefix, bits), name);
        }
    }
}
