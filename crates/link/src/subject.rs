//! Names of certificates in full. The library that writes our certificates keeps one value of a kind in a name, and a user may be in
//! many groups: so the name is put in afterwards, and the certificate signed anew (DER, X.690; RFC 5280). It decides nothing.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey as _};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIT_STRING: u8 = 0x03;
const UTF8: u8 = 0x0c;
/// The explicit version, which stands first where it stands at all.
const VERSION: u8 = 0xa0;
/// `commonName` and `organizationName`, as object identifiers.
const COMMON_NAME: [u8; 5] = [0x06, 3, 0x55, 4, 3];
const ORGANIZATION: [u8; 5] = [0x06, 3, 0x55, 4, 10];
const LINE: usize = 64;

/// One value in DER.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// A user and their groups as a name.
pub(crate) fn name(user: &str, groups: &[String]) -> Vec<u8> {
    let part = |kind: [u8; 5], text: &str| {
        let value = wrapped(UTF8, text.as_bytes());
        wrapped(SET, &wrapped(SEQUENCE, &[&kind[..], &value].concat()))
    };
    let groups = groups.iter().flat_map(|group| part(ORGANIZATION, group));
    wrapped(SEQUENCE, &groups.chain(part(COMMON_NAME, user)).collect::<Vec<u8>>())
}

/// The certificate (DER) with another subject (DER), signed anew, as PEM. `None`: it is no certificate, or the key does not sign.
pub(crate) fn named(certificate: &[u8], subject: &[u8], key: &KeyPair) -> Option<String> {
    // Version, serial number, algorithm, issuer, validity, subject.
    let place = |fields: &[Element<'_>]| if fields.first().is_some_and(|first| first.tag == VERSION) { 5 } else { 4 };
    Some(pem("CERTIFICATE", &signed(certificate, place, subject, key)?))
}

/// The same of a request.
#[cfg(test)]
pub(crate) fn requested(request: &[u8], subject: &[u8], key: &KeyPair) -> Option<String> {
    Some(pem("CERTIFICATE REQUEST", &signed(request, |_| 1, subject, key)?))
}

/// What is signed in X.509: the thing itself, the algorithm, the signature. The field at `place` of the thing becomes the subject.
fn signed(der: &[u8], place: impl Fn(&[Element<'_>]) -> usize, subject: &[u8], key: &KeyPair) -> Option<Vec<u8>> {
    let [thing, algorithm, _] = elements(elements(der)?.first()?.content)?[..] else { return None };
    let fields = elements(thing.content)?;
    let mut parts: Vec<&[u8]> = fields.iter().map(|field| field.whole).collect();
    *parts.get_mut(place(&fields))? = subject;
    let thing = wrapped(SEQUENCE, &parts.concat());
    let signature = wrapped(BIT_STRING, &[&[0][..], &key.sign(&thing).ok()?].concat());
    Some(wrapped(SEQUENCE, &[&thing, algorithm.whole, &signature].concat()))
}

/// The values that stand one after the other.
fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let (length, head) = match usize::from(*first) {
            short @ 0..0x80 => (short, 2),
            long => {
                let digits = rest.get(..long - 0x80).filter(|digits| digits.len() <= 4)?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), 2 + digits.len())
            }
        };
        let whole = bytes.get(..head.checked_add(length)?)?;
        found.push(Element { tag: *tag, content: &whole[head..], whole });
        bytes = &bytes[whole.len()..];
    }
    bytes.is_empty().then_some(found)
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let digits = &length[length.iter().position(|digit| *digit != 0).unwrap_or(0)..];
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out + &format!("\n-----END {label}-----\n")
}
