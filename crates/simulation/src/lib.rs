//! Clusters in one thread from one seed: twins at the ports, faults, workloads, invariants. Members alone (`run`), or the whole
//! cluster with API, controllers and agents (`whole`). It runs the same code as production, and holds nothing that production needs.
mod careless;
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod evidence;
pub mod faults;
pub mod guard;
pub mod history;
pub mod invariants;
pub mod logs;
pub mod machine;
pub mod network;
mod panics;
pub mod pod_network;
pub mod quic;
pub mod records;
mod report;
mod run;
pub mod runtime;
pub mod scenario;
pub mod services;
pub mod sessions;
mod shrink;
pub mod stream;
mod sweep;
pub mod trace;
pub mod volumes;
mod watchdog;
pub mod whole;
pub mod workload;
pub mod world;

pub use report::{Failure, Report};
pub use run::{Keep, Run};
pub use sweep::{Options, in_fresh_thread, run};
