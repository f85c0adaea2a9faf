use magpie::config::Config;
use magpie::{logging, server};
use std::process::ExitCode;

/// Keeps fragmentation low over weeks of values of all sizes, and can say what it holds.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let config = match Config::from_args(std::env::args_os()) {
        Ok(config) => config,
        // --help and --version too: prints, then exits with 2 for a mistake and 0 for these.
        Err(error) => error.exit(),
    };
    match logging::start(&config).and_then(|()| server::run(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("magpie: {error:#}");
            ExitCode::FAILURE
        }
    }
}
