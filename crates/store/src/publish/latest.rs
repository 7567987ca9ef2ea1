//! The newest of a row of values, taken without a lock: slots with a count of readers in each. It knows nothing of what it holds,
//! and needs nothing but atomics, so that `tests/loom_publish.rs` can try every interleaving of exactly this file.
//!
//! A reader counts itself into the slot named by `newest`, looks whether `newest` still names it, clones, and counts itself out. The
//! writer writes only into a slot that is not `newest` and has no reader, which it claims by one compare-and-swap. A reader that comes
//! upon a claimed slot, or upon one that was rewritten and is not published yet, goes back out and looks again: `newest` has moved on. Several writers would be safe too, only the order of their values would be undefined.
#[cfg(loom)]
use loom::{
    cell::UnsafeCell,
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
};
#[cfg(not(loom))]
use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
};

/// More slots than readers that could be caught in the middle of a clone at once on any machine of ours; few when all
/// interleavings are tried.
const SLOTS: usize = if cfg!(loom) { 2 } else { 32 };

/// Set in `Slot::readers` while the writer has the slot.
const CLAIMED: usize = 1 << (usize::BITS - 1);

/// Holds the newest value.
#[derive(Debug)]
pub(crate) struct Latest<T> {
    newest: AtomicUsize,
    slots: [Slot<T>; SLOTS],
}

#[derive(Debug)]
struct Slot<T> {
    readers: AtomicUsize,
    value: UnsafeCell<Option<T>>,
}

/// As loom's cell: the value is reached only within a closure.
#[cfg(not(loom))]
#[derive(Debug)]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    fn with<R>(&self, body: impl FnOnce(*const T) -> R) -> R {
        body(self.0.get())
    }

    fn with_mut<R>(&self, body: impl FnOnce(*mut T) -> R) -> R {
        body(self.0.get())
    }
}

// SAFETY: the values are reached through `get` and `set` alone. Both go through `readers`: any number of threads may clone a value at
// once (hence `T: Sync`), or one may replace it and drop the old one (hence `T: Send`), never both.
unsafe impl<T: Send + Sync> Sync for Latest<T> {}

impl<T: Clone> Latest<T> {
    pub(crate) fn new(value: T) -> Self {
        let slots = std::array::from_fn(|_| Slot { readers: AtomicUsize::new(0), value: UnsafeCell::new(None) });
        let latest = Self { newest: AtomicUsize::new(0), slots };
        latest.set(value);
        latest
    }

    /// The newest value. What one thread gets never goes back.
    pub(crate) fn get(&self) -> T {
        loop {
            // Acquire: pairs with the release in `set`, so that the slot is seen as it was when it became the newest, or later.
            let at = self.newest.load(Ordering::Acquire);
            // If the slot was rewritten since, counting in acquires the writer's release, and with it that `newest` had moved away;
            // if it names the slot all the same, what stands there has been published.
            if let Some(counted) = Counted::into(&self.slots[at])
                && self.newest.load(Ordering::Acquire) == at
                && let Some(value) = counted.clone_value()
            {
                return value;
            }
            spin_loop();
        }
    }

    /// Replaces the newest value.
    pub(crate) fn set(&self, value: T) {
        let newest = self.newest.load(Ordering::Relaxed);
        let mut at = newest;
        loop {
            at = (at + 1) % SLOTS;
            if at != newest && self.slots[at].claim() {
                break;
            }
            spin_loop();
        }
        let slot = &self.slots[at];
        let old = slot.value.with_mut(|place| {
            // SAFETY: the slot is claimed: readers count themselves out without looking, and no other writer can claim it.
            unsafe { (*place).replace(value) }
        });
        // Release: whoever finds the slot unclaimed finds the value whole.
        slot.readers.fetch_sub(CLAIMED, Ordering::Release);
        self.newest.store(at, Ordering::Release);
        // Dropped last: what an old value frees keeps no reader waiting.
        drop(old);
    }
}

impl<T> Slot<T> {
    fn claim(&self) -> bool {
        // Acquire: the clones of readers that have counted themselves out happened before what the writer does now.
        self.readers.compare_exchange(0, CLAIMED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// A reader counted into a slot that is not claimed; it counts itself out when dropped, even if a clone panics.
struct Counted<'a, T>(&'a Slot<T>);

impl<'a, T> Counted<'a, T> {
    fn into(slot: &'a Slot<T>) -> Option<Self> {
        let counted = Self(slot);
        // Acquire: pairs with the writer's release of its claim. If claimed, the drop of `counted` takes the count back.
        let before = slot.readers.fetch_add(1, Ordering::Acquire);
        (before & CLAIMED == 0).then_some(counted)
    }
}

impl<T: Clone> Counted<'_, T> {
    fn clone_value(&self) -> Option<T> {
        self.0.value.with(|place| {
            // SAFETY: the slot was not claimed when this reader was counted in, and cannot be claimed until it is counted out.
            unsafe { (*place).clone() }
        })
    }
}

impl<T> Drop for Counted<'_, T> {
    fn drop(&mut self) {
        // Release: pairs with the writer's claim.
        self.0.readers.fetch_sub(1, if cfg!(weakened) { Ordering::Relaxed } else { Ordering::Release });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Latest;
    use std::sync::Arc;

    #[test]
    fn readers_never_go_back_and_nothing_leaks() {
        let first = Arc::new(0_u64);
        let latest = Latest::new(first.clone());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut seen = 0;
                    while seen < 20_000 {
                        let now = *latest.get();
                        assert!(now >= seen, "{now} after {seen}");
                        seen = now;
                    }
                });
            }
            for value in 1..=20_000 {
                latest.set(Arc::new(value));
            }
        });
        drop(latest);
        assert_eq!(Arc::strong_count(&first), 1);
    }
}
