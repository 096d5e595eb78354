//! Credentials as clients send them: `Bearer` on every call, `Basic` for the handshake.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tonic::metadata::MetadataMap;

use crate::error::{Error, Result};

/// Some clients pad, some do not (parseable#820): both are taken.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What every API token starts with.
pub const API_TOKEN_PREFIX: &str = "kar_";

/// A user's name and password, or anything and an API token.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// E-mail address.
    pub user: String,
    /// Password, or an API token.
    pub password: String,
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Basic").finish_non_exhaustive()
    }
}

fn header(metadata: &MetadataMap) -> Result<Option<(String, String)>> {
    let Some(value) = metadata.get("authorization") else {
        return Ok(None);
    };
    let malformed = || {
        Error::Unauthenticated(
            "The authorization header must be 'Bearer <token>' or, for the handshake, 'Basic <base64>'.".into(),
        )
    };
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, rest) = text.trim().split_once(' ').ok_or_else(malformed)?;
    Ok(Some((scheme.to_ascii_lowercase(), rest.trim().to_owned())))
}

/// The bearer token of a call.
pub fn bearer(metadata: &MetadataMap) -> Result<String> {
    match header(metadata)? {
        Some((scheme, token)) if scheme == "bearer" && !token.is_empty() => Ok(token),
        Some((scheme, _)) if scheme == "basic" => Err(Error::Unauthenticated(
            "A user name and password are taken by the handshake only (pyarrow: authenticate_basic_token); send the token it returns as 'Bearer'.".into(),
        )),
        _ => Err(Error::Unauthenticated(
            "No bearer token: send the header 'authorization: Bearer <API token>' (make one with createApiToken), or do the handshake first.".into(),
        )),
    }
}

/// What a handshake's header says, if it has one.
pub enum Handshake {
    /// A user name and password.
    Basic(Basic),
    /// A token already.
    Bearer(String),
}

/// The credentials in a handshake's header.
pub fn handshake(metadata: &MetadataMap) -> Result<Option<Handshake>> {
    match header(metadata)? {
        None => Ok(None),
        Some((scheme, token)) if scheme == "bearer" => Ok(Some(Handshake::Bearer(token))),
        Some((scheme, encoded)) if scheme == "basic" => {
            let malformed =
                || Error::Unauthenticated("The Basic credentials are not base64 of 'user:password'.".into());
            let raw = LENIENT.decode(encoded).map_err(|_| malformed())?;
            let text = String::from_utf8(raw).map_err(|_| malformed())?;
            let (user, password) = text.split_once(':').ok_or_else(malformed)?;
            Ok(Some(Handshake::Basic(Basic { user: user.to_owned(), password: password.to_owned() })))
        }
        Some((scheme, _)) => Err(Error::Unauthenticated(format!(
            "The authorization scheme '{scheme}' is not known; use Basic or Bearer."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: &str) -> MetadataMap {
        let mut map = MetadataMap::new();
        map.insert("authorization", value.parse().unwrap());
        map
    }

    fn basic(value: &str) -> Result<Basic> {
        match handshake(&metadata(value))? {
            Some(Handshake::Basic(basic)) => Ok(basic),
            _ => panic!("{value} is no Basic"),
        }
    }

    #[test]
    fn padded_and_unpadded_basic_are_the_same() {
        let wanted = Basic { user: "ada@example.org".into(), password: "pass:word".into() };
        let padded = base64::engine::general_purpose::STANDARD.encode("ada@example.org:pass:word");
        assert_eq!(basic(&format!("Basic {padded}")).unwrap(), wanted);
        assert_eq!(basic(&format!("basic {}", padded.trim_end_matches('='))).unwrap(), wanted);
    }

    #[test]
    fn malformed_credentials_are_refused_without_echo() {
        for value in ["Basic ???", "Basic aGVsbG8", "Basic /w", "Digest x", "Basic"] {
            let Err(Error::Unauthenticated(message)) = handshake(&metadata(value)) else { panic!("{value}") };
            assert!(!message.contains("aGVsbG8"), "{message}");
        }
    }

    #[test]
    fn bearer_tokens() {
        assert_eq!(bearer(&metadata("Bearer kar_x")).unwrap(), "kar_x");
        assert_eq!(bearer(&metadata("bearer  kar_x")).unwrap(), "kar_x");
        for (value, part) in [("Basic YTpi", "handshake"), ("Bearer ", "must be"), ("kar_x", "must be")] {
            let message = bearer(&metadata(value)).unwrap_err().to_string();
            assert!(message.contains(part), "{value}: {message}");
        }
        assert!(bearer(&MetadataMap::new()).unwrap_err().to_string().contains("createApiToken"));
    }
}
