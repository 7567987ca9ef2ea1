//! A whole cluster in one thread from one seed: twins of disk, network and clock, faults, a workload, invariants. It runs the
//! same code as production, and holds nothing that production needs.
pub mod clock;
mod panics;
pub mod stream;
pub mod trace;
pub mod world;
