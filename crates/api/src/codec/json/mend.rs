//! Texts that are JSON but for characters that are none: Go's decoder puts U+FFFD for bytes that are no UTF-8 and for halves of surrogate
//! pairs, and goes on. It changes nothing else.

const NONE: &[u8] = "\u{fffd}".as_bytes();

/// The text with U+FFFD for every character that is none; what stands outside of strings is not looked at.
pub(super) fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        escapes(chunk.valid().as_bytes(), &mut out);
        for _ in chunk.invalid() {
            out.extend_from_slice(NONE);
        }
    }
    out
}

fn escapes(mut rest: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let taken = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                out.extend_from_slice(NONE);
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => rest.len().min(2),
        };
        out.extend_from_slice(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest);
}

/// The number of an escape `\u1234` that stands first.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::mended;

    #[test]
    fn what_is_no_character_is_replaced() {
        for (text, want) in [
            (&b"\"a\xff\xfeb\""[..], "\"a\u{fffd}\u{fffd}b\""),
            (b"\"\\ud800\"", "\"\u{fffd}\""),
            (b"\"\\udc00\\ud800x\"", "\"\u{fffd}\u{fffd}x\""),
            (b"\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\""),
            (b"\"\\\\ud800\\n\\u00e4\"", "\"\\\\ud800\\n\\u00e4\""),
            (b"\"\\", "\"\\"),
            (b"\"\\u12", "\"\\u12"),
        ] {
            assert_eq!(String::from_utf8(mended(text)).expect("UTF-8"), want);
        }
    }
}
