//! A taint that the pod does not tolerate keeps it away (`NoSchedule`, `NoExecute`).
use crate::cluster::Has;
use crate::spec::list;
use crate::wanted::Wanted;
use api::fit::{UNSCHEDULABLE, tolerated};
use api::planted::{Bug, planted};

pub(super) fn refusal(pod: &Wanted, node: &Has) -> Option<String> {
    let tolerations = list(pod.spec(), "tolerations");
    let blind = |key: &str| planted(Bug::SchedulesOnCordoned) && key == UNSCHEDULABLE;
    let hard = node.taints.iter().filter(|taint| matches!(&*taint.effect, "NoSchedule" | "NoExecute"));
    let mut hard = hard.filter(|taint| !blind(&taint.key));
    let taint = hard.find(|taint| !tolerated(tolerations, taint))?;
    Some(format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value))
}
