//! Writes `engine/spec/pipeline.schema.json`: `cargo run --release -p karyaksham-spec --example write_schema`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline.schema.json");
    std::fs::write(path, karyaksham_spec::schema_json())
}
