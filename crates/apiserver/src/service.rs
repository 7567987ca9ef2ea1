//! Addresses and node ports of Services. Each is claimed by an object of its own, written in the same command as the Service
//! under the condition that nobody has it: two Services cannot get one address, however they race.
use crate::call::Call;
use crate::draft;
use crate::families;
use crate::limits::DRAW_ATTEMPTS;
use api::command::{Change, Condition, Write};
use api::key::Key;
use api::planted::{Bug, planted};
use api::status::{Cause, Status};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use store::view::View;

/// Where claims on addresses are stored: networking.k8s.io/v1 IPAddress, as Kubernetes keeps them (KEP-1880).
const ADDRESSES: &str = "ipaddresses.networking.k8s.io";
/// Where claims on node ports are stored. Kubernetes has no kind for it, so no client sees them.
const PORTS: &str = "nodeports.rutter.dev";
/// The cluster's service network: 10.96.0.0/16.
pub const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 0);
const NETWORK_SIZE: u32 = 1 << 16;
/// The address of the Service `kubernetes`.
pub const KUBERNETES: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// Addresses at the beginning of the network that are only given to who names them, as in Kubernetes.
const BAND: u32 = 256;
const NODE_PORTS: std::ops::Range<u16> = 30_000..32_768;
/// The field that a claimed address stands in.
const ADDRESS_FIELD: &str = "spec.clusterIPs";

/// One claim that a Service makes.
pub struct Claim {
    pub write: Write,
    /// We chose it, so another will do.
    pub drawn: bool,
    field: String,
    value: String,
}

impl Claim {
    /// What the author of a Service is told whose claim somebody else has.
    #[must_use]
    pub fn taken(&self, call: &Call, service: &Value) -> Status {
        let value = &self.value;
        let message = if self.field == ADDRESS_FIELD {
            format!("Invalid value: [{value:?}]: failed to allocate IP {value}: provided IP is already allocated")
        } else {
            let port = value.split('-').next().unwrap_or_default();
            format!("Invalid value: {port}: provided port is already allocated")
        };
        let cause = Cause { reason: "FieldValueInvalid", message, field: self.field.clone() };
        draft::invalid(&call.kind, draft::text(service, "name"), vec![cause])
    }
}

/// Whether the call is about Services.
#[must_use]
pub fn is(call: &Call) -> bool {
    &*call.kind.resource == "services"
}

/// Completes `new` with addresses and ports, and gives the writes that claim what `old` does not have and free what `new` does not.
///
/// # Errors
/// 422 for an address outside the network, 500 if the draw finds nothing free.
pub fn claim(call: &Call, view: &View, old: Option<&Value>, new: &mut Value) -> Result<Vec<Claim>, Status> {
    if !is(call) {
        return Ok(Vec::new());
    }
    let mut drawn = Vec::new();
    if !new.get("spec").is_some_and(Value::is_object) {
        new["spec"] = json!({});
    }
    if let Some(old) = old {
        take_over(&old["spec"], &mut new["spec"]);
    }
    families::one(call, old, new)?;
    in_range(call, old, new)?;
    address(call, view, new, &mut drawn)?;
    ports(view, &mut new["spec"], &mut drawn)?;
    let had = old.map(held).unwrap_or_default();
    let has = held(new);
    let fresh = has.iter().filter(|(key, _)| !had.contains_key(*key));
    let mut claims = Vec::new();
    for (key, field) in fresh.filter(|_| !planted(Bug::ClaimsNothing)) {
        let change = Change::Put(claimant(call, key, new)?);
        claims.push(Claim {
            write: Write { key: key.clone(), condition: Condition::Absent, change },
            drawn: drawn.contains(key),
            field: field.clone(),
            value: key.name.to_string(),
        });
    }
    let freed = had.into_iter().filter(|(key, _)| !has.contains_key(key) && view.get_key(key).is_some());
    claims.extend(freed.map(|(key, field)| free(key, field)));
    Ok(claims)
}

/// The writes that free what a Service held.
#[must_use]
pub fn release(call: &Call, view: &View, old: &Value) -> Vec<Write> {
    if !is(call) {
        return Vec::new();
    }
    held(old)
        .into_iter()
        .filter(|(key, _)| view.get_key(key).is_some())
        .map(|(key, field)| free(key, field).write)
        .collect()
}

