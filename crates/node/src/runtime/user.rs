//! Who a container runs as: the pod's numbers, or the image's words looked up in the image's own `/etc/passwd`.
use super::{ContainerSpec, RuntimeError};
use crate::image::Image;
use std::path::PathBuf;

/// User, group and further groups.
///
/// # Errors
/// `Config` if the image names a user it does not have, or the pod forbids root and it would be.
pub fn resolve(spec: &ContainerSpec, image: &Image) -> Result<(u32, u32, Vec<u32>), RuntimeError> {
    let (name, group) = image.config.user.split_once(':').unwrap_or((&image.config.user, ""));
    let (user, primary) = match spec.user {
        Some(user) => (
            user,
            entry(&image.lowers, "etc/passwd", |fields| fields.get(2) == Some(&user.to_string().as_str()))
                .map_or(0, |(_, group)| group),
        ),
        None if name.is_empty() => (0, 0),
        None => match name.parse::<u32>() {
            Ok(user) => (
                user,
                entry(&image.lowers, "etc/passwd", |fields| fields.get(2) == Some(&name)).map_or(0, |(_, group)| group),
            ),
            Err(_) => entry(&image.lowers, "etc/passwd", |fields| fields.first() == Some(&name))
                .ok_or_else(|| RuntimeError::Config(format!("the image's user {name:?} is not in its /etc/passwd")))?,
        },
    };
    let group = match (spec.group, spec.user, group) {
        (Some(group), _, _) => group,
        (None, None, group) if !group.is_empty() => match group.parse() {
            Ok(group) => group,
            Err(_) => {
                let found = entry(&image.lowers, "etc/group", |fields| fields.first() == Some(&group));
                found
                    .ok_or_else(|| {
                        RuntimeError::Config(format!("the image's group {group:?} is not in its /etc/group"))
                    })?
                    .0
            }
        },
        _ => primary,
    };
    if spec.must_not_be_root && user == 0 {
        return Err(RuntimeError::Config("container has runAsNonRoot and image will run as root".into()));
    }
    Ok((user, group, spec.groups.clone()))
}

/// The numbers in the third and fourth field of the first line that fits.
fn entry(lowers: &[PathBuf], file: &str, fits: impl Fn(&[&str]) -> bool) -> Option<(u32, u32)> {
    let text = lowers.iter().find_map(|lower| {
        let path = lower.join(file);
        // A link in an image could lead anywhere on the machine.
        let plain = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() < 1 << 20);
        plain.then(|| std::fs::read_to_string(path).ok()).flatten()
    })?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
        if fits(&fields) { Some((number(2)?, number(3).unwrap_or(0))) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Config;

    #[test]
    fn numbers_names_and_root() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("etc")).expect("makes");
        std::fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1001:1002::/:/bin/sh\nodd\n")
            .expect("writes");
        std::fs::write(dir.path().join("etc/group"), "web:x:33:\n").expect("writes");
        let image = |user: &str| Image {
            config: Config { user: user.into(), ..Config::default() },
            lowers: vec![dir.path().to_owned()],
            ..Image::default()
        };
        let ask = |user: &str, spec: ContainerSpec| {
            resolve(&spec, &image(user)).map(|(user, group, _)| (user, group)).map_err(|why| why.to_string())
        };
        let spec = ContainerSpec::default;
        assert_eq!(ask("", spec()), Ok((0, 0)));
        assert_eq!(ask("app", spec()), Ok((1001, 1002)));
        assert_eq!(ask("app:web", spec()), Ok((1001, 33)));
        assert_eq!(ask("7:8", spec()), Ok((7, 8)));
        assert_eq!(ask("app", ContainerSpec { user: Some(5), group: Some(6), ..spec() }), Ok((5, 6)));
        assert!(ask("nobody", spec()).is_err_and(|why| why.contains("passwd")));
        assert!(
            ask("", ContainerSpec { must_not_be_root: true, ..spec() }).is_err_and(|why| why.contains("runAsNonRoot"))
        );
    }
}
