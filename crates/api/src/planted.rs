//! Bugs on purpose, each in one place that asks here first: what a simulation must find to be believed. Without the feature `planted` there
//! is no way to plant one, and the compiler leaves nothing of the question. It holds the names; the bugs are where they would be made.

macro_rules! bugs {
    ($($variant:ident $name:literal $says:literal),* $(,)?) => {
        /// One bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $says] $variant,)*
        }

        impl Bug {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it does, in a line.
            #[must_use]
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

bugs! {
    AcknowledgesBeforeFlush "acknowledges-before-flush" "a member says that entries are on its disk before they are",
    ForgetsVotes "forgets-votes" "a member started again votes a second time in a term",
    FoldsTwice "folds-twice" "a command that was tried twice takes effect twice",
    TrustsUnfinishedCheckpoints "trusts-unfinished-checkpoints" "the log is let go of before the checkpoint that stands for it is on the disk",
    CheckpointSaysMore "checkpoint-says-more" "a checkpoint says that it holds one entry more than it does",
    ReadsLocally "reads-locally" "a member answers reads from what it has, and asks no leader",
    LeaderReadsAlone "leader-reads-alone" "a leader answers reads without asking a majority whether it still leads",
    IgnoresRevision "ignores-revision" "a write takes effect though the object is no longer of the revision that it names",
    CreatesOver "creates-over" "a create takes effect though the object is there",
    UidsByTime "uids-by-time" "two objects made in one millisecond have one uid",
    WatchBeginsLate "watch-begins-late" "a watch is not given what happened between where it said and when it came",
    WakesOne "wakes-one" "of those who wait for one kind of event only the first is woken",
    GivesTwice "gives-twice" "a watch is given the last event of a batch again",
    RingForgetsItsStart "ring-forgets-its-start" "a watch that fell behind what is in memory goes on behind the gap",
    FeedsWithoutEnd "feeds-without-end" "a node that fell behind what is in memory is never told that it has heard everything",
    PatchesBlindly "patches-blindly" "a patch is written over what came since it was read",
    DeletesHeld "deletes-held" "a delete takes away at once what finalizers hold",
    PagesFromPresent "pages-from-present" "the next page of a list is read from the present",
    ClaimsNothing "claims-nothing" "an address of the service network is given without a claim, the lowest that no claim holds",
    Surges "surges" "a rolling update starts all new pods at once",
    CollectsYoung "collects-young" "what is owned is collected if its owner was made in the last second",
    EndsNamespaceEarly "ends-namespace-early" "a namespace is taken away when its pods are, whatever else is in it",
    KeepsGoneEndpoints "keeps-gone-endpoints" "endpoints of pods that are gone stay in their slices",
    KeepsTaints "keeps-taints" "a node that is well again keeps its taints",
    CountsBoundOnly "counts-bound-only" "a replica set counts only the pods that are bound, and makes more meanwhile",
    GivesRangesTwice "gives-ranges-twice" "two nodes are given one range of pod addresses",
    ForgetsAssumed "forgets-assumed" "the scheduler forgets within a decision what it has just placed",
    SchedulesOnCordoned "schedules-on-cordoned" "the scheduler places pods on closed nodes",
    BindsBlindly "binds-blindly" "a pod is bound though somebody has bound it since",
    MissesWhileBusy "misses-while-busy" "what happens to a key while it is being decided is not looked at again",
    NeverTriesAgain "never-tries-again" "a decision that did not reach the log is not made again",
    LeaderBeginsWithoutAll "leader-begins-without-all" "a new leader looks only at what changes from then on",
    NeverSweeps "never-sweeps" "a node leaves running what was unwanted when it came back",
    SaysOnce "says-once" "a node does not say again what was on its way when its session broke",
    AnswersItself "answers-itself" "a node says what it is at each change of what is said of it",
    StartsTwice "starts-twice" "a node starts a container that is just being started",
    ForgetsTheDead "forgets-the-dead" "a node does not see that a container has ended until it comes back",
    MakesAgainEarly "makes-again-early" "a stateful set makes a pod again while the old one of its name may still run",
    ChargesLater "charges-later" "what a create takes of a quota is charged by a command of its own, after it",
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in all that this thread runs from now on, in place of the one before.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted.
#[cfg(feature = "planted")]
#[must_use]
pub fn planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this bug is planted: never.
#[cfg(not(feature = "planted"))]
#[inline]
#[must_use]
pub const fn planted(_bug: Bug) -> bool {
    false
}
