//! What the runtime shows of a pod, as the plan's second argument. Pure.
use crate::pod::seen::{Attempt, Exit, Sandbox, Seen, State};
use crate::runtime::{ContainerView, SandboxView};
use api::planted::{Bug, planted};
use std::collections::{BTreeMap, BTreeSet};

/// Brings `seen` up to what the runtime shows; `host_ip` stands in for pods without an address of their own.
pub(crate) fn fold(seen: &mut Seen, views: &[SandboxView], host_ip: Option<&str>) {
    seen.sandbox = views.iter().max_by_key(|view| view.attempt).map(|view| Sandbox {
        id: view.id.clone(),
        attempt: view.attempt,
        ready: view.ready,
        ips: match host_ip {
            Some(ip) if view.ready && view.ips.is_empty() => vec![ip.to_owned()],
            _ => view.ips.clone(),
        },
        created: view.created,
    });
    let mut containers: BTreeMap<String, Vec<Attempt>> = BTreeMap::new();
    for view in views {
        for container in &view.containers {
            containers.entry(container.name.clone()).or_default().push(attempt(&view.id, container));
        }
    }
    containers.values_mut().for_each(|attempts| attempts.sort_by_key(|attempt| attempt.attempt));
    if planted(Bug::ForgetsTheDead) {
        let ran = |name: &str| seen.containers.get(name).and_then(|all| all.last()).is_some_and(Attempt::runs);
        containers.retain(|name, all| !(ran(name) && all.last().is_some_and(|last| !last.runs())));
        let kept = std::mem::take(&mut seen.containers);
        kept.into_iter().for_each(|(name, all)| _ = containers.entry(name).or_insert(all));
    }
    seen.containers = containers;
    let running: BTreeSet<String> = seen.running().map(|(_, attempt)| attempt.id.clone()).collect();
    seen.stopping.retain(|id, _| running.contains(id));
}

fn attempt(sandbox: &str, view: &ContainerView) -> Attempt {
    let state = match (view.started, &view.end) {
        (started, Some(end)) => State::Exited(Exit {
            code: end.code,
            signal: end.signal,
            reason: end.reason.clone(),
            message: end.message.clone(),
            started: started.unwrap_or(end.finished),
            finished: end.finished,
        }),
        (Some(since), None) => State::Running { since },
        (None, None) => State::Created,
    };
    Attempt {
        id: view.id.clone(),
        sandbox: sandbox.into(),
        attempt: view.attempt,
        level: view.level,
        image_id: view.image_id.clone(),
        state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::End;

    #[test]
    fn attempts_of_all_sandboxes_stand_in_order() {
        let container = |id: &str, attempt, started, end: Option<i32>| ContainerView {
            id: id.into(),
            name: "c".into(),
            attempt,
            started,
            end: end.map(|code| End { code, finished: 9, ..End::default() }),
            ..ContainerView::default()
        };
        let view = |id: &str, attempt, ready, containers| SandboxView {
            id: id.into(),
            attempt,
            ready,
            containers,
            ..SandboxView::default()
        };
        let views = [
            view("s1", 1, true, vec![container("b", 1, Some(5), None)]),
            view("s0", 0, false, vec![container("a", 0, Some(1), Some(3))]),
        ];
        let mut seen = Seen::default();
        seen.stopping.insert("a".into(), 4);
        fold(&mut seen, &views, Some("192.0.2.1"));
        assert_eq!(
            seen.sandbox.as_ref().map(|s| (s.id.as_str(), s.ips.clone())),
            Some(("s1", vec!["192.0.2.1".to_owned()]))
        );
        let ids: Vec<_> = seen.containers["c"].iter().map(|attempt| attempt.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(seen.stopping.is_empty(), "what has ended is no longer being stopped");
        assert!(matches!(seen.newest("c").map(|newest| &newest.state), Some(State::Running { since: 5 })));
    }
}
