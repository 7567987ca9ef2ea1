//! A log in the CRI's format becomes the text that a person reads: pieces joined, old lines left out, cut at its limit. Pure.
use crate::limits::LOG_JOIN_MAX;
use api::revision::Millis;

#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Milliseconds since the epoch; older lines are left out.
    pub(super) since: Option<u64>,
    pub(super) timestamps: bool,
    /// Bytes of text at most.
    pub(super) limit: Option<u64>,
    /// Whole lines at the beginning that are left out.
    pub(super) skip: u64,
}

/// Reads records as they come, in any pieces.
#[derive(Debug, Default)]
pub(super) struct Text {
    wanted: Wanted,
    /// What stands without a line's end.
    rest: Vec<u8>,
    /// A record longer than any may be is being passed over.
    lost: bool,
    /// Unfinished lines of stdout and stderr.
    unfinished: [Option<Line>; 2],
}

#[derive(Debug)]
struct Line {
    stamp: Vec<u8>,
    text: Vec<u8>,
    /// Its beginning went out already.
    begun: bool,
}

struct Record<'a> {
    stamp: &'a [u8],
    error: bool,
    full: bool,
    text: &'a [u8],
}

impl Text {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// As much as was asked for has been given.
    pub(super) fn full(&self) -> bool {
        self.wanted.limit == Some(0)
    }

    /// Takes the next bytes of the files; adds text to `out`.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(piece) = piece.strip_suffix(b"\n") else {
                self.rest.extend_from_slice(piece);
                if self.rest.len() > LOG_JOIN_MAX {
                    self.rest.clear();
                    self.lost = true;
                }
                continue;
            };
            if self.rest.is_empty() {
                self.record(piece, out);
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(piece);
                self.record(&whole, out);
            }
        }
    }

    /// The log has ended: lines whose last piece never came go out as they are.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        for side in 0..2 {
            if let Some(line) = self.unfinished[side].take() {
                self.put(line, false, out);
            }
        }
    }

    fn record(&mut self, line: &[u8], out: &mut Vec<u8>) {
        // What follows a lost beginning is a piece of it.
        let lost = std::mem::take(&mut self.lost);
        let Some(record) = read(line).filter(|_| !lost) else { return };
        if self.wanted.skip > 0 {
            self.wanted.skip -= u64::from(record.full);
            return;
        }
        if self.wanted.since.is_some_and(|since| older(record.stamp, since)) {
            return;
        }
        let fresh = || Line { stamp: record.stamp.to_vec(), text: Vec::new(), begun: false };
        let side = usize::from(record.error);
        let mut line = self.unfinished[side].take().unwrap_or_else(fresh);
        line.text.extend_from_slice(record.text);
        if record.full {
            self.put(line, true, out);
        } else if line.text.len() < LOG_JOIN_MAX {
            self.unfinished[side] = Some(line);
        } else {
            let stamp = line.stamp.clone();
            self.put(line, false, out);
            self.unfinished[side] = Some(Line { stamp, text: Vec::new(), begun: true });
        }
    }

    fn put(&mut self, line: Line, full: bool, out: &mut Vec<u8>) {
        let before = out.len();
        if self.wanted.timestamps && !line.begun {
            out.extend_from_slice(&line.stamp);
            out.push(b' ');
        }
        out.extend_from_slice(&line.text);
        if full {
            out.push(b'\n');
        }
        if let Some(left) = &mut self.wanted.limit {
            let room = usize::try_from(*left).unwrap_or(usize::MAX);
            out.truncate(before.saturating_add(room));
            *left -= (out.len() - before) as u64;
        }
    }
}

/// Whole lines in `bytes`, of which `rest` is what stood before them without an end.
pub(super) fn count(bytes: &[u8], rest: &mut Vec<u8>) -> u64 {
    /// Enough of a record to see its tag.
    const BEGINNING: usize = 128;
    let mut lines = 0;
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let room = BEGINNING.saturating_sub(rest.len());
        rest.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.last() == Some(&b'\n') {
            let line = rest.strip_suffix(b"\n").unwrap_or(rest);
            lines += u64::from(read(line).is_some_and(|record| record.full));
            rest.clear();
        }
    }
    lines
}

