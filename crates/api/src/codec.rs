//! Bodies into values and values into bodies: JSON, YAML, protobuf, Table. It knows shapes, not requests.
//!
//! `json::parse(bytes) -> Result<Parsed, Status>`, `yaml::parse(bytes) -> Result<Parsed, Status>`, `yaml::print(&Value)`,
//! `protobuf::parse(bytes) -> Result<Value, Status>`.
pub mod json;
pub mod parsed;
pub mod protobuf;
pub mod yaml;
