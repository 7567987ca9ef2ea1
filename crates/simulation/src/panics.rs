//! What a panicking task said. The hook of the process keeps quiet about panics that a world catches, and only those.
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LAST: Cell<Option<String>> = const { Cell::new(None) };
}

/// Runs `body`; what it said if it panicked.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.get() {
                LAST.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    CATCHING.set(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(false);
    result.map_err(|_| LAST.take().unwrap_or_else(|| "it said nothing".into()))
}