fn free(key: Key, field: String) -> Claim {
    let value = key.name.to_string();
    Claim { write: Write { key, condition: Condition::Exists, change: Change::Delete }, drawn: false, field, value }
}

/// The keys a Service claims, and the field each stands in.
fn held(service: &Value) -> BTreeMap<Key, String> {
    let spec = &service["spec"];
    let mut held = BTreeMap::new();
    if let Some(address) = spec["clusterIP"].as_str().filter(|address| address.parse::<Ipv4Addr>().is_ok()) {
        held.insert(Key::new(ADDRESSES, "", address), ADDRESS_FIELD.to_owned());
    }
    for (number, port) in spec["ports"].as_array().into_iter().flatten().enumerate() {
        if let Some(node_port) = port["nodePort"].as_u64().filter(|node_port| *node_port > 0) {
            held.insert(port_key(node_port, protocol(port)), format!("spec.ports[{number}].nodePort"));
        }
    }
    if let Some(node_port) = spec["healthCheckNodePort"].as_u64().filter(|node_port| *node_port > 0) {
        held.insert(port_key(node_port, "TCP"), "spec.healthCheckNodePort".to_owned());
    }
    held
}

/// The objects of a list member; nothing if it is no list.
fn list_mut<'a>(value: &'a mut Value, member: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten().filter(|item| item.is_object())
}

fn port_key(port: u64, protocol: &str) -> Key {
    Key::new(PORTS, "", &format!("{port}-{}", protocol.to_ascii_lowercase()))
}

fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or("TCP")
}

fn kind_of(spec: &Value) -> &str {
    spec["type"].as_str().unwrap_or("ClusterIP")
}

fn with_node_ports(spec: &Value) -> bool {
    match kind_of(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"].as_bool() != Some(false),
        _ => false,
    }
}

/// An update that leaves out what was allocated keeps it (`patchAllocatedValues` in Kubernetes).
fn take_over(old: &Value, new: &mut Value) {
    if kind_of(new) != "ExternalName"
        && kind_of(old) != "ExternalName"
        && new["clusterIP"].as_str().unwrap_or_default().is_empty()
    {
        for member in ["clusterIP", "clusterIPs"] {
            if let Some(kept) = old.get(member) {
                new[member] = kept.clone();
            }
        }
    }
    if !with_node_ports(new) {
        if !with_node_ports(old) {
            return;
        }
        // What the old type needed and the new one has no use for is given back.
        for port in list_mut(new, "ports") {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
        }
        return;
    }
    let known: Vec<Value> = old["ports"].as_array().cloned().unwrap_or_default();
    for port in list_mut(new, "ports") {
        let open = port["nodePort"].as_u64().unwrap_or(0) == 0;
        let same = |had: &&Value| had["port"] == port["port"] && protocol(had) == protocol(port);
        if let (true, Some(had)) = (open, known.iter().find(same))
            && had["nodePort"].as_u64().is_some()
        {
            port["nodePort"] = had["nodePort"].clone();
        }
    }
}

fn address(call: &Call, view: &View, service: &mut Value, drawn: &mut Vec<Key>) -> Result<(), Status> {
    let own = call.target.namespace == "default" && draft::text(service, "name") == "kubernetes";
    let name = draft::text(service, "name").to_owned();
    let spec = &mut service["spec"];
    if kind_of(spec) == "ExternalName" {
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        return Ok(());
    }
    let asked = match spec["clusterIP"].as_str().unwrap_or_default() {
        "" => spec["clusterIPs"][0].as_str().unwrap_or_default().to_owned(),
        address => address.to_owned(),
    };
    let address = match asked.as_str() {
        "None" => "None".to_owned(),
        "" if own => KUBERNETES.to_string(),
        "" => {
            let address = draw_address(view)?;
            drawn.push(Key::new(ADDRESSES, "", &address));
            address
        }
        text => match text.parse::<Ipv4Addr>() {
            Ok(address)
                if (own || address != KUBERNETES) && u32::from(address) & !(NETWORK_SIZE - 1) == u32::from(NETWORK) =>
            {
                address.to_string()
            }
            _ => {
                let why = if text.parse::<Ipv4Addr>() == Ok(KUBERNETES) {
                    "provided IP is already allocated".to_owned()
                } else {
                    format!(
                        "the provided IP ({text}) is not in the valid range. The range of valid IPs is {NETWORK}/16"
                    )
                };
                let message = format!("Invalid value: [{text:?}]: failed to allocate IP {text}: {why}");
                let cause = Cause { reason: "FieldValueInvalid", message, field: ADDRESS_FIELD.into() };
                return Err(draft::invalid(&call.kind, &name, vec![cause]));
            }
        },
    };
    spec["clusterIP"] = address.as_str().into();
    spec["clusterIPs"] = json!([address]);
    for (member, value) in [("ipFamilies", json!(["IPv4"])), ("ipFamilyPolicy", json!("SingleStack"))] {
        if spec.get(member).is_none_or(Value::is_null) {
            spec[member] = value;
        }
    }
    Ok(())
}

