//! Tests of the program as a person runs it: the real binary, real git, real processes.

mod crash;
mod history;
mod main_job;
mod place;
