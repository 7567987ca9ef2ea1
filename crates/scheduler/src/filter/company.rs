//! Required pod affinity and anti-affinity, the pod's own and that of the pods already there.
use crate::cluster::Has;
use crate::company::Company;

pub(super) fn refusal(company: &Company, node: &Has) -> Option<String> {
    let wanted = company
        .affinity
        .iter()
        .all(|(places, first)| places.value(node).is_some() && (*first || places.at(node).standing > 0));
    if !wanted {
        return Some("node(s) didn't match pod affinity rules".into());
    }
    if company.refuses.iter().any(|places| places.at(node).all() > 0) {
        return Some("node(s) didn't match pod anti-affinity rules".into());
    }
    let mut refused = company.refused.iter();
    refused
        .any(|(topology, value)| api::fit::label(node.labels(), topology) == Some(value))
        .then(|| "node(s) didn't satisfy existing pods anti-affinity rules".into())
}
