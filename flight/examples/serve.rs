//! The server without Python: `cargo run --release -p karyaksham-flight --example serve < config.json`.

use std::io::Read as _;
use std::process::ExitCode;

use karyaksham_flight::{Config, logging, serve};

fn main() -> ExitCode {
    logging::init("INFO");
    let mut json = String::new();
    let served = std::io::stdin()
        .read_to_string(&mut json)
        .map_err(|error| karyaksham_flight::Error::Config(error.to_string()))
        .and_then(|_| Config::from_json(&json))
        .and_then(|config| serve(&config));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
