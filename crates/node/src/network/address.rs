//! The node's range of pod addresses, and the next free one. Pure.
use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

/// An IPv4 range as CIDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    base: u32,
    pub length: u8,
}

impl Range {
    /// Reads `10.244.3.0/24`.
    ///
    /// # Errors
    /// In words, if it is none or has no room for the gateway and a pod.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (ip, length) = text.split_once('/').ok_or_else(|| format!("podCIDR {text:?} is no range"))?;
        let ip: Ipv4Addr = ip.parse().map_err(|_| format!("podCIDR {text:?}: only IPv4 ranges are supported"))?;
        let length: u8 = length.parse().map_err(|_| format!("podCIDR {text:?} has no prefix length"))?;
        if !(8..=29).contains(&length) {
            return Err(format!("podCIDR {text:?}: the prefix length must be 8 to 29"));
        }
        Ok(Self { base: ip.to_bits() & (u32::MAX << (32 - length)), length })
    }

    fn size(self) -> u32 {
        1 << (32 - u32::from(self.length))
    }

    /// The bridge's own address: the first.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + 1)
    }

    /// The next free address after `last`, around the range: an address given back rests as long as it can.
    #[must_use]
    pub fn next(self, used: &BTreeSet<Ipv4Addr>, last: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        // Not the network's, the gateway's or the broadcast address.
        let (first, count) = (self.base + 2, self.size() - 3);
        let after = last
            .map(Ipv4Addr::to_bits)
            .filter(|last| (first..first + count).contains(last))
            .map_or(0, |last| last - first + 1);
        (0..count).map(|step| Ipv4Addr::from_bits(first + (after + step) % count)).find(|ip| !used.contains(ip))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_or_refused() {
        assert_eq!(
            Range::parse("10.244.3.7/24").map(|range| (range.to_string(), range.gateway().to_string())),
            Ok(("10.244.3.0/24".into(), "10.244.3.1".into()))
        );
        for text in ["", "10.0.0.0", "fd00::/64", "10.0.0.0/30", "10.0.0.0/x", "10.0.0.0/0", "1.2.3/24"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_given_once_and_then_none(length in 26_u8..=29, start in any::<u32>()) {
            let range = Range::parse(&format!("{}/{length}", Ipv4Addr::from_bits(start))).expect("a range");
            let (mut used, mut last) = (BTreeSet::new(), None);
            while let Some(ip) = range.next(&used, last) {
                prop_assert!(used.insert(ip) && ip != range.gateway());
                last = Some(ip);
            }
            prop_assert_eq!(used.len(), (1 << (32 - length)) - 3);
        }
    }
}
