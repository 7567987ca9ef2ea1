//! Who is where: the numbers of processes and machines in the world, their addresses, and what they are called. It starts and holds nothing.
use super::faults::{AGENTS, PLACED};
use crate::trace::Node;
use consensus::MemberInfo;
use std::net::SocketAddr;

/// Where the containers of the agents' machines run.
pub(super) const SEATS: u16 = 10_000;
/// Clients, and those that watch, are the nodes after these.
pub(super) const CLIENTS: u16 = 100;
pub(super) const WATCHERS: u16 = 200;
/// What they watch: pods, all or those with this label.
pub(super) const WATCHED: [Option<(&str, &str)>; 2] = [None, Some(("app", "web0"))];
/// The member that founds every cluster.
pub(super) const FOUNDER: Node = Node(1);

/// Where members and nodes reach a member.
pub(super) fn link(node: Node) -> String {
    format!("10.0.0.{}:7443", node.0)
}

/// Where clients reach it.
pub(super) fn api(node: Node) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(node.0).unwrap_or(255)], 6443))
}

/// A member as the others know it.
pub(super) fn info(node: Node) -> MemberInfo {
    MemberInfo { id: u64::from(node.0), name: name(node), link: link(node), api: api(node).to_string() }
}

/// What the process on `node`, or the machine whose containers run there, is called.
pub(super) fn name(node: Node) -> String {
    if node.0 == 0 {
        return "storm".into();
    }
    if node.0 > SEATS {
        return format!("n{}", node.0 - SEATS);
    }
    if (PLACED + 1..2 * PLACED).contains(&node.0) {
        return format!("m{}", node.0 - PLACED);
    }
    if node.0 > AGENTS { format!("n{}", node.0 - AGENTS) } else { format!("m{}", node.0) }
}
