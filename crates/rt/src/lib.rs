//! The seam: clock, random and spawn, handed down and never taken. Outside a simulation these are tokio's and the
//! operating system's; inside one they are the world's of the current thread. Nothing else may call those directly.
pub mod process;
mod seam;
pub use seam::{
    Gone, Instant, JoinHandle, Sleep, World, blocking, enter, from_std, now, random, sleep, sleep_until, spawn,
    spawn_thread, timeout, to_std, unique, wall,
};
