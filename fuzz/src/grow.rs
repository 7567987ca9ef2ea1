//! Small inputs made large: a part of one is repeated, its numbers counting on, so that what costs more than it should shows while
//! what is mutated stays short. Which part it is follows from the bytes alone, so that an input fails again as it failed.

/// Bytes of an input that has been made large.
pub const BYTES: usize = 64 * 1024;

/// `bytes` with a part repeated; `None` for most, as it costs a hundred plain ones.
pub fn grown(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut draw = hash(bytes);
    let mut next = |below: usize| {
        draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        usize::try_from(draw >> 33).unwrap_or(0) % below.max(1)
    };
    if bytes.len() < 2 || bytes.len() > 2_048 || next(16) != 0 {
        return None;
    }
    let borders: Vec<usize> =
        (0..bytes.len()).filter(|at| *at == 0 || border(bytes[*at - 1]) || border(bytes[*at])).collect();
    let (one, other) = (borders[next(borders.len())], borders[next(borders.len())]);
    let (start, end) = (one.min(other), one.max(other).max(one + 1).min(bytes.len()));
    let unit = &bytes[start..end];
    let mut out = bytes[..start].to_vec();
    let mut count = 0;
    while out.len() < BYTES {
        counted(&mut out, unit, count);
        count += 1;
    }
    out.extend_from_slice(&bytes[end..]);
    Some(out)
}

/// Where parts of texts begin and end.
fn border(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric()
}

/// The unit, each run of digits in it replaced by `count`.
fn counted(out: &mut Vec<u8>, unit: &[u8], count: usize) {
    let mut digits = false;
    for byte in unit {
        if !byte.is_ascii_digit() {
            out.push(*byte);
        } else if !digits {
            out.extend_from_slice(count.to_string().as_bytes());
        }
        digits = byte.is_ascii_digit();
    }
    if unit.is_empty() {
        out.push(b' ');
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
