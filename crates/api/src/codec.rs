//! Bodies into values and values into bodies: JSON, YAML, protobuf, Table. It knows shapes, not requests.
//!
//! `json::parse(bytes) -> Result<Parsed, Status>`, `yaml::parse(bytes) -> Result<Parsed, Status>`, `yaml::print(&Value)`,
//! `protobuf::parse(bytes) -> Result<Value, Status>`, `table::columns(&Kind)`, `table::cells(&Kind, &Value, now)`.
pub mod json;
pub mod parsed;
pub mod protobuf;
pub mod table;
pub mod yaml;
