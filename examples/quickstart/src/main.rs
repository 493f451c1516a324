//! The main job: a reviewed change on a real repository, in one command.

fn main() {}
