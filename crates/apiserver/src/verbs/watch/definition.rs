//! The end of a watch of a custom kind: when its definition goes, or says something else, whoever watches it must begin anew, as in Kubernetes.
//! It looks at the definition alone.
use crate::call::Call;
use crate::room::DEFINITIONS;
use api::event::{Act, Event};
use api::object::Object;
use api::revision::Revision;
use consensus::Watch;
use store::watch::Interest;

/// Follows the definition of one kind.
pub(super) struct Definition {
    /// `None`: the kind is built in and never ends.
    watch: Option<Watch>,
    /// It ended before it was watched.
    ended: Option<Revision>,
}

impl Definition {
    pub(super) fn of(call: &Call) -> Self {
        let kind = &call.kind;
        if !kind.custom() {
            return Self { watch: None, ended: None };
        }
        let view = call.room.member().view();
        let now = call.room.kinds(&view).get(&kind.group, &kind.version, &kind.plural).map(|now| now.defined);
        // A definition has the name under which its objects are stored.
        let (resource, name) = (Some(DEFINITIONS.into()), Some((*kind.resource).into()));
        let interest = Interest { resource, name, ..Interest::default() };
        // What cannot be followed is taken for ended: the client asks again.
        let watch = call.room.member().watch(interest, view.revision()).ok().filter(|_| now == Some(kind.defined));
        let ended = watch.is_none().then(|| view.revision());
        Self { watch, ended }
    }

    /// The revision at which the kind ended. Waits for ever for one that does not end; may be dropped while it waits.
    pub(super) async fn end(&mut self) -> Revision {
        loop {
            if let Some(ended) = self.ended {
                return ended;
            }
            let Some(watch) = &mut self.watch else { return std::future::pending().await };
            let cursor = watch.cursor();
            self.ended = match watch.next().await {
                Ok(batch) => batch.events.iter().find(|event| ends(event)).map(|event| event.revision),
                Err(_) => Some(cursor),
            };
        }
    }
}

/// Whether the kind is another afterwards. What a status says beside the accepted names changes nothing.
fn ends(event: &Event) -> bool {
    let says = |object: &Object| {
        let mut value = object.value();
        (value["spec"].take(), value["status"]["acceptedNames"].take())
    };
    match (event.act, &event.before) {
        (Act::Added, _) => false,
        (Act::Modified, Some(before)) => says(&event.object) != says(before),
        (Act::Modified | Act::Deleted, _) => true,
    }
}
