//! One writer publishes views, many readers take the newest. A reader never waits for the writer, nor the writer for a reader.
use crate::view::View;
use std::sync::{Arc, RwLock};

/// Where the newest view is found.
#[derive(Debug, Default)]
pub struct Published {
    newest: RwLock<Arc<View>>,
}

impl Published {
    /// The newest view.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.newest.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Replaces the newest view. Called by the one writer.
    pub fn publish(&self, view: View) {
        *self.newest.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(view);
    }
}