/// `STAMP stdout F text`; `None` if it is not that.
fn read(line: &[u8]) -> Option<Record<'_>> {
    let cut = |bytes: &'_ [u8]| -> Option<usize> { bytes.iter().position(|byte| *byte == b' ') };
    let at = cut(line).filter(|at| *at > 0)?;
    let (stamp, rest) = (&line[..at], &line[at + 1..]);
    let at = cut(rest)?;
    let error = match &rest[..at] {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let rest = &rest[at + 1..];
    let (tags, text) = match cut(rest) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &rest[rest.len()..]),
    };
    let full = match tags.split(|byte| *byte == b':').next() {
        Some(b"F") => true,
        Some(b"P") => false,
        _ => return None,
    };
    Some(Record { stamp, error, full, text })
}

fn older(stamp: &[u8], since: u64) -> bool {
    std::str::from_utf8(stamp).ok().and_then(Millis::parse).is_some_and(|stamp| stamp.0 < since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
2024-01-01T00:00:00.000000000Z stdout F one
2024-01-01T00:00:01.000000000Z stdout P tw
2024-01-01T00:00:01.500000000Z stderr F oops
not a record
2024-01-01T00:00:02.000000000Z stdout F o
2024-01-01T02:00:03.000000000+02:00 stderr F:x three  spaces 
2024-01-01T00:00:04.000000000Z stdout F 
2024-01-01T00:00:05.000000000Z stdout F
2024-01-01T00:00:06.000000000Z stdout P open
";

    fn read_in(pieces: usize, wanted: &Wanted) -> String {
        let (mut text, mut out) = (Text::new(wanted.clone()), Vec::new());
        LOG.as_bytes().chunks(pieces).for_each(|piece| text.take(piece, &mut out));
        text.end(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn text_of_a_log() {
        let at = |text: &str| Millis::parse(text).map(|millis| millis.0);
        let none = Wanted::default;
        let table = [
            (none(), "one\noops\ntwo\nthree  spaces \n\n\nopen"),
            (Wanted { skip: 3, ..none() }, "three  spaces \n\n\nopen"),
            (
                Wanted { skip: 4, timestamps: true, limit: Some(40), ..none() },
                "2024-01-01T00:00:04.000000000Z \n2024-01-",
            ),
            (Wanted { skip: 99, ..none() }, ""),
            (Wanted { limit: Some(5), ..none() }, "one\no"),
            (Wanted { limit: Some(0), ..none() }, ""),
            (Wanted { since: at("2024-01-01T00:00:03Z"), ..none() }, "three  spaces \n\n\nopen"),
            (
                Wanted { since: at("2024-01-01T00:00:05Z"), timestamps: true, ..none() },
                "2024-01-01T00:00:05.000000000Z \n2024-01-01T00:00:06.000000000Z open",
            ),
        ];
        for (wanted, expected) in table {
            for pieces in [1, 7, 50, 10_000] {
                assert_eq!(read_in(pieces, &wanted), expected, "{wanted:?} in pieces of {pieces}");
            }
        }
        for pieces in [1, 7, 10_000] {
            let mut rest = Vec::new();
            let lines: u64 = LOG.as_bytes().chunks(pieces).map(|piece| count(piece, &mut rest)).sum();
            assert_eq!(lines, 6, "in pieces of {pieces}");
        }
    }

    #[test]
    fn long_lines_are_joined_and_endless_ones_pass_through() {
        let piece = "x".repeat(16 * 1024);
        let record = |tag: &str| format!("2024-01-01T00:00:00Z stdout {tag} {piece}\n");
        let pieces = LOG_JOIN_MAX / piece.len() + 2;
        let wanted = Wanted { timestamps: true, ..Wanted::default() };
        let (mut text, mut out) = (Text::new(wanted), Vec::new());
        for _ in 1..pieces {
            text.take(record("P").as_bytes(), &mut out);
        }
        assert!(!out.is_empty(), "it does not wait for ever");
        text.take(record("F").as_bytes(), &mut out);
        assert_eq!(out.len(), "2024-01-01T00:00:00Z ".len() + pieces * piece.len() + 1);
        // Bytes without any line's end are passed over, and what follows is read again.
        let before = out.len();
        text.take(&vec![b'y'; LOG_JOIN_MAX + 1], &mut out);
        text.take(b"yy\n2024-01-01T00:00:00Z stdout F z\n", &mut out);
        assert_eq!(&out[before..], b"2024-01-01T00:00:00Z z\n");
    }
}
