//! What the embedded store promises beyond the port: crashes, several processes, damaged and foreign files.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod older;
#[cfg(test)]
mod openings;
#[cfg(test)]
mod places;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod semantics;
#[cfg(test)]
mod simulation;
