//! What an object of a kind may hold: structure, defaults, validation. It never stores and never decides.
pub mod structural;
