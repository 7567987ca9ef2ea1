//! One writer publishes views, many readers take the newest. A reader never waits for the writer, nor the writer for a reader.
use crate::view::View;
use latest::Latest;
use std::sync::Arc;

mod latest;

/// Where the newest view is found.
#[derive(Debug)]
pub struct Published {
    newest: Latest<Arc<View>>,
}

impl Default for Published {
    fn default() -> Self {
        Self { newest: Latest::new(Arc::default()) }
    }
}

impl Published {
    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.newest.get()
    }

    /// Replaces the newest view. Called by the one writer.
    pub fn publish(&self, view: View) {
        self.newest.set(Arc::new(view));
    }
}
