//! The two ways of a simulated stream: pieces that may overtake each other are put in order again. It sends nothing.
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The two lanes of a stream, as the side sees them that is to use them.
pub(super) struct Streams {
    pub(super) number: u64,
    pub(super) out: Arc<Lane>,
    pub(super) back: Arc<Lane>,
}

/// What travels.
pub(super) enum Piece {
    Bytes(Bytes),
    /// The writer has said its last.
    Last,
}

/// One way of a stream.
#[derive(Default)]
pub(super) struct Lane(Mutex<Bed>);

#[derive(Default)]
pub(super) struct Bed {
    pub(super) sent: u64,
    /// Sent and not read.
    pub(super) unread: usize,
    /// Arrived before what comes before it.
    pub(super) early: BTreeMap<u64, Piece>,
    pub(super) next: u64,
    pub(super) ready: VecDeque<Bytes>,
    pub(super) last: bool,
    /// The reader has gone.
    pub(super) stopped: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// The first piece brings the stream of this number, with this way back.
    pub(super) brings: Option<(u64, Arc<Lane>)>,
}

impl Streams {
    /// A new stream; its first bytes bring it to the other side.
    pub(super) fn new(number: u64) -> Self {
        let (out, back) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
        out.lock().brings = Some((number, back.clone()));
        Self { number, out, back }
    }
}

impl Lane {
    pub(super) fn lock(&self) -> MutexGuard<'_, Bed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a piece; gives the stream that it brings.
    pub(super) fn arrive(self: &Arc<Self>, number: u64, piece: Piece) -> Option<Streams> {
        let mut bed = self.lock();
        bed.early.insert(number, piece);
        let mut brings = None;
        loop {
            let next = bed.next;
            let Some(piece) = bed.early.remove(&next) else { break };
            bed.next += 1;
            brings = brings.or_else(|| bed.brings.take());
            match piece {
                Piece::Bytes(bytes) => bed.ready.push_back(bytes),
                Piece::Last => bed.last = true,
            }
        }
        let reader = bed.reader.take();
        drop(bed);
        if let Some(reader) = reader {
            reader.wake();
        }
        brings.map(|(number, out)| Streams { number, out, back: self.clone() })
    }
}
