//! `topologySpreadConstraints` with `DoNotSchedule`: no place may be ahead of the emptiest by more than `maxSkew`.
use crate::cluster::Has;
use crate::company::Company;

pub(super) fn refusal(company: &Company, node: &Has) -> Option<String> {
    for spread in company.spread.iter().filter(|spread| spread.hard) {
        if spread.places.value(node).is_none() {
            return Some("node(s) didn't match pod topology spread constraints (missing required label)".into());
        }
        if spread.places.at(node).all() + spread.own - spread.least > spread.skew {
            return Some("node(s) didn't match pod topology spread constraints".into());
        }
    }
    None
}
