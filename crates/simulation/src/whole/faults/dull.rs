//! The clients that watch read nothing: what they are to be given piles up, is bounded, and they come again from where they were.
use super::kind::Fault;

pub(super) const FAULT: Fault = Fault {
    name: "dull",
    says: "the clients that watch read nothing until the end",
    rate: 200,
    lasts: (500, 25_000),
    most: 0,
    sets: true,
    draw: |_, _| Some((Vec::new(), 0)),
    begin: |site, _| site.watchers().into_iter().for_each(|node| site.world().pause(node)),
    undo: |site, _| site.watchers().into_iter().for_each(|node| site.world().resume(node)),
};
