//! What the test of real hosts is made of: the ground, the processes on it, the clients, the storm, and the truth that is read afterwards.
//! Nothing here judges.
pub(crate) mod client;
pub(crate) mod ground;
pub(crate) mod processes;
pub(crate) mod storm;
pub(crate) mod truth;
pub(crate) mod work;
