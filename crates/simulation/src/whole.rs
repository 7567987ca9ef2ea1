//! The whole cluster in one thread from one seed: members as production wires them, agents on pretended machines, clients at the API.
//! It runs the same code as production; what is pretended stands in the twins beside it.
mod alike;
mod api;
pub(crate) mod authority;
mod backup;
mod converged;
mod counted;
pub mod deeds;
mod draw;
pub mod evidence;
mod expect;
pub mod faults;
pub mod invariants;
mod minimize;
pub mod outside;
mod place;
#[cfg(feature = "planted")]
pub mod planted;
mod rest;
mod run;
pub mod scenario;
mod sheet;
mod site;
mod size;
pub mod spoken;
mod story;
mod sweep;
mod timeline;
mod watcher;
pub mod words;
pub mod workload;

pub use alike::{Alike, alike};
pub use backup::Backup;
pub use run::Run;
pub use scenario::{Carrier, Scenario};
pub use sheet::Sheet;
pub use size::Size;
pub use sweep::{Failure, Left, Options, Report, Told, in_fresh_thread, run};
