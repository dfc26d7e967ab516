//! Makes the receiver of a sink from what is written about it.

use std::path::PathBuf;

use reqwest::Certificate;
use url::Url;

use super::entry::{Entry, Kind};
use crate::config::Secret;
use crate::deliveries::folder::Folder;
use crate::deliveries::mqtt::{Broker, Mqtt, TlsFiles, Version};
use crate::deliveries::pseudonyms::Pseudonyms;
use crate::deliveries::receiver::Receiver;
use crate::deliveries::secret_file::{read, read_line, read_secret};
use crate::deliveries::signature::Signer;
use crate::deliveries::webhook::Webhook;

impl Entry {
    /// The receiver.
    ///
    /// # Errors
    /// A sentence that names the field, without secrets.
    pub fn receiver(&self) -> Result<Receiver, String> {
        let allowed: &[&str] = match self.kind {
            Kind::Webhook => &["url", "secret_file", "ca_file"],
            Kind::Mqtt => &[
                "url",
                "topic",
                "version",
                "client_id",
                "user",
                "password_file",
                "ca_file",
                "certificate_file",
                "key_file",
            ],
            Kind::Folder => &["path"],
        };
        let given = [
            ("url", self.url.is_some()),
            ("secret_file", self.secret_file.is_some()),
            ("topic", self.topic.is_some()),
            ("version", self.version.is_some()),
            ("client_id", self.client_id.is_some()),
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
            ("key_file", self.key_file.is_some()),
            ("path", self.path.is_some()),
        ];
        let wrong = given
            .iter()
            .find(|(field, given)| *given && !allowed.contains(field));
        if let Some((field, _)) = wrong {
            let allowed = allowed.join(", ");
            return Err(format!(
                "{field} has no meaning for this kind, which has {allowed}"
            ));
        }
        match self.kind {
            Kind::Webhook => self.webhook().map(Receiver::Webhook),
            Kind::Mqtt => self.mqtt().map(Receiver::Mqtt),
            Kind::Folder => {
                let path = self.path.clone().ok_or("path is missing")?;
                Ok(Receiver::Folder(Folder::new(path)))
            }
        }
    }

    fn url(&self, schemes: [&str; 2]) -> Result<Url, String> {
        let [plain, secure] = schemes;
        let url = self.url.as_deref().ok_or("url is missing")?;
        let url = Url::parse(url).map_err(|error| format!("url: this is not a URL: {error}"))?;
        if !schemes.contains(&url.scheme()) || !url.has_host() {
            return Err(format!("url: write {plain}:// or {secure}:// with a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url: credentials are not allowed in it".to_owned());
        }
        Ok(url)
    }

    /// What replaces the names of people, if the sink wants that.
    ///
    /// # Errors
    /// A sentence that names the field, without the key.
    pub fn pseudonyms(&self) -> Result<Option<Pseudonyms>, String> {
        let path = self.pseudonym_key_file.as_deref();
        path.map(|path| Pseudonyms::with_key_file("pseudonym_key_file", path))
            .transpose()
    }

    fn webhook(&self) -> Result<Webhook, String> {
        let url = self.url(["http", "https"])?;
        let path = self.secret_file.as_deref();
        let secret = read_secret("secret_file", path.ok_or("secret_file is missing")?)?;
        let trusted = match &self.ca_file {
            None => Vec::new(),
            Some(path) => {
                let pem = read("ca_file", path)?;
                let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
                if found.is_empty() {
                    let file = path.display();
                    return Err(format!("ca_file: {file}: it contains no PEM certificate"));
                }
                found
            }
        };
        Webhook::new(url, Signer::new(secret.as_bytes()), trusted)
    }

    fn mqtt(&self) -> Result<Mqtt, String> {
        let url = self.url(["mqtt", "mqtts"])?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("url: only a host and a port have a meaning".to_owned());
        }
        let is_secure = url.scheme() == "mqtts";
        let topic = self.topic.clone().ok_or("topic is missing")?;
        if topic.is_empty() || topic.contains(['+', '#', '\0']) || topic.starts_with('$') {
            let reason = "topic: one without '+' and '#', such as plant/{line}/{event}";
            return Err(reason.to_owned());
        }
        let filled = topic.replace("{line}", "").replace("{event}", "");
        if filled.contains(['{', '}']) {
            return Err("topic: only {line} and {event} are replaced".to_owned());
        }
        for (field, text, most) in [
            ("topic", Some(&topic), 1000),
            ("client_id", self.client_id.as_ref(), 128),
            ("user", self.user.as_ref(), 1000),
        ] {
            if text.is_some_and(|text| text.is_empty() || text.len() > most) {
                return Err(format!("{field}: 1 to {most} bytes"));
            }
        }
        let version = match self.version {
            None | Some(5) => Version::V5,
            Some(3) => Version::V3,
            Some(_) => return Err("version: 3 (which is 3.1.1) or 5".to_owned()),
        };
        let login = match (&self.user, &self.password_file) {
            (None, None) => None,
            (Some(user), None) => Some((user.clone(), Secret::from(String::new()))),
            (Some(user), Some(path)) => {
                let password = read_line("password_file", path)?;
                if password.len() > 1000 {
                    return Err("password_file: a password has at most 1000 bytes".to_owned());
                }
                Some((user.clone(), Secret::from(password)))
            }
            (None, Some(_)) => return Err("password_file: user is missing".to_owned()),
        };
        let files = [&self.ca_file, &self.certificate_file, &self.key_file];
        if !is_secure && files.into_iter().any(Option::is_some) {
            return Err("url: certificates have a meaning for mqtts:// only".to_owned());
        }
        let tls = is_secure.then(|| self.tls()?.config()).transpose()?;
        let client_id = self.client_id.clone();
        Ok(Mqtt::new(Broker {
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port().unwrap_or(if is_secure { 8883 } else { 1883 }),
            tls,
            version,
            client_id: client_id.unwrap_or_else(|| format!("clip-in-{}", self.name)),
            login,
            topic,
        }))
    }

    fn tls(&self) -> Result<TlsFiles, String> {
        let pem = |field: &str, path: &PathBuf| Ok::<_, String>((path.clone(), read(field, path)?));
        let authorities = self.ca_file.as_ref();
        let authorities = authorities.map(|path| pem("ca_file", path)).transpose()?;
        let client = match (&self.certificate_file, &self.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some([pem("certificate_file", certificate)?, pem("key_file", key)?])
            }
            _ => return Err("certificate_file and key_file: give both or neither".to_owned()),
        };
        Ok(TlsFiles {
            authorities,
            client,
        })
    }
}
