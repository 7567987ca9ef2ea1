//! What one input may cost: time of the processor and memory, by its length. The clock and the allocator are looked at here only.
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Milliseconds that any input may take, in a build with counters and without optimisation, beside other work: the first question for
/// OpenAPI makes the whole document, which takes 150,
const MILLIS: u64 = 1_000;
/// and microseconds for each of its bytes.
const MICROS_A_BYTE: u64 = 4;
/// Bytes of memory that any input may hold at once,
const MEMORY: usize = 32 * 1024 * 1024;
/// and for each of its bytes.
const MEMORY_A_BYTE: usize = 512;

#[global_allocator]
static COUNTED: Counted = Counted;
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counted;

fn more(size: usize) {
    MOST.fetch_max(HELD.fetch_add(size, Relaxed) + size, Relaxed);
}

// SAFETY: the system's allocator does all; beside it only numbers change.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        more(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Runs the target and panics if the input cost more than it may.
pub fn within(run: fn(&[u8]), bytes: &[u8]) {
    let (before, held) = (micros(), HELD.load(Relaxed));
    MOST.store(held, Relaxed);
    run(bytes);
    let (took, most) = (micros() - before, MOST.load(Relaxed).saturating_sub(held));
    let length = bytes.len() as u64;
    let micros_max = MILLIS * 1_000 + MICROS_A_BYTE * length;
    let memory_max = MEMORY + MEMORY_A_BYTE * bytes.len();
    if std::env::var_os("RUTTER_FUZZ_COST").is_some() {
        eprintln!("{length} bytes: {took} us, {most} bytes held");
    }
    assert!(took <= micros_max, "{length} bytes took {took} us, and may take {micros_max}");
    assert!(most <= memory_max, "{length} bytes held {most} bytes at once, and may hold {memory_max}");
}

/// Of all processors, so that what is done beside this thread counts, and another process does not.
fn micros() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1_000
}
