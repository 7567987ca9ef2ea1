//! A cordoned node takes no pods, but for those that tolerate it.
use crate::cluster::Has;
use crate::spec::list;
use crate::wanted::Wanted;
use api::fit::{Taint, UNSCHEDULABLE, tolerated};
use api::planted::{Bug, planted};

pub(super) fn refusal(pod: &Wanted, node: &Has) -> Option<String> {
    let cordon = || Taint { key: UNSCHEDULABLE.into(), value: String::new(), effect: "NoSchedule".into() };
    let refused = node.unschedulable
        && !planted(Bug::SchedulesOnCordoned)
        && !tolerated(list(pod.spec(), "tolerations"), &cordon());
    refused.then(|| "node(s) were unschedulable".into())
}
