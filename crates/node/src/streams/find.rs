//! Which sandbox and which attempt of a container is meant, and Kubernetes' words where there is none. It asks the runtime
//! what there is and changes nothing.
use crate::runtime::{ContainerView, Runtime, SandboxView};
use link::message::StreamReply;

/// The pod that a member names. Without a uid: the newest of that name.
pub(super) struct Target {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) uid: String,
}

pub(super) fn refuse(code: u16, message: &str) -> StreamReply {
    StreamReply::Refused { code, message: message.into() }
}

impl Target {
    /// Sandboxes of the pod, the newest last; none if it has none here.
    pub(super) async fn sandboxes(&self, runtime: &dyn Runtime) -> Result<Vec<SandboxView>, StreamReply> {
        let uid = Some(self.uid.as_str()).filter(|uid| !uid.is_empty());
        let all = runtime.list(uid).await.map_err(|why| refuse(500, &format!("looking for the pod: {why}")))?;
        Ok(self.of(all))
    }

    fn of(&self, all: Vec<SandboxView>) -> Vec<SandboxView> {
        let mut views: Vec<SandboxView> = match self.uid.as_str() {
            "" => {
                let named = |view: &&SandboxView| view.name == self.pod && view.namespace == self.namespace;
                let newest = all.iter().filter(named).max_by_key(|view| view.created).map(|view| view.uid.clone());
                all.into_iter().filter(|view| newest.as_ref() == Some(&view.uid)).collect()
            }
            uid => all.into_iter().filter(|view| view.uid == uid).collect(),
        };
        views.sort_by_key(|view| (view.attempt, view.created));
        views
    }
}

/// Attempts of the container over all sandboxes, oldest first.
fn attempts(sandboxes: &[SandboxView], container: &str) -> Vec<ContainerView> {
    let all = sandboxes.iter().flat_map(|sandbox| &sandbox.containers);
    let mut attempts: Vec<ContainerView> = all.filter(|view| view.name == container).cloned().collect();
    // Stable: attempts of one number stand in the order of their sandboxes.
    attempts.sort_by_key(|view| view.attempt);
    attempts
}

/// The attempt whose log is asked for. An attempt that failed is "the previous one" too while the next has not been made.
pub(super) fn logged(
    sandboxes: &[SandboxView],
    target: &Target,
    container: &str,
    previous: bool,
) -> Result<ContainerView, StreamReply> {
    let pod = &target.pod;
    let mut started = attempts(sandboxes, container);
    let waits = started.last().is_some_and(|newest| newest.started.is_none() && newest.end.is_none());
    started.retain(|view| view.started.is_some() || view.end.is_some());
    let newest = started.pop();
    if previous {
        let failed = |view: &ContainerView| view.end.as_ref().is_some_and(|end| waits || end.code != 0);
        let found = newest.filter(failed).or_else(|| started.pop());
        let words =
            || refuse(400, &format!("previous terminated container \"{container}\" in pod \"{pod}\" not found"));
        return found.ok_or_else(words);
    }
    let words = || {
        let began = sandboxes.iter().any(|sandbox| !sandbox.containers.is_empty());
        let reason = if began && !waits { "PodInitializing" } else { "ContainerCreating" };
        refuse(400, &format!("container \"{container}\" in pod \"{pod}\" is waiting to start: {reason}"))
    };
    newest.ok_or_else(words)
}

/// The attempt that runs.
pub(super) fn running(
    sandboxes: &[SandboxView],
    target: &Target,
    container: &str,
) -> Result<ContainerView, StreamReply> {
    if sandboxes.is_empty() {
        return Err(refuse(404, &format!("pod \"{}\" has nothing on this node", target.pod)));
    }
    let newest = attempts(sandboxes, container).pop();
    let newest = newest.ok_or_else(|| refuse(404, &format!("container not found (\"{container}\")")))?;
    if newest.end.is_some() || newest.started.is_none() {
        let message = format!("container \"{container}\" in pod \"{}\" is not running", target.pod);
        return Err(refuse(400, &message));
    }
    Ok(newest)
}

