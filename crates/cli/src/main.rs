//! `vouchsafe`: serve an app, check it, prove its page.

mod app;
mod attest;
mod client;
mod command;
mod desk;
mod keys;
mod operator;
mod prove;
mod screen;
mod watch;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes: 0 done, 1 a verdict or an act failed, 2 bad input or settings.
fn main() -> std::process::ExitCode {
    command::Cli::parse().run()
}
