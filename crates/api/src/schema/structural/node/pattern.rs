//! Patterns as Kubernetes reads them (RE2): `\d`, `\w`, `\s` and `\b` are of ASCII alone, and a class has no operators.
use regex::{Regex, RegexBuilder};

/// Bytes a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// # Errors
/// Why it is no pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translated(pattern)).size_limit(PATTERN_BYTES_MAX).build().map_err(|why| {
        let why = why.to_string();
        let last = why.lines().last().unwrap_or_default();
        format!("error parsing regexp: {}: `{pattern}`", last.trim_start_matches("error: "))
    })
}

fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    // Inside a class, and how many characters of it were seen.
    let mut class: Option<usize> = None;
    while let Some(one) = rest.next() {
        let first = class == Some(0);
        if let Some(seen) = &mut class {
            *seen += 1;
        }
        match (one, class) {
            ('\\', _) => match rest.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str("[\\t\\n\\x0C\\r ]"),
                Some('S') => out.push_str("[^\\t\\n\\x0C\\r ]"),
                Some(boundary @ ('b' | 'B')) if class.is_none() => {
                    out.extend(["(?-u:\\", if boundary == 'b' { "b" } else { "B" }, ")"])
                }
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            ('[', None) => {
                class = Some(0);
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ('[', Some(_)) if rest.peek() == Some(&':') => {
                out.push('[');
                // `[:alpha:]` is taken over to its end.
                let mut before = ' ';
                for inner in rest.by_ref() {
                    out.push(inner);
                    if before == ':' && inner == ']' {
                        break;
                    }
                    before = inner;
                }
            }
            (']', Some(_)) if !first => {
                class = None;
                out.push(']');
            }
            ('[' | ']' | '&' | '~', Some(_)) => out.extend(['\\', one]),
            _ => out.push(one),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn patterns_are_read_as_re2_does() {
        for (pattern, text, fits) in [
            (r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$", "* * * * */5", true),
            (r"^\d$", "٣", false),
            (r"^[\d.]+$", "1.2", true),
            (r"^[^\d]$", "a", true),
            (r"^[]a]+$", "]a", true),
            (r"^[[a]+$", "[a", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[[:alpha:]_]+$", "ab_", true),
            (r"\bx\b", "éx", true),
            (r"^\.\[$", ".[", true),
        ] {
            assert_eq!(compile(pattern).expect(pattern).is_match(text), fits, "{pattern} {text}");
        }
        assert!(compile("(").expect_err("unclosed").starts_with("error parsing regexp: "));
        assert!(compile(r"\").is_err());
    }
}
