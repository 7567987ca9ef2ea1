//! Base64 with padding (RFC 4648, section 4), as JSON carries bytes. It accepts nothing else.

const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0_u32, |sum, (at, byte)| sum | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let sign = SIGNS[(group >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(sign) } else { '=' });
        }
    }
    out
}

/// Nothing if `text` is not base64; line breaks are let pass, as Go does.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let signs: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    if !signs.len().is_multiple_of(4) {
        return None;
    }
    let padding = signs.iter().rev().take_while(|sign| **sign == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(signs.len() / 4 * 3);
    for (at, chunk) in signs.chunks(4).enumerate() {
        let last = (at + 1) * 4 == signs.len();
        let own = if last { 4 - padding } else { 4 };
        let mut group = 0_u32;
        for (place, sign) in chunk.iter().enumerate() {
            let six = if place < own { SIGNS.iter().position(|known| known == sign)? } else { 0 };
            group |= u32::try_from(six).ok()? << (18 - 6 * place);
        }
        out.extend_from_slice(&group.to_be_bytes()[1..own]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn examples_of_the_rfc() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!((encode(plain.as_bytes()).as_str(), decode(text).as_deref()), (text, Some(plain.as_bytes())));
        }
        for text in ["Z", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9!", "Zm 9"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = decode(&text);
        }
    }
}
