//! What the scheduler reads of decoded pods and nodes. A missing member reads as empty.
use api::object::Object;
use serde_json::Value;

pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or("")
}

pub(crate) fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A port that a pod takes on its node's own address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub(crate) protocol: String,
    pub(crate) address: String,
    pub(crate) port: i64,
}

impl HostPort {
    /// Two pods cannot both have it: the same port and protocol, on the same address or on all.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        let all = |port: &Self| port.address.is_empty() || port.address == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (all(self) || all(other) || self.address == other.address)
    }
}

/// The ports of a pod's containers (and restartable init containers) that the node itself must give.
pub(crate) fn host_ports(pod: &Value) -> Vec<HostPort> {
    let sidecar = |container: &&Value| text(container, "restartPolicy") == "Always";
    let containers = list(&pod["spec"], "containers").iter();
    let containers = containers.chain(list(&pod["spec"], "initContainers").iter().filter(sidecar));
    let port = |port: &Value| {
        let number = port.get("hostPort").and_then(Value::as_i64).filter(|number| *number > 0)?;
        let protocol = Some(text(port, "protocol")).filter(|name| !name.is_empty()).unwrap_or("TCP");
        Some(HostPort { protocol: protocol.into(), address: text(port, "hostIP").into(), port: number })
    };
    containers.flat_map(|container| list(container, "ports").iter().filter_map(port)).collect()
}

/// Whether `needle` stands in the object's bytes: decides, without decoding, that a pod has none of a rare member.
pub(crate) fn mentions(object: &Object, needle: &str) -> bool {
    std::str::from_utf8(&object.bytes).is_ok_and(|text| text.contains(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_ports_clash_on_one_address_or_all() {
        let port = |address: &str, port| HostPort { protocol: "TCP".into(), address: address.into(), port };
        assert!(port("", 80).clashes(&port("10.0.0.1", 80)));
        assert!(!port("10.0.0.2", 80).clashes(&port("10.0.0.1", 80)));
        assert!(!port("", 80).clashes(&port("", 81)));
    }
}
