//! The whole cluster in one thread from one seed: members as production wires them, agents on pretended machines, clients at the API.
//! It runs the same code as production; what is pretended stands in the twins beside it.
mod api;
mod authority;
mod converged;
pub mod deeds;
pub mod evidence;
pub mod faults;
pub mod invariants;
mod run;
pub mod scenario;
mod site;
mod size;
mod sweep;
mod watcher;
mod workload;

pub use run::Run;
pub use scenario::Scenario;
pub use size::Size;
pub use sweep::{Options, Report, in_fresh_thread, run};
