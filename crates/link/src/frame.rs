//! Frames: a length (u32, big endian), then as many bytes. Pure: bytes in, frames out. A length is believed only up to a limit,
//! and memory is taken only for bytes that have come.
use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Bytes before the body of a frame.
pub const HEAD_BYTES: usize = 4;
/// How much is made room for at once, whatever length the peer has announced.
const ROOM_BYTES: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The peer announces more than a frame may have. What follows cannot be read.
    TooLong { length: usize, max: usize },
    /// The stream ended inside a frame.
    Cut { have: usize },
    /// The body is not what was expected.
    Garbage(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, max } => write!(f, "a frame of {length} bytes, {max} are allowed"),
            Self::Cut { have } => write!(f, "the stream ended inside a frame, after {have} bytes of it"),
            Self::Garbage(why) => write!(f, "a frame that cannot be read: {why}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The head of a frame with a body of `length` bytes.
///
/// # Errors
/// If it is longer than `max`.
pub fn head(length: usize, max: usize) -> Result<[u8; HEAD_BYTES], FrameError> {
    let too_long = FrameError::TooLong { length, max };
    if length > max {
        return Err(too_long);
    }
    u32::try_from(length).map(u32::to_be_bytes).map_err(|_| too_long)
}

/// Bytes as they come, and the frames in them.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Where the next bytes are to be appended.
    pub fn room(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < ROOM_BYTES / 16 {
            self.buffer.reserve(ROOM_BYTES);
        }
        &mut self.buffer
    }

    /// The next whole frame's body; `None` while it is not all there.
    ///
    /// # Errors
    /// If its length is above `max`.
    pub fn next(&mut self, max: usize) -> Result<Option<Bytes>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > max {
            return Err(FrameError::TooLong { length, max });
        }
        if self.buffer.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// If a frame has begun.
    pub fn end(&self) -> Result<(), FrameError> {
        if self.buffer.is_empty() { Ok(()) } else { Err(FrameError::Cut { have: self.buffer.len() }) }
    }

    /// Bytes that came behind the last frame: the stream goes on raw.
    pub fn rest(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for body in bodies {
            bytes.extend_from_slice(&head(body.len(), 1 << 20).expect("short"));
            bytes.extend_from_slice(body);
        }
        bytes
    }

    proptest! {
        /// However the stream is cut into pieces, the same frames come out.
        #[test]
        fn pieces_do_not_matter(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8), step in 1usize..50) {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for piece in encode(&bodies).chunks(step) {
                frames.room().extend_from_slice(piece);
                while let Some(body) = frames.next(300).expect("all are short") {
                    seen.push(body.to_vec());
                }
            }
            prop_assert_eq!(&seen, &bodies);
            prop_assert_eq!(frames.end(), Ok(()));
        }

        /// Any bytes at all: an answer, never a panic, and never more memory than came plus one room.
        #[test]
        fn garbage_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut frames = Frames::default();
            frames.room().extend_from_slice(&bytes);
            while let Ok(Some(_)) = frames.next(1_000) {}
            prop_assert!(frames.room().capacity() <= 2 * (bytes.len() + ROOM_BYTES));
        }

        /// A stream cut inside a frame says so.
        #[test]
        fn a_cut_is_seen(body in prop::collection::vec(any::<u8>(), 1..100), lost in 1usize..100) {
            let bytes = encode(&[body]);
            let kept = bytes.len().saturating_sub(lost).max(1);
            let mut frames = Frames::default();
            frames.room().extend_from_slice(&bytes[..kept]);
            prop_assert_eq!(frames.next(100), Ok(None));
            prop_assert_eq!(frames.end(), Err(FrameError::Cut { have: kept }));
        }
    }

    #[test]
    fn too_long_is_refused_on_both_sides() {
        assert_eq!(head(5, 4), Err(FrameError::TooLong { length: 5, max: 4 }));
        let mut frames = Frames::default();
        frames.room().extend_from_slice(&[0xff; 4]);
        assert_eq!(frames.next(4), Err(FrameError::TooLong { length: u32::MAX as usize, max: 4 }));
    }
}
