//! Refusals, as the provider would say them, so that agents show what they say.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue},
};
use serde_json::json;

use super::Provider;

/// Why a request is not answered by the model's host. None is worth repeating but for [`Refusal::Upstream`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not carry the session's placeholder, or something else beside it.
    Stranger,
    /// There is no such path here.
    Path,
    /// The query holds something that does not travel on.
    Parameter,
    /// The body is no request, or cannot be read without doubt.
    Malformed(&'static str),
    /// It asks to speak something else.
    Upgrade,
    /// This model may not be asked.
    Model(String),
    /// It has the provider reach other hosts.
    Reach(String),
    /// It is too long; so many bytes are read.
    TooLong(usize),
    /// It did not arrive in time.
    TooSlow,
    /// So many requests were made as may be.
    Requests(u64),
    /// So many tokens were used as may be.
    Tokens(u64),
    /// Too many requests are under way.
    Crowd,
    /// Striatum itself has no credential.
    Credential,
    /// The model's host does not accept the credential that Striatum has.
    NotLetIn,
    /// The model's host cannot be reached, or what it answers is no answer.
    Upstream(&'static str),
    /// The model's host does not answer in time.
    UpstreamSlow,
}

impl Refusal {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Stranger | Self::Credential | Self::NotLetIn => StatusCode::UNAUTHORIZED,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Parameter | Self::Malformed(_) | Self::Upgrade => StatusCode::BAD_REQUEST,
            Self::Model(_) | Self::Reach(_) | Self::Requests(_) | Self::Tokens(_) => StatusCode::FORBIDDEN,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Crowd => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            Self::UpstreamSlow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Stranger => "Striatum's broker does not know this credential: use the one in the environment, and no other".to_owned(),
            Self::Path => "Striatum's broker lets no request of this method and path through".to_owned(),
            Self::Parameter => "Striatum's broker does not pass on one of the parameters in the query".to_owned(),
            Self::Malformed(why) => format!("Striatum's broker cannot read the request: {why}"),
            Self::Upgrade => "Striatum's broker speaks nothing but HTTP".to_owned(),
            Self::Model(model) => format!("Striatum's broker does not let this session ask the model {model:?}"),
            Self::Reach(what) => format!("Striatum's broker does not let the provider reach other hosts for this session: {what}"),
            Self::TooLong(most) => format!("the request is longer than the {most} bytes that Striatum's broker reads"),
            Self::TooSlow => "the request did not reach Striatum's broker in time".to_owned(),
            Self::Requests(most) => format!("this session has made all of its {most} requests; end your work with what you have"),
            Self::Tokens(most) => format!("this session has used all of its {most} tokens; end your work with what you have"),
            Self::Crowd => "too many requests of this session are under way at Striatum's broker".to_owned(),
            Self::Credential => "Striatum has no credential for the model's host: a person must mend that".to_owned(),
            Self::NotLetIn => "the model's host does not accept the credential that Striatum has: a person must mend that".to_owned(),
            Self::Upstream(why) => format!("Striatum's broker got no answer from the model's host: {why}"),
            Self::UpstreamSlow => "the model's host did not answer Striatum's broker in time".to_owned(),
        }
    }

    /// As this provider would say it. The connection ends with it where the rest of the request was not read.
    pub(super) fn answer(&self, provider: Provider) -> Response<Full<Bytes>> {
        let (status, message) = (self.status(), self.sentence());
        let body = match provider {
            Provider::Anthropic => {
                let kind = match status {
                    StatusCode::UNAUTHORIZED => "authentication_error",
                    StatusCode::FORBIDDEN => "permission_error",
                    StatusCode::NOT_FOUND => "not_found_error",
                    StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
                    status if status.is_server_error() => "api_error",
                    _ => "invalid_request_error",
                };
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
            Provider::OpenAi => {
                let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
                json!({"error": {"message": message, "type": kind, "param": null, "code": self.code()}})
            }
            Provider::Gemini => {
                let code = match status {
                    StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
                    StatusCode::FORBIDDEN => "PERMISSION_DENIED",
                    StatusCode::NOT_FOUND => "NOT_FOUND",
                    StatusCode::GATEWAY_TIMEOUT => "DEADLINE_EXCEEDED",
                    status if status.is_server_error() => "UNAVAILABLE",
                    _ => "INVALID_ARGUMENT",
                };
                json!({"error": {"code": status.as_u16(), "message": message, "status": code}})
            }
        };
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if matches!(self, Self::TooLong(_) | Self::TooSlow | Self::Stranger | Self::Upgrade) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The stable name, for logs and for readers of errors.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Stranger => "broker_stranger",
            Self::Path => "broker_path",
            Self::Parameter => "broker_parameter",
            Self::Malformed(_) => "broker_malformed",
            Self::Upgrade => "broker_upgrade",
            Self::Model(_) => "broker_model",
            Self::Reach(_) => "broker_reach",
            Self::TooLong(_) => "broker_too_long",
            Self::TooSlow => "broker_too_slow",
            Self::Requests(_) => "broker_requests_spent",
            Self::Tokens(_) => "broker_tokens_spent",
            Self::Crowd => "broker_crowd",
            Self::Credential => "broker_no_credential",
            Self::NotLetIn => "broker_not_let_in",
            Self::Upstream(_) => "broker_upstream",
            Self::UpstreamSlow => "broker_upstream_slow",
        }
    }
}
