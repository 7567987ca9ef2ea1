//! The port `Wire` over one end of a simulated session.
//! It opens and accepts streams, and waits for the end; it carries nothing itself.
use super::end::{End, Held, State};
use super::lane::Streams;
use super::stream::halves;
use crate::trace::Node;
use link::error::LinkError;
use link::session::{Doing, Reader, Wire, Writer};
use std::sync::Arc;

/// One end of a session, cloned with its streams.
pub(super) struct Handle(Arc<Held>);

impl Handle {
    pub(super) fn new(held: Held) -> Self {
        Self(Arc::new(held))
    }

    /// The node at the other end.
    pub(super) fn there(&self) -> Node {
        self.0.0.there.node
    }

    fn end(&self) -> &Arc<End> {
        &self.0.0
    }

    async fn ended(&self) -> LinkError {
        self.either(|state| state.why.clone().map(LinkError::Closed)).await
    }

    /// What `look` finds, once it finds something.
    async fn either<T>(&self, look: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.end().changed.notified());
            // Registered before looking, so that no change falls between.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.end().lock()) {
                return found;
            }
            changed.await;
        }
    }
}

impl Wire for Handle {
    fn open(&self) -> Doing<'_, Result<(Writer, Reader), LinkError>> {
        Box::pin(async move {
            let number = {
                let mut state = self.end().lock();
                if let Some(why) = &state.why {
                    return Err(LinkError::Closed(why.clone()));
                }
                state.streams += 1;
                state.streams
            };
            // Numbers of the two sides differ, as in QUIC.
            let own = u64::from(self.end().here.node.0) << 48;
            Ok(halves(&self.0, Streams::new(own | number)))
        })
    }

    fn accept(&self) -> Doing<'_, Result<(Writer, Reader), LinkError>> {
        Box::pin(async move {
            let found = self.either(|state| match &state.why {
                Some(why) => Some(Err(LinkError::Closed(why.clone()))),
                None => state.arrived.pop_front().map(Ok),
            });
            Ok(halves(&self.0, found.await?))
        })
    }

    fn closed(&self) -> Doing<'_, LinkError> {
        Box::pin(self.ended())
    }

    fn close(&self, why: &str) {
        self.end().close(why);
    }
}
