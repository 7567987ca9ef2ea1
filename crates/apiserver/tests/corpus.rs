//! What the fuzzer begins with, and what it has found and was mended, taken once by its target: without the fuzzer, in a second.
#[path = "../../../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::Path;

/// In debug builds, on a busy machine.
const MILLIS_MAX: u128 = 5_000;

#[test]
fn every_input_that_is_kept_is_taken() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, run) in targets::TARGETS {
        let folder = corpus.join(name);
        let inputs = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        let mut files: Vec<_> = inputs.map(|input| input.expect("a file").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has nothing to begin with");
        for file in files {
            let bytes = std::fs::read(&file).expect("a file");
            let began = rt::now();
            // The name first, so that a panic is known by it.
            println!("{}", file.display());
            run(&bytes);
            let took = rt::now().since(began).as_millis();
            assert!(took <= MILLIS_MAX, "{} took {took} ms", file.display());
        }
    }
}
