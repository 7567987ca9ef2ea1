//! Frames of watches that were made once and are given to all who watch in the same form. They are kept for those who are about to ask, not
//! for ever: a bounded number of bytes a form. It knows neither objects nor forms.
use crate::limits::{FRAMES_BYTES_MAX, FRAMES_MAX};
use api::revision::Revision;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Which frame: of which revision, what happened then, and the second it was made in where it tells ages (else 0).
pub type Which = (Revision, &'static str, u64);

/// The newest frames in one form.
#[derive(Debug, Default)]
pub struct Frames {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    frames: BTreeMap<Which, Arc<OnceLock<Bytes>>>,
    bytes: usize,
}

impl Frames {
    /// The frame, made by the first who asks for it; others who ask meanwhile wait for that one.
    pub fn get(self: &Arc<Self>, which: Which, make: impl FnOnce() -> Bytes) -> Bytes {
        if Arc::strong_count(self) < 2 {
            // Nobody else watches in this form.
            return make();
        }
        let slot = lock(&self.kept).frames.entry(which).or_default().clone();
        let mut made = false;
        let frame = slot.get_or_init(|| {
            made = true;
            make()
        });
        if made {
            lock(&self.kept).count(&which, &slot, frame.len());
        }
        frame.clone()
    }
}

impl Kept {
    /// Counts a frame that was just made, and lets the oldest go.
    fn count(&mut self, which: &Which, slot: &Arc<OnceLock<Bytes>>, bytes: usize) {
        if self.frames.get(which).is_some_and(|kept| Arc::ptr_eq(kept, slot)) {
            self.bytes += bytes;
        }
        while self.frames.len() > FRAMES_MAX || self.bytes > FRAMES_BYTES_MAX {
            let Some((_, gone)) = self.frames.pop_first() else { return };
            // One that is still being made was not counted.
            self.bytes = self.bytes.saturating_sub(gone.get().map_or(0, Bytes::len));
        }
    }
}

/// The forms that are watched in at this moment.
#[derive(Debug, Default)]
pub struct Forms {
    forms: Mutex<BTreeMap<String, Weak<Frames>>>,
}

impl Forms {
    /// The frames in the form called `name`, shared with all who hold them now.
    #[must_use]
    pub fn of(&self, name: String) -> Arc<Frames> {
        let mut forms = lock(&self.forms);
        if let Some(known) = forms.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        forms.retain(|_, frames| frames.strong_count() > 0);
        let made = Arc::new(Frames::default());
        forms.insert(name, Arc::downgrade(&made));
        made
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_made_once_for_all_and_bounded() {
        let forms = Forms::default();
        let (one, other) = (forms.of("a".into()), forms.of("a".into()));
        assert!(Arc::ptr_eq(&one, &other) && !Arc::ptr_eq(&one, &forms.of("b".into())));
        let which = (Revision(7), "ADDED", 0);
        let first = one.get(which, || Bytes::from_static(b"x"));
        assert_eq!(other.get(which, || unreachable!("it is kept")), first);
        for revision in 8..20 {
            one.get((Revision(revision), "ADDED", 0), || vec![0; FRAMES_BYTES_MAX / 4].into());
        }
        let kept = lock(&one.kept);
        assert!(kept.frames.len() == 4 && kept.bytes <= FRAMES_BYTES_MAX, "{} {}", kept.frames.len(), kept.bytes);
        assert!(kept.frames.keys().all(|(revision, ..)| revision.0 >= 16), "the newest are kept");
    }

    #[test]
    fn who_watches_alone_keeps_nothing() {
        let forms = Forms::default();
        let one = forms.of("a".into());
        one.get((Revision(7), "ADDED", 0), || Bytes::from_static(b"x"));
        assert!(lock(&one.kept).frames.is_empty());
        drop(one);
        drop(forms.of("b".into()));
        assert_eq!(lock(&forms.forms).len(), 1, "what nobody watches is forgotten");
    }
}
