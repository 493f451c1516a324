//! A receiver of signed requests.

use std::{fs, path::Path, sync::Arc};

use striatum::{
    notify::{NotifyError, Webhook},
    server::authority::SharedSecret,
};

use super::Told;
use crate::{args::Args, failure::Failure};

/// The receiver that the command line names, and its host.
pub(super) fn named(args: &Args) -> Result<Option<Told>, Failure> {
    let (Some(url), Some(file)) = (&args.notify_url, &args.notify_secret) else { return Ok(None) };
    let webhook = Webhook::new(url, secret(file)?).map_err(|error| unusable(&error))?;
    let receiver = webhook.receiver().to_owned();
    Ok(Some((Arc::new(webhook), receiver)))
}

/// The secret without the end of its line.
fn secret(file: &Path) -> Result<SharedSecret, Failure> {
    let secret = fs::read(file).map_err(|error| Failure::io("read the secret in", file, &error))?;
    match secret.trim_ascii() {
        [] => {
            let sentence = format!("there is no secret in {}", file.display());
            Err(Failure::new("notify_invalid", sentence, "write one into it that the receiver knows"))
        }
        secret => Ok(SharedSecret::new(secret)),
    }
}

fn unusable(error: &NotifyError) -> Failure {
    let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
    Failure::new("notify_invalid", format!("{error}{why}"), "give the address as https://host/path")
}
