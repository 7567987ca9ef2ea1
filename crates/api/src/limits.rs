//! Every limit of what may be said, in one place. A limit is refused with a clear error, never met with a panic.

/// Bytes of one object as JSON; etcd's default request limit, which stock clients expect, is 1.5 MiB.
pub const OBJECT_BYTES_MAX: usize = 1_536 * 1024;
/// Bytes of one request body.
pub const REQUEST_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Writes in one command (one atomic change).
pub const COMMAND_WRITES_MAX: usize = 4_096;
/// Commands in one entry of the log.
pub const ENTRY_COMMANDS_MAX: usize = 4_096;
/// Bytes of one entry of the log.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many finished commands are remembered at least, so that a retry returns the first outcome.
pub const OUTCOMES_KEPT: usize = 65_536;
/// Beyond those, one is remembered for this long by the stamps of the log, milliseconds,
pub const OUTCOMES_KEPT_MS: u64 = 5 * 60 * 1_000;
/// but never more than so many.
pub const OUTCOMES_MAX: usize = 1_048_576;
/// Nesting of an object, one level more than it may have. Values are read, merged, copied, compared, printed and dropped by recursion,
/// and whoever does so has a stack of 2 MiB; Kubernetes' decoder takes 10,000 levels.
pub const JSON_DEPTH_MAX: usize = 512;
/// Nesting of a YAML body.
pub const YAML_DEPTH_MAX: usize = 128;
/// Nesting of a protobuf body.
pub const PROTOBUF_DEPTH_MAX: usize = 128;
/// Operations in one JSON patch, as in Kubernetes' `maxJSONPatchOperations`.
pub const PATCH_OPERATIONS_MAX: usize = 10_000;
/// Values that the operations of one JSON patch may bring to a place, counted together.
pub const PATCH_VALUES_MAX: usize = 10_000_000;
/// Unknown and duplicate fields that are told of one body, as in Kubernetes' strict decoder.
pub const COMPLAINTS_MAX: usize = 100;
/// Bytes of the place that a complaint names.
pub const PLACE_BYTES_MAX: usize = 4_096;
/// Bytes of a name (RFC 1123 subdomain).
pub const NAME_BYTES_MAX: usize = 253;
/// Values one protobuf body may unfold to; two bytes can ask for an object.
pub const PROTOBUF_VALUES_MAX: usize = 500_000;
/// Nodes of one YAML body.
pub const YAML_NODES_MAX: usize = 250_000;
/// Events that the aliases of one YAML body may unfold to: three hundred bytes can ask for any number.
pub const YAML_ALIAS_EVENTS_MAX: usize = 10_000;
/// Parts that a rule of a role is taken apart into, where it is compared with others; one of more is compared whole.
pub const RULE_PARTS_MAX: usize = 16_384;
