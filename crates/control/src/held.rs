//! What a member needs for itself alone, a port or a directory, and who may hold it still: the process before it, which was killed and
//! whose end the kernel has not finished (its memory goes first, its sockets and locks after). It waits that long and takes nothing by
//! force.
use crate::limits::{HELD_MAX, HELD_POLL};

/// Takes it, as soon as nobody holds it.
///
/// # Errors
/// As `take` fails; if somebody holds it, once that has lasted for `HELD_MAX`.
pub(crate) async fn take<T, E>(held: impl Fn(&E) -> bool, take: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let started = rt::now();
    loop {
        match take() {
            Err(why) if held(&why) && rt::now().since(started) < HELD_MAX => rt::sleep(HELD_POLL).await,
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};

    #[tokio::test]
    async fn what_is_given_back_in_time_is_had() {
        let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = first.local_addr().expect("its address");
        let taken = |why: &std::io::Error| why.kind() == std::io::ErrorKind::AddrInUse;
        let bind = || UdpSocket::bind(address);
        let given_back = async {
            rt::sleep(HELD_POLL * 3).await;
            drop(first);
        };
        let (second, ()) = futures::future::join(take(taken, bind), given_back).await;
        let second = second.expect("it was waited for");
        let third = take(taken, bind).await;
        assert!(third.is_err_and(|why| taken(&why)), "nobody gives it back");
        drop(second);
        let unasked = take(taken, || Err::<(), _>(std::io::Error::other("another reason"))).await;
        assert!(unasked.is_err_and(|why| !taken(&why)));
    }
}
