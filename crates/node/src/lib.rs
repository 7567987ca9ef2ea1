//! One worker: a pure plan of what each pod needs, and the ports through which it is done: runtime, network, service.
//! It never reads the store and decides nothing about where pods go.
pub mod limits;
pub mod pod;
