//! Nothing passes from one process to another, while the other direction works.
use super::kind::{Fault, Who, anybody, one};
use crate::stream::Stream;
use crate::whole::size::Size;

pub(super) const FAULT: Fault = Fault {
    name: "cut",
    says: "nothing passes from the first to the second; the other direction works",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |random, size| Some((pair(random, size)?, 0)),
    begin: |site, step| step.nodes().zip(step.nodes().skip(1)).for_each(|(from, to)| site.network().cut(from, to)),
    undo: |site, step| step.nodes().zip(step.nodes().skip(1)).for_each(|(from, to)| site.network().mend(from, to)),
};

/// Two that have something to say to each other: one of them is a member.
pub(super) fn pair(random: &mut Stream, size: Size) -> Option<Vec<Who>> {
    let (member, mut other) = (Who::Member(one(random, size.members)), anybody(random, size));
    if other == member {
        other = if size.nodes > 0 { Who::Agent(one(random, size.nodes)) } else { next(member, size.members)? };
    }
    Some(if random.chance(500) { vec![member, other] } else { vec![other, member] })
}

/// The member after this one; nobody in a cluster of one.
fn next(member: Who, members: u16) -> Option<Who> {
    match member {
        Who::Member(number) if members > 1 => Some(Who::Member(number % members + 1)),
        _ => None,
    }
}
