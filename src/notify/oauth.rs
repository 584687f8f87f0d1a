//! Tokens for Kafka's OAUTHBEARER, from an OAuth 2 endpoint by client credentials (RFC 6749, 4.4).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::{ExchangeError, ReceiverBuildError};
use super::http::HttpClient;

/// Who asks for a token.
#[derive(Debug)]
pub struct OauthClient {
    /// The endpoint.
    pub url: String,
    pub client_id: String,
    pub client_secret: SecretString,
    /// What is asked for.
    pub scope: Option<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// Why there is no token. Texts hold no secrets.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The endpoint cannot be used as configured.
    #[error(transparent)]
    Endpoint(#[from] ReceiverBuildError),
    /// It could not be asked.
    #[error("cannot ask for a token: {0}")]
    NotAsked(#[source] ExchangeError),
    /// It refuses.
    #[error("the token endpoint answers HTTP {0}")]
    Refused(u16),
    /// Its answer broke off.
    #[error("cannot read the token: {0}")]
    BrokeOff(#[source] ExchangeError),
    /// Its answer is something else.
    #[error("the token endpoint's answer holds no token")]
    NoToken,
}

/// Asks for a token: the token and for how long it is valid.
///
/// # Errors
/// When the endpoint cannot be used, or answers with anything but a token.
pub async fn fetch_token(client: &OauthClient) -> Result<(SecretString, Duration), OauthError> {
    let http = HttpClient::new(&client.url, Duration::from_secs(20), None)?;
    let mut form = vec![("grant_type", "client_credentials")];
    if let Some(scope) = &client.scope {
        form.push(("scope", scope));
    }
    let response = http
        .post()
        .basic_auth(&client.client_id, Some(client.client_secret.expose_secret()))
        .form(&form)
        .send()
        .await
        .map_err(|error| OauthError::NotAsked(http.explain(error)))?;
    if !response.status().is_success() {
        return Err(OauthError::Refused(response.status().as_u16()));
    }
    let body = response.bytes().await.map_err(|error| OauthError::BrokeOff(http.explain(error)))?;
    // What is wrong with it would show it.
    let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| OauthError::NoToken)?;
    Ok((answer.access_token, Duration::from_secs(answer.expires_in.unwrap_or(300))))
}
