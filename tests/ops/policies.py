"""`python -m tests.ops.policies`: checkov over the chart in all its variants, the Dockerfile and the workflows.

Not part of `make test`: checkov brings ninety packages of its own, which uv installs apart from ours. A finding without
a reason below fails, and so does a reason that nothing is found for any more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from tests.ops.kubernetes.chart import ROOT, VARIANTS, render

CHECKOV: Final = "checkov==3.3.30"
FRAMEWORKS: Final = ("kubernetes", "dockerfile", "github_actions")
REASONS: Final = {
    "CKV_K8S_11": "a CPU limit throttles where the node has time to spare; requests share it fairly",
    "CKV_K8S_15": "images are named by version or digest, which do not change: a node needs to fetch them once",
    "CKV_K8S_21": "the namespace is given at deployment (helm --namespace)",
    "CKV_K8S_43": "the digest is given at deployment (image.digest), as the release workflow does",
    "CKV_DOCKER_2": "one image for three parts: the command decides what health is, and Compose and the chart ask it",
}


def _findings(folder: Path) -> dict[str, set[str]]:
    """Which checks fail, and for what; ends the process when nothing was checked."""
    flags = [flag for framework in FRAMEWORKS for flag in ("--framework", framework)]
    command = ["uv", "tool", "run", "--from", CHECKOV, "checkov", "--skip-download", "--compact", "--output", "json"]
    done = subprocess.run([*command, *flags, "--directory", str(folder)], capture_output=True, text=True, check=False)
    try:
        answer: Any = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"checkov gave no answer:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    reports = answer if isinstance(answer, list) else [answer]
    checked = {report["check_type"]: report["summary"]["passed"] for report in reports}
    if missing := [framework for framework in FRAMEWORKS if not checked.get(framework)]:
        sys.exit(f"checkov found nothing to look at for {', '.join(missing)}")
    found: dict[str, set[str]] = {}
    for report in reports:
        for each in report["results"]["failed_checks"]:
            found.setdefault(f"{each['check_id']} {each['check_name']}", set()).add(each["resource"])
    return found


def main() -> None:
    """Check, and say what is amiss; the exit status is 1 if anything is."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for variant in VARIANTS:
            documents = yaml.safe_dump_all(render(variant))
            (folder / f"{variant}.yaml").write_text(documents, encoding="utf-8")
        (folder / "Dockerfile").write_bytes((ROOT / "ops/docker/Dockerfile").read_bytes())
        workflows = folder / ".github/workflows"
        workflows.mkdir(parents=True)
        for path in (ROOT / ".github/workflows").glob("*.yaml"):
            (workflows / path.name).write_bytes(path.read_bytes())
        found = _findings(folder)
    explained = {check.split()[0] for check in found} & REASONS.keys()
    amiss = [
        f"{check}: {', '.join(sorted(where))}" for check, where in found.items() if check.split()[0] not in REASONS
    ]
    amiss += [f"{check} is found no more: take its reason out" for check in REASONS.keys() - explained]
    print("\n".join([*amiss, f"checkov: {len(amiss)} unexplained, {len(explained)} kinds of findings explained"]))
    sys.exit(1 if amiss else 0)


if __name__ == "__main__":
    main()
