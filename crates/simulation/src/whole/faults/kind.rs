//! What all kinds of faults share: whom one meets, how long it lasts, and the shape of a kind. It knows none of them.
use crate::disk::Device;
use crate::network::Network;
use crate::stream::Stream;
use crate::trace::Node;
use crate::whole::size::Size;
use crate::whole::words::span;
use crate::world::World;
use std::fmt;

/// A member that takes the place of another is the node so much further on.
pub(crate) const PLACED: u16 = 10;
/// Agents are the nodes from here on; members those before.
pub(crate) const AGENTS: u16 = 1_000;

/// Of fewer members none can be lost.
pub(crate) const MEMBERS_MIN: u16 = 3;

/// What faults can do to a site.
pub(crate) trait Prey {
    fn world(&self) -> &World;
    fn network(&self) -> &Network;
    fn members(&self) -> Vec<Node>;
    /// The disk of a member.
    fn device(&self, node: Node) -> Option<&Device>;
    /// Ends the process on `node`, with its power or only the process, until as many `up` were said as `down`.
    fn down(&self, node: Node, power: bool);
    fn up(&self, node: Node);
    /// Starts the process on `node`, unless it runs or a fault holds it down.
    fn start(&self, node: Node);
    /// What an operator does with a member that serves nothing any more: starts it again.
    fn revive(&self, node: Node);
    /// The machine of a member is lost for good, unless one was lost before.
    fn lose(&self, member: Node);
    /// Another machine takes the place of the member that was lost.
    fn place(&self, member: Node);
    /// Whether the disk of this member may break its word: one member of a run, while no machine is lost.
    fn doubt(&self, member: Node) -> bool;
    /// The machine of an agent loses power and has it again: no container runs.
    fn reboot(&self, agent: Node);
    /// The machine of an agent gets another address.
    fn migrate(&self, agent: Node);
    /// Packets take so many times as long as usual.
    fn delay(&self, times: u64);
    /// Moves the wall clock of a machine.
    fn jump(&self, node: Node, millis: i64);
    /// Another machine, with nothing on it, takes the place of an agent's.
    fn reinstall(&self, agent: Node);
    /// Whether volumes on the machine of an agent can be made.
    fn break_volumes(&self, agent: Node, broken: bool);
    /// Whether pods on the machine of an agent can be attached to their network.
    fn break_network(&self, agent: Node, broken: bool);
    /// The process on `node` dies once its tasks have been polled so many times.
    fn die_after(&self, node: Node, polls: u64);
    /// The clients that watch.
    fn watchers(&self) -> Vec<Node>;
    /// Every way, in both directions, between those of whom `between` is true; members that may take another's place among them.
    fn ways(&self, between: &dyn Fn(Node, Node) -> bool, change: fn(&Network, Node, Node));
}

/// A process of the site, by number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Member(u16),
    Agent(u16),
}

/// A kind of fault.
pub struct Fault {
    pub name: &'static str,
    /// What it is, in a line.
    pub says: &'static str,
    /// Of a thousand seeds so many have it.
    pub rate: u64,
    /// Shortest and longest, in milliseconds of virtual time.
    pub lasts: (u64, u64),
    /// The largest amount; 0 where it has none.
    pub most: u64,
    /// Its beginning sets a state of whom it meets, and its end sets it back: of two at once the first that ends would end both, were the
    /// other not begun again. Kinds that count do not need that.
    pub sets: bool,
    /// Draws whom it meets and how strongly; `None` where a cluster of this size has nobody to meet.
    pub(super) draw: fn(&mut Stream, Size) -> Option<(Vec<Who>, u64)>,
    pub(crate) begin: fn(&dyn Prey, &Step),
    pub(crate) undo: fn(&dyn Prey, &Step),
}

/// One fault: from `at` on, for `lasts`, in milliseconds of virtual time after the storm began.
#[derive(Clone)]
pub struct Step {
    pub at: u64,
    pub lasts: u64,
    pub fault: &'static Fault,
    pub who: Vec<Who>,
    /// How strongly, in the kind's own measure; 0 where it has none.
    pub amount: u64,
}

pub(super) fn one(random: &mut Stream, count: u16) -> u16 {
    u16::try_from(random.between(1, u64::from(count.max(1)))).unwrap_or(1)
}

pub(super) fn a_member(random: &mut Stream, size: Size) -> Option<(Vec<Who>, u64)> {
    Some((vec![Who::Member(one(random, size.members))], 0))
}

pub(super) fn an_agent(random: &mut Stream, size: Size) -> Option<(Vec<Who>, u64)> {
    (size.nodes > 0).then(|| (vec![Who::Agent(one(random, size.nodes))], 0))
}

pub(super) fn anybody(random: &mut Stream, size: Size) -> Who {
    if size.nodes == 0 || random.chance(500) {
        Who::Member(one(random, size.members))
    } else {
        Who::Agent(one(random, size.nodes))
    }
}

impl Who {
    pub(super) fn read(word: &str) -> Option<Self> {
        let number = |rest: &str| rest.parse().ok().filter(|number| *number > 0);
        match word.split_at_checked(1)? {
            ("m", rest) => number(rest).map(Self::Member),
            ("n", rest) => number(rest).map(Self::Agent),
            _ => None,
        }
    }

    /// Where it runs.
    pub(crate) fn node(self) -> Node {
        match self {
            Self::Member(number) => Node(number),
            Self::Agent(number) => Node(AGENTS + number),
        }
    }

    /// Whether a cluster of this size has it.
    #[must_use]
    pub fn within(self, size: Size) -> bool {
        match self {
            Self::Member(number) => number <= size.members,
            Self::Agent(number) => number <= size.nodes,
        }
    }
}

impl Step {
    /// Whether this one, which lasts, has to be begun again when the other one has ended.
    pub(crate) fn holds_beside(&self, ended: &Self) -> bool {
        let shared = self.who.iter().any(|who| ended.who.contains(who));
        let all = self.who.is_empty() && self.fault.name == ended.fault.name;
        self.fault.sets && (shared || all)
    }

    /// Everybody it names; kinds that meet all name nobody.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> {
        self.who.iter().map(|who| who.node())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(number) => write!(f, "m{number}"),
            Self::Agent(number) => write!(f, "n{number}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} for {} {}", span(self.at), span(self.lasts), self.fault.name)?;
        self.who.iter().try_for_each(|who| write!(f, " {who}"))?;
        if self.amount > 0 { write!(f, " {}", self.amount) } else { Ok(()) }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        let data = |step: &Self| (step.at, step.lasts, step.fault.name, step.amount);
        data(self) == data(other) && self.who == other.who
    }
}

impl Eq for Step {}
