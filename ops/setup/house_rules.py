"""House rules that no linter knows: `python -m ops.setup.house_rules`.

Each rule yields `path:line: message`; any finding ends the run with exit code 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Soft limits of CONTRIBUTING.md; past them a file probably has a second purpose. A generated file has no reader.
LIMITS = {".py": 400, ".rs": 500, ".ts": 250, ".tsx": 250}
GENERATED = re.compile(r"(^web/src/gql/|^graph/pipelines/spec_inputs\.py$|\.gen\.ts$)")
TOP_LEVEL = {"graph", "flight", "workers", "engine", "web", "ops", "tests", "docs"}

# Who may depend on whom inside the Cargo workspace (design: spec ← engine ← flight ← bindings).
CRATES = {
    "engine/spec": set[str](),
    "engine": {"karyaksham-spec"},
    "flight": {"karyaksham-spec", "karyaksham-engine"},
    "engine/bindings": {"karyaksham-spec", "karyaksham-engine", "karyaksham-flight"},
}


def tracked() -> list[str]:
    """Return the paths that git tracks, relative to the root."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def top_level_folders(paths: list[str]) -> Iterator[str]:
    """Code lives in exactly the seven top-level folders; `docs` holds documents."""
    for folder in sorted({path.split("/", 1)[0] for path in paths if "/" in path}):
        if folder not in TOP_LEVEL and not folder.startswith("."):
            yield f"{folder}/: not one of the top-level folders ({', '.join(sorted(TOP_LEVEL))})"


def file_lengths(paths: list[str]) -> Iterator[str]:
    """A file past its soft limit needs splitting, or a reason in docs/house-rules-exceptions.txt."""
    exceptions = (ROOT / "docs/house-rules-exceptions.txt").read_text(encoding="utf-8")
    for path in paths:
        limit = LIMITS.get(Path(path).suffix)
        if limit is None or GENERATED.search(path) or path in exceptions:
            continue
        lines = (ROOT / path).read_text(encoding="utf-8").count("\n")
        if lines > limit:
            yield f"{path}:{limit}: {lines} lines, the soft limit is {limit}: is there a second purpose inside?"


def crate_dependencies(_: list[str]) -> Iterator[str]:
    """The crates depend on each other in one direction, and only the bindings know Python."""
    for folder, allowed in CRATES.items():
        manifest = tomllib.loads((ROOT / folder / "Cargo.toml").read_text(encoding="utf-8"))
        dependencies = set(manifest.get("dependencies", {})) | set(manifest.get("build-dependencies", {}))
        for name in sorted(dependencies):
            if name.startswith("karyaksham-") and name not in allowed:
                yield f"{folder}/Cargo.toml: {name} points against the dependency direction"
            if name == "pyo3" and folder != "engine/bindings":
                yield f"{folder}/Cargo.toml: pyo3 belongs to engine/bindings alone"


def queries_only_in_repositories(paths: list[str]) -> Iterator[str]:
    """Only repositories (and core's own tables) build SQL."""
    statement = re.compile(r"\b(select|insert|update|delete|text)\(|\.execute\(|\.scalars?\(")
    importing = re.compile(r"^from sqlalchemy(\.\S+)? import .*\b(select|insert|update|delete|text)\b", re.MULTILINE)
    for path in paths:
        if not re.match(r"(graph/(?!core/|models/|migrations/)|workers/)", path) or not path.endswith(".py"):
            continue
        if re.search(r"(^|/)(\w*repository\w*|\w*queries)\.py$", path) or "/repository/" in path:
            continue
        source = (ROOT / path).read_text(encoding="utf-8")
        if importing.search(source):
            for number, line in enumerate(source.splitlines(), 1):
                if statement.search(line):
                    yield f"{path}:{number}: a query outside a repository"


RULES: list[Callable[[list[str]], Iterator[str]]] = [
    top_level_folders,
    file_lengths,
    crate_dependencies,
    queries_only_in_repositories,
]


def main() -> int:
    """Run every rule; print findings; return the exit code."""
    paths = tracked()
    findings = [finding for rule in RULES for finding in rule(paths)]
    sys.stderr.writelines(f"{finding}\n" for finding in findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
