//! The bot as a CI job runs it.

#[cfg(test)]
mod bot;
