//! A whole cluster in one thread from one seed: twins of disk, network and clock, faults, a workload, invariants. It runs the
//! same code as production, and holds nothing that production needs.
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod evidence;
pub mod faults;
pub mod history;
pub mod invariants;
pub mod network;
mod panics;
pub mod records;
mod report;
mod run;
pub mod scenario;
mod shrink;
pub mod stream;
mod sweep;
pub mod trace;
pub mod workload;
pub mod world;

pub use report::{Failure, Report};
pub use run::{Keep, Run};
pub use sweep::{Options, in_fresh_thread, run};
