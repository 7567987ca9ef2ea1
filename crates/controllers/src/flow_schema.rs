//! The condition `Dangling` of a FlowSchema: whether its priority level is there. It writes nothing else, and queues nothing.
use crate::conditions::{Wanted, put};
use crate::controller::Controller;
use crate::fields::text;
use crate::writes::replace;
use api::decision::Decision;
use api::event::{Act, Event};
use api::flow::{LEVELS, SCHEMAS};
use api::key::Key;
use api::revision::Millis;
use store::view::View;

pub(crate) const CONTROLLER: Controller = Controller { name: "flow_schema", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    match &*key.resource {
        SCHEMAS if event.act != Act::Deleted => vec![key.clone()],
        // A level that comes or goes: few schemas there are, and whose it is their own text tells.
        LEVELS if event.act != Act::Modified => all(view),
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(SCHEMAS, None).map(|schema| schema.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(schema) = view.get_key(key) else { return Decision::idle() };
    let before = schema.value();
    let level = text(&before, "/spec/priorityLevelConfiguration/name").to_owned();
    let there = view.get(LEVELS, "", &level).is_some();
    let (status, reason, end) =
        if there { ("False", "Found", "and it exists") } else { ("True", "NotFound", "but there is no such object") };
    let message = format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?} {end}");
    let mut after = before.clone();
    put(&mut after, Wanted { kind: "Dangling", status, reason, message: &message }, now, false);
    if before == after {
        return Decision::idle();
    }
    Decision::one(replace(schema, &after).into_iter().collect(), "")
}
