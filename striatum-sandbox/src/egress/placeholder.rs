//! What an agent has in the place of secrets.

use std::{fmt, str, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    error::{EgressError, EgressErrorKind as Kind},
    refusal::Refusal,
    rule::Rule,
    scan::Wanted,
};
use crate::credential::Credential;

/// Headers that are nothing but a credential, beside `Authorization`.
const WHOLE: [&str; 3] = ["x-api-key", "private-token", "x-auth-token"];
/// A shorter secret would be found in answers that do not contain it.
const TELLING: usize = 8;

/// A secret, and what an agent has in its place. Worth nothing anywhere but in requests that a rule of the secret allows.
pub(super) struct Placeholder {
    pub(super) name: String,
    pub(super) token: String,
    secret: Credential,
}

impl Placeholder {
    pub(super) fn new(name: &str, secret: Credential) -> Result<Self, EgressError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| {
            EgressError::new(Kind::Unavailable, "the system gives no chance").because(error)
        })?;
        let token =
            bytes.iter().fold("striatum-placeholder-".to_owned(), |token, byte| format!("{token}{byte:02x}"));
        Ok(Self { name: name.to_owned(), token, secret })
    }
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placeholder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All placeholders of a session.
#[derive(Debug)]
pub(super) struct Placeholders {
    all: Vec<Placeholder>,
    wanted: Wanted,
}

