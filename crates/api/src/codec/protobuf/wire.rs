//! The wire format of protobuf: tags, varints, lengths. It allocates nothing and knows no message.

/// Why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Truncated,
    Varint,
    Tag,
    Type,
    Text,
    Time,
    Json,
    Depth,
    TooMany,
}

impl Fault {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Truncated => "it ends too early",
            Self::Varint => "a number is longer than 64 bits",
            Self::Tag => "a field has no number or an unknown wire type",
            Self::Type => "a field has another type than its kind says",
            Self::Text => "a text is not UTF-8",
            Self::Time => "a time is out of range",
            Self::Json => "an embedded object is no JSON",
            Self::Depth => "it nests too deeply",
            Self::TooMany => "it has too many values",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) number: u32,
    pub(super) payload: Payload<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload<'a> {
    Number(u64),
    /// 64 bits, little endian; 32 bits are widened.
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order they were written.
pub(super) fn items(mut bytes: &[u8]) -> impl Iterator<Item = Result<Item<'_>, Fault>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let item = item(&mut bytes);
        if item.is_err() {
            bytes = &[];
        }
        Some(item)
    })
}

/// Numbers one after another.
pub(super) fn varints(mut bytes: &[u8]) -> impl Iterator<Item = Result<u64, Fault>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let number = varint(&mut bytes);
        if number.is_err() {
            bytes = &[];
        }
        Some(number)
    })
}

fn item<'a>(bytes: &mut &'a [u8]) -> Result<Item<'a>, Fault> {
    let tag = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0).ok_or(Fault::Tag)?;
    let payload = match tag & 7 {
        0 => Payload::Number(varint(bytes)?),
        1 => Payload::Fixed(fixed(take(bytes, 8)?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).map_err(|_| Fault::Truncated)?;
            Payload::Bytes(take(bytes, length)?)
        }
        5 => Payload::Fixed(fixed(take(bytes, 4)?)),
        _ => return Err(Fault::Tag),
    };
    Ok(Item { number, payload })
}

fn fixed(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Fault> {
    let (head, rest) = bytes.split_at_checked(length).ok_or(Fault::Truncated)?;
    *bytes = rest;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut number = 0_u64;
    for at in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or(Fault::Truncated)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return if at == 9 && *byte > 1 { Err(Fault::Varint) } else { Ok(number) };
        }
    }
    Err(Fault::Varint)
}
