//! Addresses that are never connected to, whatever a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is one of a machine's own management plane (cloud metadata, link-local) or no host at all.
/// Private and loopback addresses are allowed: receivers come from the administrator's file, and many are
/// in-house.
pub(super) fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.octets().first() == Some(&0)
}

fn forbidden_v6(address: Ipv6Addr) -> bool {
    let metadata = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254);
    address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local() || address == metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_non_hosts_are_forbidden_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(is_forbidden(text.parse().unwrap()), "{text}");
        }
        for text in ["127.0.0.1", "10.1.2.3", "192.168.0.1", "8.8.8.8", "::1", "fd12::1", "2001:db8::1"] {
            assert!(!is_forbidden(text.parse().unwrap()), "{text}");
        }
    }
}
