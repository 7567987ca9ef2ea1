//! One worker: a pure plan of what each pod needs, and the ports through which it is done: runtime, network, service.
//! It never reads the store and decides nothing about where pods go.
pub mod agent;
pub mod hello;
pub mod image;
pub mod limits;
pub mod network;
mod nft;
pub mod pod;
pub mod runtime;
pub mod service;
pub mod shim;
pub mod streams;
pub mod volume;
