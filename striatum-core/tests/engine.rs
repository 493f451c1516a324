//! The engine over a store in memory.

mod commands;
mod damage;
mod faulty;
mod index;
mod races;
mod table;
mod time;
