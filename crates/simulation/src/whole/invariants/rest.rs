//! After the last fault, within bounded time, everything is as it is wanted and what is said is true of the machines; from then on nothing
//! is written (liveness; a controller that answers itself would never be silent).
use crate::whole::evidence::Whole;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    if let Some(why) = &evidence.unrest {
        return Err(format!("it does not come to rest: {why}"));
    }
    match evidence.noise.as_slice() {
        [] => Ok(()),
        noise => Err(format!(
            "{} commands while nothing was to be done: {}",
            noise.len(),
            noise[..noise.len().min(8)].join("; ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_are_found() {
        let mut whole = Whole::default();
        assert_eq!(check(&whole), Ok(()));
        whole.noise.push("somebody".into());
        assert!(check(&whole).is_err_and(|found| found.contains("1 commands")));
        whole.unrest = Some("a pod does not run".into());
        assert!(check(&whole).is_err_and(|found| found.contains("does not come to rest")));
    }
}
