//! Kubernetes over HTTPS: request in, command or view out. It speaks to clients, decides nothing that a controller decides,
//! and keeps nothing that is not in the log.
mod admission;
mod body;
mod call;
mod definition;
mod draft;
pub mod http;
pub mod identity;
pub mod limits;
mod negotiate;
pub mod nodes;
pub mod operator;
mod paths;
mod permission;
mod query;
mod read;
pub mod request;
pub mod room;
mod route;
mod rules;
mod select;
pub mod server;
mod service;
mod shape;
mod streams;
mod submit;
mod verbs;
