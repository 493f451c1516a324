//! The program against stores that somebody has been at.

// The attribute lets clippy see that helpers are test code too.
#[cfg(test)]
mod audit;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod readable;
#[cfg(test)]
mod tamper;
