//! Which addresses a name may lead to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A range of addresses, such as `10.1.0.0/16`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    first: IpAddr,
    bits: u8,
}

/// The text is no address and no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no address, and no range such as 10.1.0.0/16")]
pub(super) struct NoNetwork;

impl Network {
    const fn v4(a: u8, b: u8, c: u8, bits: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), bits }
    }

    const fn v6(a: u16, b: u16, bits: u8) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), bits }
    }

    /// This address alone.
    pub(super) fn only(address: IpAddr) -> Self {
        Self { first: address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether the address lies in it. An IPv4 address in IPv6 form lies in no range of IPv4.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let all = Self::only(address.parse().map_err(|_| NoNetwork)?);
        let Some(bits) = bits else { return Ok(all) };
        let network = Self { bits: bits.parse().map_err(|_| NoNetwork)?, ..all };
        if network.bits <= all.bits { Ok(network) } else { Err(NoNetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// What of IPv4 is not the open internet, after the registry of special addresses (RFC 6890 and later).
const SPECIAL_V4: &[Network] = &[
    Network::v4(0, 0, 0, 8),
    Network::v4(10, 0, 0, 8),
    Network::v4(100, 64, 0, 10),
    Network::v4(127, 0, 0, 8),
    Network::v4(169, 254, 0, 16),
    Network::v4(172, 16, 0, 12),
    Network::v4(192, 0, 0, 24),
    Network::v4(192, 0, 2, 24),
    Network::v4(192, 88, 99, 24),
    Network::v4(192, 168, 0, 16),
    Network::v4(198, 18, 0, 15),
    Network::v4(198, 51, 100, 24),
    Network::v4(203, 0, 113, 24),
    Network::v4(224, 0, 0, 4),
    Network::v4(240, 0, 0, 4),
];

/// The open internet of IPv6. Loopback, link-local, unique local, multicast, mapped and translated addresses lie outside.
const GLOBAL_V6: Network = Network::v6(0x2000, 0, 3);

/// What within it is not: protocol assignments with Teredo, documentation, and addresses that carry one of IPv4.
const SPECIAL_V6: &[Network] = &[
    Network::v6(0x2001, 0, 23),
    Network::v6(0x2001, 0x0db8, 32),
    Network::v6(0x2002, 0, 16),
    Network::v6(0x3fff, 0, 20),
];

/// Whether this is an address of the open internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(|special| special.contains(address)),
        IpAddr::V6(_) => {
            GLOBAL_V6.contains(address) && !SPECIAL_V6.iter().any(|special| special.contains(address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_open_internet_is_public() {
        for public in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(is_public(address(public)), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "fec0::1",
        ] {
            assert!(!is_public(address(special)), "{special}");
        }
    }

    #[test]
    fn a_range_holds_its_addresses() {
        let network: Network = "10.1.0.0/16".parse().expect("a range");
        assert!(network.contains(address("10.1.255.1")) && !network.contains(address("10.2.0.1")));
        assert!(!network.contains(address("::ffff:10.1.0.1")));
        let one: Network = "::1".parse().expect("one address");
        assert!(one.contains(address("::1")) && !one.contains(address("::2")));
        let all: Network = "0.0.0.0/0".parse().expect("every address");
        assert!(all.contains(address("8.8.8.8")));
        for odd in ["", "10.0.0.0/33", "::/129", "10.0/8", "10.0.0.0/-1", "x"] {
            assert_eq!(odd.parse::<Network>(), Err(NoNetwork), "{odd:?}");
        }
    }
}
