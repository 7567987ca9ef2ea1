//! Which flow schema and priority level a request is of, told in two headers (KEP-1040). Everybody is served alike for all that: places are
//! given by `flight`.
use crate::request::Response;
use crate::trail::Trail;
use api::flow::{Flow, LEVELS, SCHEMAS, Who};
use hyper::header::HeaderName;
use std::sync::{Arc, Mutex, PoisonError};
use store::view::{Part, View};

const SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// The schemas of the view that was last asked about, ready to be asked.
#[derive(Debug, Default)]
pub struct Flows(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    part: Part,
    /// In the order in which they are asked: a schema, its uid, and its level's.
    flows: Arc<[(Flow, String, String)]>,
}

impl Flows {
    /// The response, with the headers that say what it was.
    #[must_use]
    pub fn told(&self, view: &View, trail: &Trail, response: Response) -> Response {
        if trail.actor().is_none() || trail.long_running() && trail.verb != "watch" {
            return response;
        }
        let facts = trail.facts();
        let who = Who { user: facts.user, groups: facts.groups };
        let flows = self.of(view);
        match flows.iter().find(|(flow, ..)| flow.takes(who, &facts.attempt)) {
            Some((_, schema, level)) => response.with(SCHEMA, schema).with(LEVEL, level),
            None => response,
        }
    }

    fn of(&self, view: &View) -> Arc<[(Flow, String, String)]> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.part.is_of(view) {
            *known = Known { part: view.part(&[SCHEMAS, LEVELS]), flows: flows(view).into() };
        }
        known.flows.clone()
    }
}

/// A schema whose level is not there is as good as none.
fn flows(view: &View) -> Vec<(Flow, String, String)> {
    let of = |schema: &Arc<api::object::Object>| {
        let flow = Flow::of(&schema.value());
        let level = view.get(LEVELS, "", &flow.level)?;
        Some((flow, schema.uid.to_string(), level.uid.to_string()))
    };
    let mut flows: Vec<_> = view.list(SCHEMAS, None).filter_map(of).collect();
    flows.sort_by(|(a, ..), (b, ..)| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
    flows
}
