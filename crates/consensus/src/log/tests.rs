//! openraft's suite for storage, over this log and the state machine.
use super::Log;
use crate::careless::Careless;
use crate::checkpoint::Checkpoints;
use crate::machine::{Machine, Shelf};
use crate::room::Room;
use crate::runtime::Runtime;
use crate::tuning::Tuning;
use crate::types::Types;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{AsyncRuntime, StorageError};
use std::sync::Arc;
use store::disk::memory::MemoryDisk;
use store::log::Options;

struct Builder;

impl StoreBuilder<Types, Log, Machine, ()> for Builder {
    async fn build(&self) -> Result<((), Log, Machine), StorageError<Types>> {
        let disk = Arc::new(MemoryDisk::default());
        let log = store::log::Log::open(disk.clone(), Options::default()).expect("a new log opens");
        let history = store::history::History::open(log.reader().clone()).expect("opens");
        let shelf = Shelf::new(Checkpoints::new(disk, None), log.clone(), history, Tuning::default());
        let room = Arc::new(Room::default());
        let machine = Machine::open(room.clone(), shelf.clone()).expect("a new machine opens");
        Ok(((), Log::new(log, shelf, Careless::default(), room), machine))
    }
}

#[test]
fn passes_the_suite_of_openraft() {
    Runtime::run(Suite::test_all(Builder)).expect("the suite passes");
}
