//! The twin of `node::service::Services`: what was to be reachable, as it was said last. Nothing is reached.
use node::service::{Done, Services};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// Cloning it clones the handle.
#[derive(Clone, Default)]
pub struct SimulatedServices(Arc<Mutex<(Vec<Value>, Vec<Value>)>>);

impl SimulatedServices {
    /// Services and slices as they were applied last.
    #[must_use]
    pub fn applied(&self) -> (Vec<Value>, Vec<Value>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another machine, of which nothing has been asked.
    pub fn reinstall(&self) {
        self.set(&[], &[]);
    }

    fn set(&self, services: &[Value], slices: &[Value]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (services.to_vec(), slices.to_vec());
    }
}

impl Services for SimulatedServices {
    fn apply<'a>(&'a self, services: &'a [Value], slices: &'a [Value]) -> Done<'a> {
        Box::pin(async move {
            self.set(services, slices);
            Ok(())
        })
    }

    fn remove<'a>(&'a self) -> Done<'a> {
        Box::pin(async move {
            self.set(&[], &[]);
            Ok(())
        })
    }

    fn set_pod_range(&self, _: &str) {}

    fn name(&self) -> &'static str {
        "simulated"
    }
}
