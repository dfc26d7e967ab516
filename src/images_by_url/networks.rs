//! Addresses from which images may be fetched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is refused, for the sender.
pub(super) const PRIVATE: &str = "its host is in a network that is not allowed";

/// The public internet, and the private networks in the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// IANA's registry of special-purpose addresses, without those that are globally reachable.
const NOT_PUBLIC_V4: [Ipv4Net; 19] = [
    v4(0, 0, 0, 0, 8),        // this network, unspecified
    v4(10, 0, 0, 0, 8),       // private
    v4(100, 64, 0, 0, 10),    // carriers' NAT
    v4(127, 0, 0, 0, 8),      // loopback
    v4(168, 63, 129, 16, 32), // Azure's own services: public in form only
    v4(169, 254, 0, 0, 16),   // link-local: clouds' metadata
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocol assignments
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 31, 196, 0, 24),  // AS112
    v4(192, 52, 193, 0, 24),  // AMT
    v4(192, 88, 99, 0, 24),   // 6to4 relays
    v4(192, 168, 0, 0, 16),   // private
    v4(192, 175, 48, 0, 24),  // AS112
    v4(198, 18, 0, 0, 15),    // benchmarking
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, broadcast
];

/// Contains all public addresses. Loopback, unspecified, IPv4-compatible, unique local, link-local and multicast are
/// outside.
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);

/// The parts of it that are not public.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 0, 23),     // protocol assignments: Teredo, benchmarking, ORCHID
    v6(0x2001, 0xdb8, 0, 32), // documentation
    v6(0x2002, 0, 0, 16),     // 6to4, which can wrap a private IPv4 address
    v6(0x3fff, 0, 0, 20),     // documentation
];

/// IPv4 addresses as seen by networks without IPv4 (NAT64).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

impl Networks {
    /// Parses networks such as `10.1.0.0/16` or `fd00::/8`, and single addresses.
    ///
    /// # Errors
    /// A sentence about the invalid network.
    pub fn parse(networks: &[String]) -> Result<Self, String> {
        let networks = networks.iter().map(|network| network.trim());
        let networks = networks.filter(|network| !network.is_empty()).map(|text| {
            let network = text.parse::<IpNet>().ok();
            let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| {
                format!(
                    "--image-url-networks: {text:?} is not a network; write 10.1.0.0/16 or fd00::/8"
                )
            })
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }

    /// Whether a connection to an address is allowed.
    pub fn allow(&self, address: IpAddr) -> bool {
        // ::ffff:10.0.0.1 is 10.0.0.1.
        let address = address.to_canonical();
        let named = self.0.iter().any(|network| network.contains(&address));
        named
            || match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4
        .iter()
        .any(|network| network.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    GLOBAL_UNICAST.contains(&address)
        && !NOT_PUBLIC_V6
            .iter()
            .any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(networks: &[&str], address: &str) -> bool {
        let networks: Vec<String> = networks.iter().map(|n| (*n).to_owned()).collect();
        Networks::parse(&networks)
            .unwrap()
            .allow(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::808:808",
            "::ffff:8.8.8.8",
        ] {
            assert!(allowed(&[], address), "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allowed(&[], address), "{address}");
        }
    }

    #[test]
    fn named_private_networks_are_allowed() {
        assert!(allowed(&["10.1.0.0/16", "fd00::/8"], "10.1.2.3"));
        assert!(allowed(&["10.1.0.0/16"], "::ffff:10.1.2.3"));
        assert!(allowed(&["fd00::/8"], "fd12::1"));
        assert!(allowed(&["192.168.0.7"], "192.168.0.7"));
        assert!(!allowed(&["10.1.0.0/16"], "10.2.0.1"));
        assert!(!allowed(&["192.168.0.7"], "192.168.0.8"));
        for wrong in ["10.0.0.0/33", "localhost", "10.0.0", "10.0.0.0/"] {
            assert!(Networks::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
