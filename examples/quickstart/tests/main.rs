//! Tests of the program as a person runs it: the real binary, real git, real processes.

// The attribute lets clippy see that helpers are test code too.
#[cfg(test)]
mod acp;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod check;
#[cfg(test)]
mod checkout;
#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod egress;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod history;
#[cfg(test)]
mod inside;
#[cfg(test)]
mod interrupt;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod operate;
#[cfg(test)]
mod panel;
#[cfg(test)]
mod place;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod site;
#[cfg(test)]
mod together;
