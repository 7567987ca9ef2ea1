//! A taint that the pod does not tolerate keeps it away (`NoSchedule`, `NoExecute`).
use crate::cluster::Has;
use crate::spec::{list, tolerated};
use crate::wanted::Wanted;

pub(super) fn refusal(pod: &Wanted, node: &Has) -> Option<String> {
    let tolerations = list(pod.spec(), "tolerations");
    let mut hard = node.taints.iter().filter(|taint| matches!(&*taint.effect, "NoSchedule" | "NoExecute"));
    let taint = hard.find(|taint| !tolerated(tolerations, taint))?;
    Some(format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value))
}
