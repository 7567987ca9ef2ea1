//! The pods of a Job, as it counts them: which still run, which have ended and are still to be counted.
use super::indexes;
use crate::fields::{list, set};
use crate::pods::Pod;
use api::object::Object;
use serde_json::Value;
use std::sync::Arc;

/// A pod that has it was not counted yet.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// One pod of a Job.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) pod: Pod,
    /// It is still to be counted.
    pub(super) tracked: bool,
    pub(super) index: Option<usize>,
}

/// Whether `pod` has the finalizer of pods that are to be counted.
pub(super) fn tracked(pod: &Object) -> bool {
    pod.facet.finalizers && list(&pod.value(), "/metadata/finalizers").iter().any(|finalizer| finalizer == TRACKING)
}

/// Puts the finalizer on.
pub(super) fn track(pod: &mut Value) {
    let mut finalizers = list(pod, "/metadata/finalizers").to_vec();
    if !finalizers.iter().any(|finalizer| finalizer == TRACKING) {
        finalizers.push(TRACKING.into());
        set(pod, &["metadata", "finalizers"], finalizers);
    }
}

impl Own {
    pub(super) fn read(object: &Arc<Object>) -> Self {
        Self { pod: Pod::read(object), tracked: tracked(object), index: indexes::of(object) }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.pod.phase == "Succeeded"
    }

    /// Whether it will not succeed any more. One whose deletion has begun may never say how it ended; who wants to wait for that
    /// (`podReplacementPolicy: Failed`) waits only for pods that have begun to run.
    pub(super) fn failed(&self, only_failed: bool) -> bool {
        let ending = self.pod.object.facet.deleting.is_some() && !self.succeeded();
        self.pod.phase == "Failed" || (ending && (!only_failed || self.pod.phase == "Pending"))
    }

    /// Whether its deletion has begun and its containers have not all ended.
    pub(super) fn terminating(&self) -> bool {
        self.pod.object.facet.deleting.is_some() && !self.pod.finished()
    }

    /// How often its containers were started again.
    pub(super) fn restarts(&self) -> i64 {
        let value = self.pod.object.value();
        let of = |member: &str| -> i64 {
            list(&value, member).iter().filter_map(|container| container["restartCount"].as_i64()).sum()
        };
        of("/status/initContainerStatuses") + of("/status/containerStatuses")
    }

    /// Of too many pods those go first that have done least.
    pub(super) fn standing(&self) -> impl Ord + use<> {
        let pod = &self.pod;
        let younger = std::cmp::Reverse((pod.object.created, pod.object.key.clone()));
        (!pod.node.is_empty(), pod.phase == "Running", pod.ready.is_some(), younger)
    }
}
