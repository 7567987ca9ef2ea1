//! Says in the log when a node has gone silent: only the change is an entry. It runs where the leader is, for there the
//! sessions are; a new leader first gives nodes the time to find it.
use crate::decide::MEMBER_ACTOR;
use crate::limits::{NODE_GRACE, NODE_POLL};
use crate::nodes::feed::NODES;
use crate::nodes::report::{by_link, unknown};
use crate::nodes::table::Table;
use crate::submit::{By, submit};
use api::revision::{Millis, Revision};
use consensus::Member;
use std::collections::BTreeMap;
use std::sync::Arc;

const LIVENESS: By<'static> = By { actor: MEMBER_ACTOR, agent: "node-liveness" };

/// Runs for ever.
pub(crate) async fn run(member: &Member, table: &Table) {
    let mut leading: Option<(u64, rt::Instant)> = None;
    // Nodes found to need nothing, as of which revision of them.
    let mut judged: BTreeMap<Arc<str>, Revision> = BTreeMap::new();
    loop {
        rt::sleep(NODE_POLL).await;
        let term = member.leading();
        if leading.map(|(term, _)| term) != term {
            if leading.is_some() {
                table.close_all("another member leads");
            }
            leading = term.map(|term| (term, rt::now()));
            judged.clear();
        }
        if let Some((term, since)) = leading {
            judge(member, table, (term, since), &mut judged).await;
        }
    }
}

async fn judge(member: &Member, table: &Table, leading: (u64, rt::Instant), judged: &mut BTreeMap<Arc<str>, Revision>) {
    let view = member.view();
    let now = rt::now();
    for node in view.list(NODES, None) {
        let name = &node.key.name;
        let silent = table.absent_since(name, leading.1).is_some_and(|since| now.since(since) >= NODE_GRACE);
        if !silent || judged.get(name) == Some(&node.revision) {
            continue;
        }
        let wanted = if by_link(&node.value()) { unknown(node, &Millis(rt::wall()).rfc3339()) } else { Ok(None) };
        match wanted {
            Ok(Some(write)) => {
                tracing::warn!(node = &**name, grace = ?NODE_GRACE, "nothing heard: its conditions become Unknown");
                // Refused: somebody wrote the Node meanwhile, and it is looked at again. The same if the log is out of reach.
                let _ = submit(member, LIVENESS, view.revision(), vec![write]).await;
            }
            Ok(None) | Err(_) => {
                judged.insert(name.clone(), node.revision);
            }
        }
        if member.leading() != Some(leading.0) {
            return;
        }
    }
}
