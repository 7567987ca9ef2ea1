//! Addresses and networks as Kubernetes reads them: older fields forgive zeros in front, younger ones want the canonical form.
//! It never asks whether an address is free.
use crate::field::Problems;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const NO_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
pub(super) const NO_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address, with or without zeros in front of its numbers.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *octet = part.parse::<u32>().ok().and_then(|number| u8::try_from(number).ok())?;
    }
    parts.next().is_none().then(|| IpAddr::V4(Ipv4Addr::from(octets)))
}

/// A network: its address and how many bits it is.
pub(super) fn cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let address = ip(address)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.parse::<u8>().ok().filter(|number| *number <= most && number.to_string() == bits)?;
    Some((address, bits))
}

/// Complains of what is no address, as older fields do.
pub(super) fn lenient(text: &str, path: &str, problems: &mut Problems) {
    if ip(text).is_none() {
        problems.invalid_text(path, text, NO_IP);
    }
}

/// What younger fields say of an address: it must be written as the machine would write it.
pub(super) fn strict(text: &str) -> Vec<String> {
    let Some(address) = ip(text) else { return vec![NO_IP.into()] };
    if text.parse::<IpAddr>().is_err() {
        return vec!["must not have leading 0s".into()];
    }
    if let IpAddr::V6(six) = address
        && six.to_ipv4_mapped().is_some()
    {
        return vec!["must not be an IPv4-mapped IPv6 address".into()];
    }
    if address.to_string() == text {
        Vec::new()
    } else {
        vec![format!("must be in canonical form ({:?})", address.to_string())]
    }
}

/// What younger fields say of a network.
pub(super) fn strict_cidr(text: &str) -> Vec<String> {
    let Some((address, bits)) = cidr(text) else { return vec![NO_CIDR.into()] };
    if text.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_err()) {
        return vec!["must not have leading 0s in IP or prefix length".into()];
    }
    let first = masked(address, bits);
    if first != address {
        return vec!["must not have bits set beyond the prefix length".into()];
    }
    let canonical = format!("{first}/{bits}");
    if canonical == text { Vec::new() } else { vec![format!("must be in canonical form ({canonical:?})")] }
}

/// The first address of the network that an address is in.
pub(super) fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(four) & mask))
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(six) & mask))
        }
    }
}

/// An endpoint is no address that means something else: none, this machine, this link.
pub(super) fn no_special(text: &str, path: &str, problems: &mut Problems) {
    let Some(address) = ip(text) else { return };
    let (link, group) = match address {
        IpAddr::V4(four) => (four.is_link_local(), four.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(six) => (six.segments()[0] & 0xffc0 == 0xfe80, six.segments()[0] & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        problems.invalid_text(path, text, &format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        problems.invalid_text(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link {
        problems.invalid_text(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if group {
        problems.invalid_text(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

#[cfg(test)]
mod tests {
    use super::{cidr, ip, strict, strict_cidr};

    #[test]
    fn addresses_of_both_kinds() {
        for good in ["10.0.0.1", "010.0.0.1", "::1", "2001:db8::1"] {
            assert!(ip(good).is_some(), "{good}");
        }
        for bad in ["", "10.0.0", "10.0.0.256", "10.0.0.1.2", "a", ":", "1.2.3.+4"] {
            assert!(ip(bad).is_none(), "{bad}");
        }
        assert_eq!(strict("010.0.0.1"), ["must not have leading 0s"]);
        assert_eq!(strict("2001:0db8::1"), ["must be in canonical form (\"2001:db8::1\")"]);
        assert!(strict("2001:db8::1").is_empty() && strict("::ffff:1.2.3.4").len() == 1);
        assert!(cidr("10.0.0.0/8").is_some() && cidr("10.0.0.0/33").is_none() && cidr("10.0.0.0/08").is_none());
        assert!(strict_cidr("10.0.0.0/8").is_empty() && strict_cidr("::/0").is_empty());
        assert_eq!(strict_cidr("10.0.0.1/8"), ["must not have bits set beyond the prefix length"]);
    }
}
