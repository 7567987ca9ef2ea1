//! A new member in the place of one whose directory is lost or wrong: the token, the old directory put aside, the new process. How
//! `rutter member replace` asks a running `rutter up` for it, too. The cluster itself decides whether it may be.
use super::lock::lock;
use super::place::{Begin, Holding, Place, targets};
use super::process::Running;
use crate::failure::Failure;
use crate::operator;
use hyper::Method;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the other members may take to give a token.
const ASK_MAX: Duration = Duration::from_secs(10);

/// A token for member `number`, from any of the others: for its place if the cluster has a member of that name, else for one more.
pub(crate) async fn token(place: &Place, number: u16) -> Result<String, Failure> {
    let name = format!("m{number}");
    let mut last = Failure::new("no other member is there", "start the others first");
    for (other, target) in (1..).zip(targets(place)?) {
        if other == number || place.holding(other) != Holding::Member {
            continue;
        }
        let asking = async {
            let members = operator::ask(&target, Method::GET, "member", None).await?;
            let known = members["members"].as_array().is_some_and(|all| all.iter().any(|each| each["name"] == *name));
            if known {
                // Its directory is known to be lost: whether it still answers says nothing.
                let body = json!({"name": name, "force": true});
                let made = operator::ask(&target, Method::POST, "member/replace", Some(&body)).await?;
                Ok(made["token"].as_str().unwrap_or_default().to_owned())
            } else {
                operator::token(&target, "member").await
            }
        };
        match rt::timeout(ASK_MAX, asking).await {
            Some(Ok(token)) => return Ok(token),
            Some(Err(why)) => last = why,
            None => last = Failure::new(format!("m{other} gave no token in time"), "see its log"),
        }
    }
    Err(last)
}

/// Stops the old member, puts its directory aside, and starts a new one with the token.
pub(crate) async fn replace(each: &mut Running, place: &Place, number: u16, token: &str) -> Result<(), Failure> {
    each.stop().await;
    put_aside(place, number)?;
    *each = Running::start(place.process(number, &Begin::Join(token.to_owned())))?;
    // If it ends and is started again, its directory says who it is.
    each.process = place.process(number, &Begin::GoOn);
    Ok(())
}

/// What is left of the member's directory is kept beside it, for inquiry, in the place of what was kept before.
pub(crate) fn put_aside(place: &Place, number: u16) -> Result<(), Failure> {
    let home = place.home(number);
    if !home.exists() {
        return Ok(());
    }
    let aside = home.with_extension("old");
    let moved = match std::fs::remove_dir_all(&aside) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
        _ => std::fs::rename(&home, &aside),
    };
    moved.map_err(|why| Failure::new(format!("{}: {why}", aside.display()), "move the old directory away by hand"))
}

/// Where a running `up` in `dir` finds the token with which the member `name` is to be replaced.
fn request(dir: &Path, name: &str) -> PathBuf {
    dir.join("members").join(format!("{name}.replace"))
}

/// The token with which member `number` is to be replaced, if somebody asked for that; taken once.
pub(crate) fn asked(place: &Place, number: u16) -> Option<String> {
    let path = request(&place.dir, &format!("m{number}"));
    let token = std::fs::read_to_string(&path).ok()?;
    std::fs::remove_file(&path).ok()?;
    Some(token)
}

/// Whether a running `rutter up` in `dir` looks after the member `name`.
pub(crate) fn runs(dir: &Path, name: &str) -> bool {
    let number = name.strip_prefix('m').and_then(|number| number.parse::<u16>().ok());
    let its_own = number.is_some_and(|number| dir.join(format!("m{number}.log")).exists());
    its_own && dir.join("up.lock").exists() && lock(dir).is_err()
}

/// Asks the `rutter up` that runs in `dir` to replace the member `name`.
pub(crate) fn ask(dir: &Path, name: &str, token: &str) -> Result<(), Failure> {
    let path = request(dir, name);
    let beside = path.with_extension("replace.new");
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.create(true).truncate(true).write(true), 0o600);
        std::io::Write::write_all(&mut options.open(&beside)?, token.as_bytes())?;
        std::fs::rename(&beside, &path)
    };
    write().map_err(|why| Failure::new(format!("{}: {why}", path.display()), "see that you may write there"))
}
