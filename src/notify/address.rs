//! Addresses that are never connected to, whatever a name resolves to: a pure policy over names and addresses. Receivers come from
//! the administrator's file, but what their names resolve to comes from elsewhere.
//!
//! * Management planes of clouds (metadata, which hands out credentials) and what is no host at all are refused, in every form an
//!   IPv4 address takes within IPv6: mapped, compatible, translated (SIIT), NAT64, 6to4, Teredo, ISATAP.
//! * Private addresses are allowed: many receivers are in-house.
//! * Loopback is allowed to whom the file sends there in words: an address, `localhost`, this machine's own name. A name from
//!   elsewhere that resolves to loopback would reach services that listen there alone, driftd's own listener among them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses of metadata services outside of link-local ones: Azure's, Alibaba's.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];

/// Whether an address is never connected to.
pub(super) fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_link_local()
        || address.is_multicast()
        // "This network".
        || first == 0
        // Reserved, and the broadcast address.
        || first >= 240
        // Protocol assignments (RFC 6890); Oracle's metadata service is at 192.0.0.192.
        || [first, second, third] == [192, 0, 0]
        || METADATA_V4.contains(&address)
}

fn forbidden_v6(address: Ipv6Addr) -> bool {
    // Amazon's services of an instance; Google's, Oracle's and Scaleway's metadata.
    let metadata = matches!(
        address.segments(),
        [0xfd00, 0x0ec2, ..]
            | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
            | [0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
            | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042]
    );
    // Site-local addresses were given up; some systems still reach name servers there.
    let site_local = address.segments()[0] & 0xffc0 == 0xfec0;
    metadata
        || site_local
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || inside(address).into_iter().any(|inner| forbidden_v4(inner) || inner.is_loopback())
}

/// The IPv4 addresses that an IPv6 address stands for, or leads through.
fn inside(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    if address.is_loopback() || address.is_unspecified() {
        return Vec::new();
    }
    let two = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    let bytes = address.octets();
    let segments = address.segments();
    let [.., high, low] = segments;
    match segments {
        // IPv4-compatible (RFC 4291, given up), translated (SIIT, RFC 2765), NAT64's well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![two(high, low)]
        }
        // NAT64 for local use (RFC 8215): the prefix of a network is 48 to 96 bits long, and the bytes lie behind it, around
        // byte 8, which is zero (RFC 6052, 2.2).
        [0x64, 0xff9b, 1, ..] => {
            let shorter = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]];
            let all = shorter
                .map(|places| places.map(|place| bytes.get(place).copied().unwrap_or_default()))
                .map(|[a, b, c, d]| Ipv4Addr::new(a, b, c, d));
            if (high, low) == (0, 0) || bytes.iter().skip(13).all(|byte| *byte == 0) {
                // What lies behind the address is zero: one of the shorter prefixes. None of their readings may be forbidden; one
                // that begins with the zeros of a longer prefix is none.
                all.into_iter().filter(|reading| reading.octets()[0] != 0).collect()
            } else {
                vec![two(high, low)]
            }
        }
        // 6to4 (RFC 3056).
        [0x2002, first, second, ..] => vec![two(first, second)],
        // Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, first, second, ..] => vec![two(first, second), two(!high, !low)],
        // ISATAP (RFC 5214).
        [.., 0x0000 | 0x0200, 0x5efe, _, _] => vec![two(high, low)],
        _ => Vec::new(),
    }
}

/// Whether a name is one for this machine's loopback interface: it is configured on purpose.
pub(super) fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let known = [
        "localhost",
        "localhost.localdomain",
        "localhost6",
        "localhost6.localdomain6",
        "ip6-localhost",
        "ip6-loopback",
    ];
    known.contains(&name.as_str()) || name.ends_with(".localhost")
}

/// Whether a host of a URL, an address or a name, is this machine's loopback interface.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => is_loopback_name(host),
    }
}

