//! What things are: objects, keys, commands, events, the record in the log, kinds and their schemas. It thinks: no clock, no random, no I/O.
pub mod command;
pub mod decision;
pub mod event;
pub mod facet;
pub mod key;
pub mod kind;
pub mod kinds;
pub mod limits;
pub mod name;
pub mod object;
pub mod quantity;
pub mod record;
pub mod revision;
pub mod schema;
pub mod selector;
pub mod status;
