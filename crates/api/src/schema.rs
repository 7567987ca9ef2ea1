//! What an object of a kind may hold: structure, members, defaults, validation. It never stores and never decides.
pub mod fields;
pub mod structural;
pub mod structure;
