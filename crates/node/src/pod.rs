//! One pod, purely: what it asks for, what is seen of it, what to do, and what to say of it. No room here touches the world.
pub mod env;
pub mod file;
pub mod plan;
pub mod probe;
pub mod quantity;
pub mod restart;
pub mod seen;
pub mod spec;
pub mod status;
