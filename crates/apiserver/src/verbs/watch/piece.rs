//! What is written to a watcher at once: one frame as it is, shared with others, or several joined. It knows no frame's meaning.
use bytes::Bytes;

/// Frames on their way.
#[derive(Default)]
pub(super) struct Piece {
    /// The first, as long as it is the only one.
    one: Bytes,
    many: Vec<u8>,
}

impl Piece {
    pub(super) fn add(&mut self, frame: Bytes) {
        if self.is_empty() {
            self.one = frame;
        } else {
            self.buffer().extend_from_slice(&frame);
        }
    }

    /// Where more is written after what is there.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        let one = std::mem::take(&mut self.one);
        self.many.extend_from_slice(&one);
        &mut self.many
    }

    pub(super) fn len(&self) -> usize {
        self.one.len() + self.many.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn bytes(self) -> Bytes {
        if self.many.is_empty() { self.one } else { self.many.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::Piece;
    use bytes::Bytes;

    #[test]
    fn one_frame_is_shared_and_several_are_joined() {
        let frame = Bytes::from_static(b"a\n");
        let mut piece = Piece::default();
        piece.add(frame.clone());
        assert_eq!(piece.bytes().as_ptr(), frame.as_ptr());
        let mut piece = Piece::default();
        piece.add(frame.clone());
        piece.add(frame);
        piece.buffer().push(b'b');
        assert_eq!((piece.len(), piece.is_empty(), &piece.bytes()[..]), (5, false, &b"a\na\nb"[..]));
    }
}