/// Why a name leads to no address that may be connected to.
#[derive(Debug, thiserror::Error)]
pub enum AddressRefusal {
    /// It was not looked up.
    #[error("{0}")]
    Lookup(#[from] std::io::Error),
    /// Nobody knows it.
    #[error("the name has no address")]
    NoAddress,
    /// Names that are not this machine's lead to it.
    #[error("the name resolves to forbidden addresses only: to loopback, which `localhost` is for")]
    Loopback,
    /// Nobody listens there, or those who hand out credentials do.
    #[error("the name resolves to forbidden addresses only")]
    Forbidden,
}

/// The addresses of a name that may be connected to. `own` is what this machine calls itself: many systems resolve that name to
/// loopback.
///
/// # Errors
/// When none may.
pub(super) fn allowed(
    name: &str,
    own: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, AddressRefusal> {
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (name_bare, own) = (bare(name), bare(own));
    let is_own = !own.is_empty()
        && (name_bare == own || name_bare.strip_prefix(&own).is_some_and(|rest| rest.starts_with('.')));
    let local = is_loopback(name) || is_own;
    let (mut kept, mut loopback, mut any) = (Vec::new(), false, false);
    for address in found {
        any = true;
        let ip = address.ip().to_canonical();
        if ip.is_loopback() && !local {
            loopback = true;
        } else if !is_forbidden(ip) {
            kept.push(address);
        }
    }
    match (kept.is_empty(), any, loopback) {
        (false, ..) => Ok(kept),
        (true, false, _) => Err(AddressRefusal::NoAddress),
        (true, _, true) => Err(AddressRefusal::Loopback),
        (true, ..) => Err(AddressRefusal::Forbidden),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_non_hosts_are_forbidden_in_every_spelling() {
        let forbidden_v4 = [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.0.23",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "192.0.0.170",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for text in forbidden_v4 {
            assert!(is_forbidden(text.parse().unwrap()), "{text}");
            for form in forms(text.parse().unwrap()) {
                assert!(is_forbidden(form.into()), "{form} stands for {text}");
            }
        }
        for text in [
            "fe80::1",
            "fe80::a9fe:a9fe",
            "fec0:0:0:ffff::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "::",
            "ff02::1",
        ] {
            assert!(is_forbidden(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "127.0.1.1",
            "::ffff:127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "100.100.100.201",
            "168.63.129.17",
            "192.0.1.1",
            "8.8.8.8",
            "::1",
            "fd12::1",
            "fd00:ec3::254",
            "fd20:ce::255",
            "2001:db8::1",
            "2606:4700::1111",
        ] {
            assert!(!is_forbidden(text.parse().unwrap()), "{text}");
        }
        // In a network with IPv6 alone everybody else is reached so.
        for text in ["8.8.8.8", "10.1.2.3", "203.0.113.7"] {
            let address: Ipv4Addr = text.parse().unwrap();
            for form in forms(address) {
                assert!(!is_forbidden(form.into()), "{form} stands for {text}");
            }
        }
        // Nobody means this machine by them.
        for form in forms(Ipv4Addr::LOCALHOST).into_iter().filter(|form| form.to_ipv4_mapped().is_none()) {
            assert!(is_forbidden(form.into()), "{form}");
        }
    }

    /// Every form in which an IPv4 address is written as one of IPv6.
    fn forms(address: Ipv4Addr) -> Vec<Ipv6Addr> {
        let [a, b, c, d] = address.octets();
        let text = |form: String| form.parse::<Ipv6Addr>().unwrap();
        let mut forms = vec![
            text(format!("::ffff:{address}")),
            text(format!("::ffff:0:{address}")),
            text(format!("64:ff9b::{address}")),
            text(format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1")),
            text(format!("2001:0:4136:e378:8000:63bf:{:02x}{:02x}:{:02x}{:02x}", !a, !b, !c, !d)),
            text(format!("2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}:8000:63bf:f7f7:f7f7")),
            text(format!("2001:db8::5efe:{address}")),
            text(format!("2001:db8::200:5efe:{address}")),
        ];
        // The compatible form of 0.0.0.0 and 0.0.0.1 are other addresses.
        if a != 0 {
            forms.push(text(format!("::{address}")));
            forms.push(text(format!("64:ff9b:1:2:3:4:{address}")));
            let local = |at: usize| {
                let mut bytes = text("64:ff9b:1::".to_owned()).octets();
                let places = (at..).filter(|place| *place != 8).take(4);
                for (place, byte) in places.zip([a, b, c, d]) {
                    bytes[place] = byte;
                }
                Ipv6Addr::from(bytes)
            };
            // Prefixes of 48, 56, and 64 bits.
            forms.extend([local(6), local(7), local(9)]);
        }
        forms
    }

    #[test]
    fn every_address_is_either_forbidden_or_a_host_and_none_panics() {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..200_000 {
            let mut address = dice.u128(..);
            if dice.bool() {
                address &= !(u128::MAX >> dice.u32(0..128));
            }
            let _decided = is_forbidden(Ipv6Addr::from(address).into());
        }
    }

    #[test]
    fn loopback_is_reached_by_those_names_alone_that_say_so() {
        let addresses = |texts: &[&str]| {
            let parsed: Vec<SocketAddr> =
                texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
            parsed.into_iter()
        };
        for name in [
            "localhost",
            "LocalHost.",
            "driftd.localhost",
            "ip6-localhost",
            "box",
            "box.example.org",
            "127.0.0.1",
            "::1",
        ] {
            assert_eq!(allowed(name, "box", addresses(&["127.0.0.1", "::1"])).unwrap().len(), 2, "{name}");
        }
        for name in ["hooks.example.org", "localhost.example.org", "boxes", "evil-localhost", "localtest.me"] {
            let refused = allowed(name, "box", addresses(&["127.0.0.1", "::1", "::ffff:127.0.0.1"])).unwrap_err();
            assert!(refused.to_string().contains("loopback"), "{name}: {refused}");
            assert_eq!(
                allowed(name, "", addresses(&["127.0.0.1", "10.0.0.7"])).unwrap(),
                [([10, 0, 0, 7], 0).into()]
            );
        }
        let refused = allowed("hooks.example.org", "box", addresses(&["169.254.169.254", "64:ff9b::a9fe:a9fe"]));
        assert_eq!(refused.unwrap_err().to_string(), "the name resolves to forbidden addresses only");
        assert!(allowed("hooks.example.org", "box", addresses(&[])).is_err());
        // Not even by `localhost`.
        assert!(allowed("localhost", "box", addresses(&["169.254.169.254"])).is_err());
    }
}
