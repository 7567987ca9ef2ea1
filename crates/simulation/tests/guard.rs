//! No task of a simulated process touches the machine that the simulator runs on: no clock, random number, thread, file, socket or
//! environment. These functions stand before libc's, for the symbols of an executable come first, and tell on whoever calls them from
//! within a task, with a backtrace. What goes round libc (a raw system call) is seen by the traces that must be equal.
#![allow(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it calls what is forbidden, to see that it is told on"
)]
use simulation::whole::{Carrier, Scenario, Size, in_fresh_thread};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::sync::{Mutex, PoisonError};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The function of this name that comes after ours: libc's.
const NEXT: *mut c_void = -1_isize as *mut c_void;

thread_local! {
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Who called what, by the backtrace.
static LEAKS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn note(what: &CStr) {
    if !WITHIN.get() {
        return;
    }
    // What telling it calls is ours.
    WITHIN.set(false);
    let trace = Backtrace::force_capture().to_string();
    let what = what.to_string_lossy().into_owned();
    LEAKS.lock().unwrap_or_else(PoisonError::into_inner).entry(trace).or_insert(what);
    WITHIN.set(true);
}

/// Tells on the caller, then does what libc does.
macro_rules! guarded {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty = $text:literal;)*) => {$(
        /// libc's, behind a guard.
        ///
        /// # Safety
        /// As libc's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            note($text);
            // SAFETY: libc has a function of this name and these types, and it is asked for what we were asked for.
            unsafe {
                let next = dlsym(NEXT, $text.as_ptr());
                let next: unsafe extern "C" fn($($kind),*) -> $result = std::mem::transmute(next);
                next($($argument),*)
            }
        }
    )*};
}

guarded! {
    clock_gettime(clock: c_int, into: *mut c_void) -> c_int = c"clock_gettime";
    gettimeofday(into: *mut c_void, zone: *mut c_void) -> c_int = c"gettimeofday";
    time(into: *mut c_long) -> c_long = c"time";
    nanosleep(wanted: *const c_void, left: *mut c_void) -> c_int = c"nanosleep";
    getrandom(into: *mut c_void, count: usize, flags: c_uint) -> isize = c"getrandom";
    getentropy(into: *mut c_void, count: usize) -> c_int = c"getentropy";
    pthread_create(thread: *mut c_void, attributes: *const c_void, body: *const c_void, given: *mut c_void) -> c_int = c"pthread_create";
    open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int = c"open64";
    open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int = c"open";
    socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int = c"socket";
    getenv(name: *const c_char) -> *mut c_char = c"getenv";
}

/// The leaks so far, taken away.
fn leaks() -> Vec<String> {
    let found = std::mem::take(&mut *LEAKS.lock().unwrap_or_else(PoisonError::into_inner));
    found.into_iter().map(|(trace, what)| format!("{what} is called from within a task:\n{trace}")).collect()
}

#[test]
fn no_task_touches_the_machine() {
    simulation::guard::watch(|within| WITHIN.set(within));
    for seed in 500..503 {
        let size = Size { members: 3, nodes: 2, span: 8_000 };
        for carrier in [Carrier::Twin, Carrier::Quic] {
            let scenario = Scenario { carrier, ..Scenario::draw(seed, size) };
            let run = in_fresh_thread(&scenario, simulation::Keep::default());
            assert!(run.violations.is_empty(), "{:?}", run.violations);
        }
    }
    let found = leaks();
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));

    // And the guard sees each kind of leak, wherever it comes from.
    let touches: [(&str, fn()); 5] = [
        ("clock_gettime", || _ = std::hint::black_box(std::time::Instant::now())),
        ("clock_gettime", || _ = std::hint::black_box(std::time::SystemTime::now())),
        ("open", || drop(std::fs::File::open("/dev/null"))),
        ("socket", || drop(std::net::UdpSocket::bind("127.0.0.1:0"))),
        ("getenv", || drop(std::env::var_os("HOME"))),
    ];
    for (name, touch) in touches {
        WITHIN.set(true);
        touch();
        WITHIN.set(false);
        let found = leaks();
        assert!(found.iter().any(|leak| leak.starts_with(name)), "{name} is not seen: {found:?}");
    }
    // A map in the order of its hashes draws its keys once a thread.
    let hashed = std::thread::spawn(|| {
        WITHIN.set(true);
        let map: std::collections::HashMap<u8, u8> = std::hint::black_box([(1, 2)].into());
        WITHIN.set(false);
        drop(map);
    });
    hashed.join().expect("it ends");
    let found = leaks();
    assert!(found.iter().any(|leak| leak.starts_with("getrandom")), "a hashed map is not seen: {found:?}");
    let started = std::thread::spawn(|| {
        WITHIN.set(true);
        let other = std::thread::spawn(|| ());
        WITHIN.set(false);
        other.join().expect("it ends");
    });
    started.join().expect("it ends");
    let found = leaks();
    assert!(found.iter().any(|leak| leak.starts_with("pthread_create")), "a thread is not seen: {found:?}");
}
