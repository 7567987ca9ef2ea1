//! The fuzzer: libFuzzer makes up bytes, one target takes them, each within what it may cost. `RUTTER_FUZZ` names the target.
#![no_main]
mod budget;
mod grow;
mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("RUTTER_FUZZ").unwrap_or_default();
    let found = targets::TARGETS.iter().find(|(known, _)| *known == name);
    let names = targets::TARGETS.map(|(name, _)| name).join(", ");
    found.map(|(_, run)| *run).unwrap_or_else(|| panic!("RUTTER_FUZZ must name a target: {names}"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    budget::within(*TARGET, bytes);
    if let Some(large) = grow::grown(bytes) {
        if std::env::var_os("RUTTER_FUZZ_GROWN").is_some() {
            eprintln!("made large: {}", String::from_utf8_lossy(&large[..large.len().min(400)]));
        }
        budget::within(*TARGET, &large);
    }
});
