//! Hosts from which images may be fetched.

use url::{Host, Url};

/// Names, with `*.` before those whose subdomains are included, and ports that are not the scheme's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostList(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Name,
    /// The port; None means the scheme's default.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Exactly(Host),
    /// With a leading dot.
    EndsWith(String),
}

impl HostList {
    /// Reads `example.com`, `*.example.com`, `example.com:9000`, `192.0.2.1`, `[2001:db8::1]:9000`.
    ///
    /// # Errors
    /// A sentence about the invalid entry.
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        let entries = entries.iter().map(|entry| entry.trim());
        let entries = entries.filter(|entry| !entry.is_empty());
        Ok(Self(entries.map(Entry::parse).collect::<Result<_, _>>()?))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a URL's host and port are listed. Names are compared in the URL parser's form: lower case, Punycode,
    /// normalised addresses.
    pub fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        self.0.iter().any(|entry| {
            let port = match entry.port {
                // The parser omits a scheme's default port.
                None => url.port().is_none(),
                Some(port) => url.port_or_known_default() == Some(port),
            };
            let name = match (&entry.name, &host) {
                (Name::Exactly(name), host) => name == host,
                (Name::EndsWith(end), Host::Domain(name)) => {
                    name.len() > end.len() && name.ends_with(end.as_str())
                }
                (Name::EndsWith(_), _) => false,
            };
            port && name
        })
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |reason: &str| {
            format!(
                "--image-url-hosts: {text:?} is not a host: {reason}; write example.com, *.example.com or example.com:9000"
            )
        };
        if text.contains(['/', '@', '?', '#']) {
            return Err(wrong("it is a URL, or part of one"));
        }
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let colon = match rest.rfind(']') {
            Some(end) => rest.get(end..).and_then(|r| r.find(':')).map(|at| end + at),
            None => rest.find(':'),
        };
        let (host, port) = match colon.map(|at| rest.split_at(at)) {
            None => (rest, None),
            Some((host, port)) => {
                let port = port.trim_start_matches(':').parse::<u16>();
                let port = port.ok().filter(|port| *port != 0);
                let reason =
                    "the port is a number from 1 to 65535, and IPv6 addresses must be in []";
                (host, Some(port.ok_or_else(|| wrong(reason))?))
            }
        };
        if host.contains('*') || host.ends_with('.') || host.starts_with('.') {
            return Err(wrong(
                "a name may begin with *. and must not begin or end with a dot",
            ));
        }
        let name = match (Host::parse(host).map_err(|e| wrong(&e.to_string()))?, below) {
            (Host::Domain(name), true) => Name::EndsWith(format!(".{name}")),
            (_, true) => return Err(wrong("an address has no subdomains")),
            (host, false) => Name::Exactly(host),
        };
        Ok(Self { name, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<HostList, String> {
        HostList::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn names_ports_and_subdomains() {
        let hosts =
            list("Example.com, *.shop.example,store:9000,192.0.2.1,[2001:db8::1]:81").unwrap();
        let allow = |url: &str| hosts.allow(&Url::parse(url).unwrap());
        for url in [
            "http://example.com/a.png",
            "https://EXAMPLE.com:443/a.png",
            "http://a.shop.example/",
            "http://a.b.shop.example/",
            "http://store:9000/",
            "https://store:9000/",
            "http://192.0.2.1/",
            // Other spellings of the same address are equal.
            "http://0xc0000201/",
            "http://[2001:db8:0:0::1]:81/",
        ] {
            assert!(allow(url), "{url}");
        }
        for url in [
            "http://example.com:8080/",
            // The default port of the other scheme
            "http://example.com:443/",
            "http://example.com./",
            "http://www.example.com/",
            "http://notexample.com/",
            "http://example.com.evil/",
            "http://shop.example/",
            "http://ashop.example/",
            "http://store/",
            "http://192.0.2.2/",
            "http://[2001:db8::1]/",
        ] {
            assert!(!allow(url), "{url}");
        }
    }

    #[test]
    fn invalid_hosts_are_refused() {
        for entry in [
            "http://example.com",
            "a/b",
            "u@h",
            "*",
            "*.",
            "a.*.b",
            "*.*.a",
            ".a",
            "a.",
            "a:",
            "a:0",
            "a:99999",
            "::1",
            "*.127.0.0.1",
            "a b",
        ] {
            assert!(list(entry).is_err(), "{entry}");
        }
        assert!(list("").unwrap().is_empty() && list(" , ").unwrap().is_empty());
    }
}
