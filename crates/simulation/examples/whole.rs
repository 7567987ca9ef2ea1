//! Whole clusters, by hand: `whole FROM SEEDS [NODES] [MILLISECONDS]`. It says what each seed gave.
use simulation::whole::{Options, Size, run};

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let number = |at: usize, itself: u64| numbers.get(at).copied().unwrap_or(itself);
    let nodes = u16::try_from(number(2, 3)).unwrap_or(3);
    let size = Size { nodes, span: number(3, 30_000), ..Size::default() };
    let options = Options {
        from_seed: number(0, 1),
        seeds: number(1, 1),
        threads: 2,
        sheet: simulation::whole::Sheet::of(size),
        ..Options::default()
    };
    let report = run(&options, &|line| println!("{line}"));
    println!("{report}\n{:?}", report.sometimes);
}
