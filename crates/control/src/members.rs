//! Who is a member, as the operator changes it: remove, replace, hand over. Before anybody is taken away it asks who answers, so that
//! a majority stays. It changes nothing by itself.
use crate::operator::Operator;
use crate::submit::{By, announce};
use api::status::Status;
use consensus::{ChangeError, MemberInfo};
use futures::future::join_all;
use link::token::Role;
use serde_json::{Value, json};

/// A voting member, and whether it answers and is well.
#[derive(Clone, Copy)]
struct Voter {
    id: u64,
    well: bool,
}

/// What is to become of a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It votes until it is out, and there is one voter fewer.
    Removed,
    /// It may be stopped at once; another gets its vote once it has caught up.
    Replaced,
}

/// Whether a majority stays through the change; if not, how many voters answer of how many, and how many are needed.
fn lacking(voters: &[Voter], gone: u64, fate: Fate) -> Option<(usize, usize, usize)> {
    let well = |voter: &&Voter| voter.well;
    let rest: Vec<Voter> = voters.iter().copied().filter(|voter| voter.id != gone).collect();
    let well_rest = rest.iter().filter(well).count();
    let short = |well: usize, of: usize| {
        let needed = of / 2 + 1;
        (well < needed).then_some((well, of, needed))
    };
    match fate {
        Fate::Replaced if rest.len() == voters.len() => short(well_rest, rest.len()),
        Fate::Replaced => short(well_rest, voters.len()),
        Fate::Removed => {
            // What is to be decided now, then what is to be decided later.
            short(voters.iter().filter(well).count(), voters.len()).or_else(|| short(well_rest, rest.len()))
        }
    }
}

impl Operator {
    /// The member of this name; the one with a vote, if another is about to take its place.
    fn named(&self, name: &str) -> Result<MemberInfo, Status> {
        let named = self.door.member.members().into_iter().filter(|standing| standing.info.name == name);
        let found = named.max_by_key(|standing| standing.voter);
        let unknown = || {
            let names: Vec<String> =
                self.door.member.members().into_iter().map(|standing| standing.info.name).collect();
            Status::new(404, "NotFound", format!("there is no member {name:?}, but {}", names.join(", ")))
        };
        found.map(|standing| standing.info).ok_or_else(unknown)
    }

    /// Asks every voter how it is.
    async fn voters(&self) -> Vec<Voter> {
        let standings = self.door.member.members();
        let voters = standings.iter().filter(|standing| standing.voter);
        let asked = voters.map(|standing| async {
            let well = self.status_of(standing).await.is_ok_and(|status| status.health == "well");
            Voter { id: standing.info.id, well }
        });
        join_all(asked).await
    }

    pub(crate) async fn remove(&self, by: By<'_>, name: &str) -> Result<Value, Status> {
        let gone = self.named(name)?;
        majority(&self.voters().await, &gone, Fate::Removed)?;
        self.announce(by, &format!("member {name} (id {}) is to be removed", gone.id)).await?;
        self.door.member.remove(gone.id).await.map_err(change)?;
        Ok(json!({"removed": name, "id": gone.id}))
    }

    /// A token with which a new member takes the place of `name` in one step. Until then nothing changes.
    pub(crate) async fn replace(&self, by: By<'_>, name: &str, force: bool) -> Result<Value, Status> {
        let gone = self.named(name)?;
        let voters = self.voters().await;
        majority(&voters, &gone, Fate::Replaced)?;
        if !force && voters.iter().any(|voter| voter.id == gone.id && voter.well) {
            return Err(conflict(format!(
                "member {name} is alive and well: say --force if a new one is to take its place nevertheless"
            )));
        }
        self.announce(by, &format!("a new member is to take the place of {name} (id {})", gone.id)).await?;
        let mut made = self.token(by, Role::Member.text(), None, Some(gone.id)).await?;
        made["replaces"] = name.into();
        made["replacesId"] = gone.id.into();
        Ok(made)
    }

    pub(crate) async fn hand_over(&self, by: By<'_>, name: &str) -> Result<Value, Status> {
        let to = if name.is_empty() { None } else { Some(self.named(name)?.id) };
        let another = if name.is_empty() { "another member" } else { name };
        self.announce(by, &format!("the leader is to hand over to {another}")).await?;
        self.door.member.hand_over(to).await.map_err(change)?;
        Ok(json!({"asked": name}))
    }

    async fn announce(&self, by: By<'_>, what: &str) -> Result<(), Status> {
        let said = announce(&self.door.member, by, what).await;
        said.map_err(|why| Status::unavailable(format!("nothing was changed: {why}")))
    }
}

fn majority(voters: &[Voter], gone: &MemberInfo, fate: Fate) -> Result<(), Status> {
    let Some((well, of, needed)) = lacking(voters, gone.id, fate) else { return Ok(()) };
    Err(conflict(format!(
        "without {} only {well} of {of} voting members would answer, and {needed} are needed: nothing was changed; start or add \
         others first",
        gone.name
    )))
}

fn conflict(why: String) -> Status {
    Status::new(409, "Conflict", why)
}

fn change(error: ChangeError) -> Status {
    match error {
        ChangeError::Refused(why) => Status::bad_request(why),
        other => Status::unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_stays() {
        let voters =
            |wells: &[bool]| -> Vec<Voter> { (1..).zip(wells).map(|(id, well)| Voter { id, well: *well }).collect() };
        let cases: &[(&[bool], Fate, bool)] = &[
            (&[true, true, true], Fate::Removed, true),
            (&[false, true, true], Fate::Removed, true),
            (&[true, false, true], Fate::Removed, false),
            (&[true, true], Fate::Removed, true),
            (&[false, true], Fate::Removed, false),
            (&[true], Fate::Removed, false),
            (&[true, true, true], Fate::Replaced, true),
            (&[false, true, true], Fate::Replaced, true),
            (&[true, false, true], Fate::Replaced, false),
            (&[true, true], Fate::Replaced, false),
            (&[true], Fate::Replaced, false),
            (&[false, true, true, true, false], Fate::Replaced, true),
        ];
        for (wells, fate, good) in cases {
            assert_eq!(lacking(&voters(wells), 1, *fate).is_none(), *good, "{wells:?}");
        }
        // One that has no vote can always be replaced.
        assert_eq!(lacking(&voters(&[true, true]), 9, Fate::Replaced), None);
    }
}