/// Node ports that somebody names come from the range that is theirs; one that the Service already has stays.
fn in_range(call: &Call, old: Option<&Value>, new: &Value) -> Result<(), Status> {
    let had = old.map(held).unwrap_or_default();
    let mut causes = Vec::new();
    for (key, field) in held(new).iter().filter(|(key, _)| &*key.resource == PORTS && !had.contains_key(key)) {
        let port = key.name.split('-').next().unwrap_or_default();
        if !port.parse().is_ok_and(|port| NODE_PORTS.contains(&port)) {
            let (first, last) = (NODE_PORTS.start, NODE_PORTS.end - 1);
            let message = format!(
                "Invalid value: {port}: provided port is not in the valid range. The range of valid ports is {first}-{last}"
            );
            causes.push(Cause { reason: "FieldValueInvalid", message, field: field.clone() });
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(draft::invalid(&call.kind, draft::text(new, "name"), causes)) }
}

fn draw_address(view: &View) -> Result<String, Status> {
    let span = NETWORK_SIZE - BAND - 1;
    let drawn = u32::try_from(rt::random() % u64::from(span)).unwrap_or_default();
    let start = if planted(Bug::ClaimsNothing) { 0 } else { drawn };
    // A few draws, then a walk: a full network is found out, and says so.
    let candidates = (0..span)
        .map(|step| BAND + (start + step) % span)
        .map(|host| Ipv4Addr::from(u32::from(NETWORK) + host).to_string());
    let mut free = candidates.filter(|address| view.get(ADDRESSES, "", address).is_none());
    free.next().ok_or_else(|| {
        Status::internal(format!("the service network {NETWORK}/16 has no free address; delete unused Services"))
    })
}

fn ports(view: &View, spec: &mut Value, drawn: &mut Vec<Key>) -> Result<(), Status> {
    if !with_node_ports(spec) {
        return Ok(());
    }
    let mut taken: Vec<Key> = Vec::new();
    for port in list_mut(spec, "ports") {
        if port["nodePort"].as_u64().unwrap_or(0) > 0 {
            continue;
        }
        let span = u64::from(NODE_PORTS.end - NODE_PORTS.start);
        let start = rt::random() % span;
        let candidates = (0..span).map(|step| u64::from(NODE_PORTS.start) + (start + step) % span);
        let protocol = protocol(port).to_owned();
        let free = |number: &u64| {
            let key = port_key(*number, &protocol);
            view.get_key(&key).is_none() && !taken.contains(&key)
        };
        let found = candidates.clone().find(free);
        let number =
            found.ok_or_else(|| Status::internal("no node port is free; delete unused Services of type NodePort"))?;
        taken.push(port_key(number, &protocol));
        port["nodePort"] = number.into();
    }
    drawn.extend(taken);
    Ok(())
}

/// The object that holds a claim.
fn claimant(call: &Call, key: &Key, service: &Value) -> Result<api::object::Body, Status> {
    let name = draft::text(service, "name");
    let parent = json!({"group": "", "resource": "services", "namespace": call.target.namespace, "name": name});
    let value = if &*key.resource == ADDRESSES {
        let labels = json!({"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"});
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": &*key.name, "labels": labels},
            "spec": {"parentRef": parent}})
    } else {
        json!({"apiVersion": "rutter.dev/v1", "kind": "NodePort", "metadata": {"name": &*key.name}, "spec": {"parentRef": parent}})
    };
    api::kinds::body(&key.resource, &value).map_err(|why| Status::internal(why.to_string()))
}

const _: () = assert!(DRAW_ATTEMPTS > 1, "a lost race for an address is drawn again");
