//! Bridge, links, addresses and routes by rtnetlink. It decides nothing: names and addresses are handed in.
use super::address::Range;
use super::netns;
use futures::TryStreamExt as _;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::path::Path;

fn open() -> Result<Handle, String> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|why| format!("opening netlink: {why}"))?;
    rt::spawn("netlink", connection);
    Ok(handle)
}

fn words(doing: &str) -> impl Fn(rtnetlink::Error) -> String + '_ {
    move |why| format!("{doing}: {why}")
}

async fn index(handle: &Handle, name: &str) -> Option<u32> {
    let mut found = handle.link().get().match_name(name.to_owned()).execute();
    found.try_next().await.ok().flatten().map(|link| link.header.index)
}

async fn needed(handle: &Handle, name: &str) -> Result<u32, String> {
    index(handle, name).await.ok_or_else(|| format!("the link {name} is not there"))
}

/// Makes the bridge with the range's gateway as its address, if it is not so already.
pub(super) async fn bridge(name: &str, range: Range) -> Result<(), String> {
    let handle = open()?;
    if index(&handle, name).await.is_none() {
        handle.link().add(LinkBridge::new(name).build()).execute().await.map_err(words("making the bridge"))?;
    }
    let index = needed(&handle, name).await?;
    let gateway = IpAddr::V4(range.gateway());
    handle
        .address()
        .add(index, gateway, range.length)
        .replace()
        .execute()
        .await
        .map_err(words("giving the bridge its address"))?;
    handle
        .link()
        .set(LinkUnspec::new_with_index(index).up().build())
        .execute()
        .await
        .map_err(words("raising the bridge"))
}

/// Makes the pod's link: one end on the bridge, the other in the namespace as `eth0` with address and default route.
pub(super) async fn join(
    bridge: &str,
    host: &str,
    inside: &str,
    netns: &Path,
    ip: Ipv4Addr,
    range: Range,
) -> Result<(), String> {
    let handle = open()?;
    if let Some(old) = index(&handle, host).await {
        handle.link().del(old).execute().await.map_err(words("removing an old link"))?;
    }
    handle.link().add(LinkVeth::new(host, inside).build()).execute().await.map_err(words("making the pod's link"))?;
    let (bridge, outer, inner) =
        (needed(&handle, bridge).await?, needed(&handle, host).await?, needed(&handle, inside).await?);
    let file = std::fs::File::open(netns).map_err(|why| format!("opening the pod's network namespace: {why}"))?;
    handle
        .link()
        .set(LinkUnspec::new_with_index(inner).setns_by_fd(file.as_raw_fd()).build())
        .execute()
        .await
        .map_err(words("moving the link into the pod"))?;
    handle
        .link()
        .set(LinkUnspec::new_with_index(outer).controller(bridge).up().build())
        .execute()
        .await
        .map_err(words("joining the bridge"))?;
    // So that a pod reaches itself through a service.
    let _ = std::fs::write(format!("/sys/class/net/{host}/brport/hairpin_mode"), "1");
    let name = inside.to_owned();
    netns::inside(Some(netns), move || async move { configure(&name, ip, range).await }).await
}

async fn configure(name: &str, ip: Ipv4Addr, range: Range) -> Result<(), String> {
    let handle = open()?;
    let lo = needed(&handle, "lo").await?;
    handle.link().set(LinkUnspec::new_with_index(lo).up().build()).execute().await.map_err(words("raising lo"))?;
    let index = needed(&handle, name).await?;
    handle
        .link()
        .set(LinkUnspec::new_with_index(index).name("eth0").up().build())
        .execute()
        .await
        .map_err(words("naming eth0"))?;
    handle
        .address()
        .add(index, IpAddr::V4(ip), range.length)
        .execute()
        .await
        .map_err(words("giving the pod its address"))?;
    let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(range.gateway()).build();
    handle.route().add(route).execute().await.map_err(words("giving the pod its route"))
}

/// Takes a link away; none is fine.
pub(super) async fn remove(name: &str) -> Result<(), String> {
    let handle = open()?;
    match index(&handle, name).await {
        Some(index) => handle.link().del(index).execute().await.map_err(words("removing a link")),
        None => Ok(()),
    }
}
