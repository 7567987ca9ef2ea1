//! A watcher: follows an interest from a revision, and goes on where it was after every break, on any member. It keeps what
//! it was given in the order it was given.
use crate::history::{Recorder, Watched};
use crate::stream::Stream;
use crate::trace::Node;
use crate::workload::client::RESOURCE;
use crate::workload::door::{Answer, Ask, Doors};
use crate::world::World;
use api::revision::Revision;
use std::time::Duration;
use store::watch::Interest;
use tokio::sync::mpsc;

/// One watcher.
pub struct Watcher {
    node: Node,
    doors: Doors,
    recorder: Recorder,
    random: Stream,
}

impl Watcher {
    #[must_use]
    pub fn new(node: Node, world: &World, doors: &Doors, recorder: &Recorder) -> Self {
        let random = world.stream(&format!("watcher {}", node.0));
        Self { node, doors: doors.clone(), recorder: recorder.clone(), random }
    }

    /// Watches until the world ends.
    pub async fn work(mut self) {
        let (interest, from) = (self.interest(), Revision(0));
        let number = self.recorder.with(|history| {
            let interest = interest.clone();
            history.watches.push(Watched { client: self.node, interest, from, batches: Vec::new(), connections: 0 });
            history.watches.len() - 1
        });
        let mut cursor = from;
        loop {
            let members = self.doors.members().to_vec();
            let to = *self.random.pick(&members);
            let (feed, mut batches) = mpsc::unbounded_channel();
            let ask = Ask::Watch { interest: interest.clone(), from: cursor, feed };
            let answer = self.doors.ask(self.node, to, ask, Duration::from_secs(2)).await;
            if matches!(answer, Some(Ok(Answer::Watching(Ok(()))))) {
                self.recorder.with(|history| history.watches[number].connections += 1);
                // Now and then it leaves of its own accord, so that resuming is tried on a calm network as well.
                let stay = Duration::from_millis(self.random.between(200, 20_000));
                let until = rt::now().after(stay);
                while let Some(Some(batch)) = rt::timeout(until.since(rt::now()), batches.recv()).await {
                    cursor = self.resume(&batch);
                    self.recorder.with(|history| history.watches[number].batches.push(batch));
                }
            }
            rt::sleep(Duration::from_millis(self.random.between(1, 300))).await;
        }
    }

    /// Where to go on after this batch: its last event, or as far as it reaches; both must do.
    fn resume(&mut self, batch: &store::watch::Batch) -> Revision {
        match batch.events.last() {
            Some(last) if self.random.chance(500) => last.revision,
            _ => batch.through,
        }
    }

    fn interest(&mut self) -> Interest {
        let resource = Some(RESOURCE.into());
        match self.random.below(4) {
            0 => Interest::default(),
            1 => Interest { resource, ..Interest::default() },
            2 => Interest { resource, namespace: Some("a".into()), ..Interest::default() },
            _ => Interest { resource, namespace: Some("b".into()), name: Some("k1".into()), ..Interest::default() },
        }
    }
}
