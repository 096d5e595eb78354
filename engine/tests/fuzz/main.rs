//! Fuzzing with what a stable toolchain has: inputs are mutated and kept when a target behaves in a new way.
//!
//! `cargo test` runs the corpus and some hundred mutations with a fixed seed. `make fuzz SECONDS=600` runs each target for
//! its share of the time, from a seed that it prints (`SEED=n` repeats it). A finding is shortened and written to the folder
//! `findings` beside the corpus; once mended, move it to the corpus. `KEEP=1` adds inputs of new behaviour to the corpus.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; helpers of tests are no tests to clippy")]
#![allow(clippy::pedantic, reason = "oracles are to be read beside the rules, not to be tidy")]

mod csv;
mod files;
mod json;
mod mutate;
#[path = "../oracle/ndjson.rs"]
mod oracle;
mod spec;

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use mutate::{Rng, mutate};

/// What a target made of an input: inputs that differ in it are kept.
pub type Behaviour = u64;

/// A target: panics on a finding.
struct Target {
    name: &'static str,
    run: fn(&[u8]) -> Behaviour,
    seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces of text that mutations put in.
    words: &'static [&'static [u8]],
    /// Mutations in the short run.
    short: u64,
}

const TARGETS: [Target; 5] = [
    Target { name: "csv", run: csv::run, seeds: csv::seeds, words: csv::WORDS, short: 3000 },
    Target { name: "json", run: json::run, seeds: json::seeds, words: json::WORDS, short: 6000 },
    Target { name: "spec", run: spec::run, seeds: spec::seeds, words: spec::WORDS, short: 1500 },
    Target { name: "text", run: files::text, seeds: files::text_seeds, words: csv::WORDS, short: 100 },
    Target { name: "binary", run: files::binary, seeds: files::binary_seeds, words: &[], short: 60 },
];

/// An input that takes longer is a finding: time must not grow out of bounds either.
const SLOW: Duration = Duration::from_secs(30);

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Panics of targets are told once, at the end.
fn quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    QUIET.set(true);
}

/// What happened, or why it is a finding.
fn attempt(target: &Target, input: &[u8]) -> Result<Behaviour, String> {
    let started = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let behaviour = result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })?;
    if started.elapsed() > SLOW { Err(format!("took {:?}", started.elapsed())) } else { Ok(behaviour) }
}

/// The shortest input that is still a finding, found by leaving out pieces.
fn shorten(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let until = Instant::now() + Duration::from_secs(20);
    let mut piece = input.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() && Instant::now() < until {
            let mut shorter = input.clone();
            shorter.drain(at..(at + piece).min(input.len()));
            if attempt(target, &shorter).is_err() { input = shorter } else { at += piece }
        }
        piece /= 2;
    }
    input
}

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind).join(target)
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn write(kind: &str, target: &str, input: &[u8]) -> PathBuf {
    let folder = folder(kind, target);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:016x}", mutate::hash(input)));
    std::fs::write(&path, input).unwrap();
    path
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let setting = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let seconds = setting("FUZZ_SECONDS").map(|text| text.parse::<u64>().unwrap() / TARGETS.len() as u64);
    let clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.subsec_nanos().into());
    let seed =
        setting("FUZZ_SEED").map_or_else(|| if seconds.is_some() { clock() } else { 1 }, |text| text.parse().unwrap());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let keep = setting("FUZZ_KEEP").is_some();
    quiet();
    let mut pool: Vec<Vec<u8>> = (target.seeds)();
    pool.extend(files(&folder("corpus", name)));
    let mut known: HashSet<Behaviour> = HashSet::new();
    let mut findings: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut found = |input: &[u8], what: String| {
        // One finding of a kind is enough: digits and quoted parts make no new kind.
        let kind: String = what.chars().filter(|c| !c.is_ascii_digit()).take(60).collect();
        findings.entry(kind).or_insert_with(|| {
            let path = write("findings", name, &shorten(target, input.to_vec()));
            println!("{name}: a finding, in {}: {what}", path.display());
            path
        });
    };
    for input in &pool {
        match attempt(target, input) {
            Ok(behaviour) => drop(known.insert(behaviour)),
            Err(what) => found(input, what),
        }
    }
    let mut rng = Rng::new(seed);
    let mut runs = 0;
    while until.map_or(runs < target.short, |until| Instant::now() < until) {
        let input = mutate(&mut rng, &pool, target.words);
        runs += 1;
        match attempt(target, &input) {
            Ok(behaviour) => {
                if known.insert(behaviour) && pool.len() < 20_000 {
                    if keep {
                        write("corpus", name, &input);
                    }
                    pool.push(input);
                }
            }
            Err(what) => found(&input, what),
        }
    }
    QUIET.set(false);
    println!("{name}: seed {seed}, {runs} mutations, {} behaviours, {} findings", known.len(), findings.len());
    assert!(findings.is_empty(), "{name}: seed {seed}: {findings:#?}");
}

#[test]
fn csv() {
    fuzz("csv");
}

#[test]
fn json() {
    fuzz("json");
}

#[test]
fn spec() {
    fuzz("spec");
}

#[test]
fn text() {
    fuzz("text");
}

#[test]
fn binary() {
    fuzz("binary");
}
