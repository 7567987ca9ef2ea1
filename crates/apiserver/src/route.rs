//! The grammar of paths: Kubernetes' request info (KEP-less; apiserver/pkg/endpoints/request), and `/asof/` before it.
//! It knows no kinds: whether a resource exists is for others to say.
use hyper::Method;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/api`, `/apis`.
    Groups {
        core: bool,
    },
    /// `/apis/apps`.
    Group {
        group: String,
    },
    /// `/api/v1`, `/apis/apps/v1`.
    Version {
        group: String,
        version: String,
    },
    Resource(Target),
    /// Everything else, without its trailing slash: `/version`, `/healthz`.
    Other(String),
}

/// An object, a collection, or something of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub group: String,
    pub version: String,
    pub resource: String,
    /// Empty: all of them, or the resource has none.
    pub namespace: String,
    /// Empty: the collection.
    pub name: String,
    /// `status`, `log`; empty: the object itself.
    pub subresource: String,
    /// What follows a subresource, with its slash: the path of a proxy.
    pub rest: String,
    /// The old `/watch/` prefix.
    pub watch_prefix: bool,
}

/// Which past is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    Revision(u64),
    /// Milliseconds since the epoch.
    At(u64),
    /// Milliseconds before now.
    Ago(u64),
}

/// Reads a path; `None` if it is no path we could ever serve (bad escapes, too deep).
#[must_use]
pub fn parse(path: &str) -> Option<Route> {
    let trimmed = path.trim_end_matches('/');
    let mut parts = Vec::with_capacity(8);
    for part in trimmed.split('/').skip(1) {
        parts.push(unescape(part, false)?);
    }
    let (group, version, rest) = match parts.first().map(String::as_str) {
        Some("api") => match parts.len() {
            1 => return Some(Route::Groups { core: true }),
            2 => return Some(Route::Version { group: String::new(), version: parts.swap_remove(1) }),
            _ => (String::new(), parts[1].clone(), parts.split_off(2)),
        },
        Some("apis") => match parts.len() {
            1 => return Some(Route::Groups { core: false }),
            2 => return Some(Route::Group { group: parts.swap_remove(1) }),
            3 => return Some(Route::Version { version: parts.swap_remove(2), group: parts.swap_remove(1) }),
            _ => (parts[1].clone(), parts[2].clone(), parts.split_off(3)),
        },
        _ => return Some(Route::Other(if trimmed.is_empty() { "/".into() } else { trimmed.into() })),
    };
    target(group, version, rest).map(Route::Resource)
}

fn target(group: String, version: String, mut parts: Vec<String>) -> Option<Target> {
    let mut target = Target { group, version, ..Target::default() };
    if parts.first().is_some_and(|part| part == "watch") && parts.len() > 1 {
        target.watch_prefix = true;
        parts.remove(0);
    }
    // `namespaces/n/pods/p` is a pod, but `namespaces/n`, `namespaces/n/status` and `namespaces/n/finalize` are a namespace.
    let own = parts.len() <= 2 || (parts.len() == 3 && matches!(parts[2].as_str(), "status" | "finalize"));
    if parts[0] == "namespaces" && !own {
        target.namespace = parts.remove(1);
        parts.remove(0);
    }
    let mut parts = parts.into_iter();
    target.resource = parts.next()?;
    target.name = parts.next().unwrap_or_default();
    target.subresource = parts.next().unwrap_or_default();
    for part in parts {
        target.rest.push('/');
        target.rest.push_str(&part);
    }
    if target.resource == "namespaces" && target.group.is_empty() {
        // The attributes of a namespace name it as its own namespace, as in Kubernetes.
        target.namespace.clear();
    }
    let empty = target.resource.is_empty() || (target.name.is_empty() && !target.subresource.is_empty());
    (!empty && (target.rest.is_empty() || target.subresource == "proxy")).then_some(target)
}

/// Takes `/asof/<moment>` off a path. `Err`: the moment is not one.
///
/// # Errors
/// With what stood where a moment should.
pub fn as_of(path: &str) -> Result<(Option<Moment>, &str), String> {
    let Some(rest) = path.strip_prefix("/asof/") else { return Ok((None, path)) };
    let (moment, path) = match rest.split_once('/') {
        Some((moment, tail)) => (moment, &rest[rest.len() - tail.len() - 1..]),
        None => (rest, "/"),
    };
    let text = unescape(moment, false).unwrap_or_default();
    Ok((Some(self::moment(&text).ok_or_else(|| text.clone())?), path))
}

fn moment(text: &str) -> Option<Moment> {
    if let Some(ago) = text.strip_prefix('-') {
        return duration_millis(ago).map(Moment::Ago);
    }
    if let Ok(revision) = text.parse() {
        return Some(Moment::Revision(revision));
    }
    api::revision::Millis::parse(text).map(|millis| Moment::At(millis.0))
}

/// `90s`, `15m`, `1h30m`, `2d`.
fn duration_millis(text: &str) -> Option<u64> {
    let (mut total, mut number) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && !text.is_empty()).then_some(total)
}

/// Percent-decoding; in a query `+` is a space.
#[must_use]
pub fn unescape(text: &str, query: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if query => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The verb that permissions speak of.
#[must_use]
pub fn verb(method: &Method, target: &Target, watch: bool) -> &'static str {
    match *method {
        Method::GET | Method::HEAD if watch || target.watch_prefix => "watch",
        Method::GET | Method::HEAD if target.name.is_empty() => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if target.name.is_empty() => "deletecollection",
        Method::DELETE => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> [String; 6] {
        match parse(path) {
            Some(Route::Resource(t)) => [t.group, t.version, t.resource, t.namespace, t.name, t.subresource],
            other => panic!("{path} led to {other:?}"),
        }
    }

    #[test]
    fn paths_lead_where_kubernetes_says() {
        let table = [
            ("/api/v1/pods", ["", "v1", "pods", "", "", ""]),
            ("/api/v1/namespaces", ["", "v1", "namespaces", "", "", ""]),
            ("/api/v1/namespaces/a", ["", "v1", "namespaces", "", "a", ""]),
            ("/api/v1/namespaces/a/", ["", "v1", "namespaces", "", "a", ""]),
            ("/api/v1/namespaces/a/finalize", ["", "v1", "namespaces", "", "a", "finalize"]),
            ("/api/v1/namespaces/a/pods", ["", "v1", "pods", "a", "", ""]),
            ("/api/v1/namespaces/a/pods/p/log", ["", "v1", "pods", "a", "p", "log"]),
            ("/apis/apps/v1/namespaces/a/deployments/d/scale", ["apps", "v1", "deployments", "a", "d", "scale"]),
            ("/apis/g.io/v1/things/t%2Fx", ["g.io", "v1", "things", "", "t/x", ""]),
            ("/api/v1/watch/namespaces/a/pods", ["", "v1", "pods", "a", "", ""]),
        ];
        for (path, want) in table {
            assert_eq!(target(path), want, "{path}");
        }
        assert_eq!(parse("/apis/"), Some(Route::Groups { core: false }));
        assert_eq!(parse("/apis/apps/v1"), Some(Route::Version { group: "apps".into(), version: "v1".into() }));
        assert_eq!(parse("/version/"), Some(Route::Other("/version".into())));
        assert_eq!(parse("/"), Some(Route::Other("/".into())));
        for bad in ["/api/v1/namespaces/a/pods/p/log/x", "/api/v1/pods/%zz", "/api/v1//x", "/api/v1/pods/%ff"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(as_of("/asof/12/api"), Ok((Some(Moment::Revision(12)), "/api")));
        assert_eq!(as_of("/asof/-1h30m/api/v1"), Ok((Some(Moment::Ago(5_400_000)), "/api/v1")));
        assert_eq!(as_of("/asof/1970-01-01T00:00:01Z"), Ok((Some(Moment::At(1_000)), "/")));
        assert_eq!(as_of("/api"), Ok((None, "/api")));
        for bad in ["/asof//api", "/asof/-/api", "/asof/yesterday/api", "/asof/-99999999999999999d/x"] {
            assert!(as_of(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "[/a-z%0-9.]{0,60}") {
            let _ = parse(&path);
            let _ = as_of(&path);
        }
    }
}
