//! What is fuzzed: each target takes bytes as a client may send them, and panics if what comes of them breaks a rule. It measures
//! nothing and makes up nothing: the fuzzer does (`fuzz/src`), and the tests of the API server replay what is kept (`fuzz/corpus`).
mod body;
mod patch;
mod request;
mod selector;
mod word;

/// A name, as `scripts/fuzz` and the folders of the corpus know it, and what takes the bytes.
pub const TARGETS: [(&str, fn(&[u8])); 7] = [
    ("json", body::json),
    ("yaml", body::yaml),
    ("protobuf", body::protobuf),
    ("patch", patch::run),
    ("selector", selector::run),
    ("request", request::run),
    ("word", word::run),
];