impl Placeholders {
    pub(super) fn new(all: Vec<Placeholder>) -> Self {
        let wanted = Wanted::new(all.iter().map(|placeholder| placeholder.token.as_bytes()));
        Self { all, wanted }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Placeholder> {
        self.all.iter()
    }

    /// What may stand in no body, and in no target of a request.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Puts secrets into headers, by whichever of these rules has them.
    pub(super) async fn substitute(&self, headers: &mut HeaderMap, rules: &[&Rule]) -> Result<Used, Refusal> {
        // What names a header is none.
        if headers.keys().any(|name| !self.wanted.all_in(name.as_str().as_bytes()).is_empty()) {
            return Err(Refusal::PlaceholderMisplaced);
        }
        let mut used = Vec::new();
        for (name, value) in headers.iter_mut() {
            let found = self.wanted.all_in(value.as_bytes());
            let &[index] = found.as_slice() else {
                if found.is_empty() { continue } else { return Err(Refusal::PlaceholderMisplaced) }
            };
            let placeholder = &self.all[index];
            if !rules.iter().any(|rule| rule.secrets.contains(&placeholder.name)) {
                return Err(Refusal::PlaceholderMisplaced);
            }
            let secret = placeholder.secret.get().await.map_err(|_| Refusal::SecretUnavailable)?;
            *value = placeholder.swapped(name, value, &secret).ok_or(Refusal::PlaceholderMisplaced)?;
            used.push((placeholder.secret.clone(), secret));
        }
        Ok(Used(used))
    }
}

/// The secrets in a request.
pub(super) struct Used(Vec<(Credential, Arc<SecretString>)>);

impl Used {
    /// What may not come back with the answer.
    pub(super) fn wanted(&self) -> Wanted {
        let secrets = self.0.iter().map(|(_, secret)| secret.expose_secret().as_bytes());
        Wanted::new(secrets.filter(|secret| secret.len() >= TELLING))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The host does not take them: the next request has those that its sources give by then.
    pub(super) async fn renew(&self) {
        for (credential, secret) in &self.0 {
            if let Err(error) = credential.other_than(secret).await {
                tracing::warn!(%error, "a secret that a host refused cannot be read anew");
            }
        }
    }
}

impl Placeholder {
    /// The value of a header with the secret in it, if the placeholder stands where a credential does.
    fn swapped(&self, name: &HeaderName, value: &HeaderValue, secret: &SecretString) -> Option<HeaderValue> {
        let (text, secret) = (value.to_str().ok()?.trim(), secret.expose_secret());
        let swapped = if name == AUTHORIZATION {
            match text.split_once(' ') {
                None if text == self.token => secret.to_owned(),
                Some((scheme, credentials)) if scheme.eq_ignore_ascii_case("basic") => {
                    format!("{scheme} {}", self.swapped_basic(credentials.trim(), secret)?)
                }
                Some((scheme, token)) if token.trim() == self.token => format!("{scheme} {secret}"),
                _ => return None,
            }
        } else if WHOLE.contains(&name.as_str()) && text == self.token {
            secret.to_owned()
        } else {
            return None;
        };
        let mut value = HeaderValue::from_str(&swapped).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// User and password, of which one is the placeholder.
    fn swapped_basic(&self, credentials: &str, secret: &str) -> Option<String> {
        let decoded = STANDARD.decode(credentials).ok()?;
        let (user, password) = str::from_utf8(&decoded).ok()?.split_once(':')?;
        let swap = |part| if part == self.token { secret } else { part };
        let whole = format!("{}:{}", swap(user), swap(password));
        // Within a longer name it would go on to who does not know what it is.
        (!whole.contains(&self.token)).then(|| STANDARD.encode(whole))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use tempfile::NamedTempFile;

    use super::*;
    use crate::credential::CredentialSource;

    const SECRET: &str = "ghp_real/secret+1";

    /// A placeholder for what stands in the file, and a rule for it.
    fn placeholders(file: &Path) -> (Placeholders, Rule) {
        let secret = Credential::new(CredentialSource::File(file.to_owned()));
        let secret = Placeholder::new("TOKEN", secret).expect("a placeholder");
        let rule: Rule = "a.test".parse().expect("a rule");
        (Placeholders::new(vec![secret]), rule.secret("TOKEN").expect("it is named"))
    }

    async fn substituted(name: &'static str, value: &str, rule: Option<&str>) -> Result<String, Refusal> {
        let file = NamedTempFile::new().expect("a file");
        fs::write(&file, SECRET).expect("a secret");
        let (placeholders, bound) = placeholders(file.path());
        let rule = rule.map_or(bound, |other| other.parse().expect("a rule"));
        let token = &placeholders.all[0].token;
        let value = match value.strip_prefix("basic:") {
            Some(pair) => format!("Basic {}", STANDARD.encode(pair.replace('$', token))),
            None => value.replace('$', token),
        };
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a value"));
        placeholders.substitute(&mut headers, &[&rule]).await?;
        Ok(headers[name].to_str().expect("text").to_owned())
    }

    #[tokio::test]
    async fn a_placeholder_alone_is_swapped() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (name, value, expected) in [
            ("authorization", "Bearer $", format!("Bearer {SECRET}")),
            ("authorization", "token $", format!("token {SECRET}")),
            ("authorization", "$", SECRET.to_owned()),
            ("authorization", "basic:x-access-token:$", basic(&format!("x-access-token:{SECRET}"))),
            ("authorization", "basic:$:", basic(&format!("{SECRET}:"))),
            ("x-api-key", "$", SECRET.to_owned()),
            ("private-token", "$", SECRET.to_owned()),
            ("x-other", "nothing", "nothing".to_owned()),
        ] {
            assert_eq!(substituted(name, value, None).await, Ok(expected), "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn anywhere_else_it_is_refused() {
        for (name, value) in [
            ("authorization", "Bearer x$"),
            ("authorization", "Bearer $ $"),
            ("authorization", "basic:a$:b"),
            ("authorization", "basic:$"),
            ("x-echo", "$"),
            ("cookie", "session=$"),
            ("x-api-key", "Bearer $"),
        ] {
            assert_eq!(
                substituted(name, value, None).await,
                Err(Refusal::PlaceholderMisplaced),
                "{name}: {value}"
            );
        }
        for value in ["Bearer $", "basic:u:$"] {
            let other = substituted("authorization", value, Some("b.test")).await;
            assert_eq!(other, Err(Refusal::PlaceholderMisplaced), "{value}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_goes_nowhere_and_one_that_is_refused_is_read_anew() {
        let file = NamedTempFile::new().expect("a file");
        let (placeholders, rule) = placeholders(file.path());
        let mut headers = HeaderMap::new();
        let token: HeaderValue = placeholders.all[0].token.parse().expect("a value");
        headers.insert(AUTHORIZATION, token.clone());
        let missing = placeholders.substitute(&mut headers, &[&rule]).await.map(drop);
        assert_eq!(missing, Err(Refusal::SecretUnavailable));

        for (value, is_renewed) in [("first-secret", false), ("second-secret", true)] {
            fs::write(&file, value).expect("a secret");
            headers.insert(AUTHORIZATION, token.clone());
            let used = placeholders.substitute(&mut headers, &[&rule]).await.expect("it is swapped");
            assert_eq!(headers[AUTHORIZATION], "first-secret");
            if is_renewed {
                used.renew().await;
                headers.insert(AUTHORIZATION, token.clone());
                placeholders.substitute(&mut headers, &[&rule]).await.expect("it is swapped");
                assert_eq!(headers[AUTHORIZATION], value);
            }
        }
    }
}