/// The sandbox that a port can be reached in.
pub(super) fn ready<'a>(sandboxes: &'a [SandboxView], target: &Target) -> Result<&'a SandboxView, StreamReply> {
    let (pod, namespace) = (&target.pod, &target.namespace);
    let newest = sandboxes.last().ok_or_else(|| refuse(404, &format!("pod not found (\"{pod}_{namespace}\")")))?;
    if newest.ready { Ok(newest) } else { Err(refuse(400, &format!("pod \"{pod}\" is not running"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::End;

    fn attempt(number: u32, started: bool, code: Option<i32>) -> ContainerView {
        ContainerView {
            id: format!("c{number}"),
            name: "c".into(),
            attempt: number,
            started: started.then_some(1),
            end: code.map(|code| End { code, ..End::default() }),
            ..ContainerView::default()
        }
    }

    fn words(answer: Result<ContainerView, StreamReply>) -> Result<String, String> {
        match answer {
            Ok(view) => Ok(view.id),
            Err(StreamReply::Refused { code, message }) => Err(format!("{code} {message}")),
            Err(StreamReply::Ready) => Err("ready".into()),
        }
    }

    #[test]
    fn which_attempt_is_meant() {
        let target = Target { namespace: "d".into(), pod: "p".into(), uid: "u".into() };
        let none = "400 previous terminated container \"c\" in pod \"p\" not found";
        let creating = "400 container \"c\" in pod \"p\" is waiting to start: ContainerCreating";
        let idle = "400 container \"c\" in pod \"p\" is not running";
        let table = [
            (vec![], Err(creating), Err(none), Err("404 container not found (\"c\")")),
            (vec![attempt(0, false, None)], Err(creating), Err(none), Err(idle)),
            (vec![attempt(0, true, None)], Ok("c0"), Err(none), Ok("c0")),
            (vec![attempt(0, true, Some(0))], Ok("c0"), Err(none), Err(idle)),
            (vec![attempt(0, true, Some(1))], Ok("c0"), Ok("c0"), Err(idle)),
            (vec![attempt(0, true, Some(0)), attempt(1, false, None)], Ok("c0"), Ok("c0"), Err(idle)),
            (vec![attempt(1, true, None), attempt(0, true, Some(1))], Ok("c1"), Ok("c0"), Ok("c1")),
            (vec![attempt(0, true, Some(1)), attempt(1, true, Some(0))], Ok("c1"), Ok("c0"), Err(idle)),
            (vec![attempt(0, true, Some(1)), attempt(1, true, Some(1))], Ok("c1"), Ok("c1"), Err(idle)),
        ];
        for (at, (containers, now, previous, runs)) in table.into_iter().enumerate() {
            let views = [SandboxView { containers, ..SandboxView::default() }];
            let own = |answer: Result<&str, &str>| answer.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(words(logged(&views, &target, "c", false)), own(now), "log of {at}");
            assert_eq!(words(logged(&views, &target, "c", true)), own(previous), "previous of {at}");
            assert_eq!(words(running(&views, &target, "c")), own(runs), "running of {at}");
        }
        let other = ContainerView { name: "init".into(), ..attempt(0, true, None) };
        let views = [SandboxView { containers: vec![other], ..SandboxView::default() }];
        assert!(words(logged(&views, &target, "c", false)).is_err_and(|why| why.ends_with("PodInitializing")));
    }

    #[test]
    fn without_a_uid_the_newest_of_the_name() {
        let view = |uid: &str, name: &str, created: u64, attempt: u32| SandboxView {
            id: format!("{uid}{attempt}"),
            uid: uid.into(),
            name: name.into(),
            namespace: "d".into(),
            created,
            attempt,
            ..SandboxView::default()
        };
        let all = || vec![view("a", "p", 1, 0), view("b", "p", 3, 1), view("b", "p", 2, 0), view("c", "q", 9, 0)];
        let ids = |uid: &str, pod: &str| {
            let target = Target { namespace: "d".into(), pod: pod.into(), uid: uid.into() };
            target.of(all()).into_iter().map(|view| view.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("", "p"), ["b0", "b1"]);
        assert_eq!(ids("a", "p"), ["a0"]);
        assert!(ids("", "none").is_empty());
    }
}
