//! openraft's suite for storage, over this log and the state machine.
use super::Log;
use crate::machine::Machine;
use crate::room::Room;
use crate::runtime::Runtime;
use crate::types::Types;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{AsyncRuntime, StorageError};
use std::sync::Arc;
use store::disk::memory::MemoryDisk;
use store::log::Options;

struct Builder;

impl StoreBuilder<Types, Log, Machine, ()> for Builder {
    async fn build(&self) -> Result<((), Log, Machine), StorageError<Types>> {
        let log = store::log::Log::open(Arc::new(MemoryDisk::default()), Options::default()).expect("a new log opens");
        Ok(((), Log::new(log, |why| panic!("{why}")), Machine::new(Arc::new(Room::default()))))
    }
}

#[test]
fn passes_the_suite_of_openraft() {
    Runtime::run(Suite::test_all(Builder)).expect("the suite passes");
}
