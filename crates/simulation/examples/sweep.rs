//! A sweep by hand: seeds, first seed, then words (twice, deep, lying, local).
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    let has = |word: &str| words.iter().any(|given| given == word);
    let planted = match (has("lying"), has("local")) {
        (true, _) => Some(simulation::scenario::Planted::LyingDisks),
        (_, true) => Some(simulation::scenario::Planted::LocalReads),
        _ => None,
    };
    let options = simulation::Options {
        seeds: number(0).unwrap_or(20),
        from_seed: number(1).unwrap_or(1),
        twice: has("twice"),
        deep: has("deep"),
        shrink: has("shrink"),
        failures_max: if has("all") { usize::MAX } else { 1 },
        planted,
        ..simulation::Options::default()
    };
    let report = simulation::run(&options, &|line| println!("{line}"));
    println!("{report}\n{:?}", report.sometimes);
}
