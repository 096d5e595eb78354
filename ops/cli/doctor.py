"""`karyaksham doctor`: what is wrong, and how to mend it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter

from ops.cli.findings import MARKS, Finding
from ops.local.datadir import DataDir, default_data_dir


def main(options: argparse.Namespace) -> int:
    """Look at everything; returns 1 when something fails, else 0."""
    _quiet()
    findings = asyncio.run(_findings(options))
    failed = any(finding.status == "fail" for finding in findings)
    if options.json:
        print(json.dumps({"ok": not failed, "findings": [finding.document() for finding in findings]}, indent=1))
    else:
        _print(findings)
    return 1 if failed else 0


async def _findings(options: argparse.Namespace) -> list[Finding]:
    from ops.cli.deployment import named
    from ops.cli.doctor_public import public_findings

    if options.url:
        return await public_findings(options.url.rstrip("/"), options.flight_url)
    from ops.cli.doctor_machine import machine_findings
    from ops.cli.doctor_service import service_findings
    from ops.cli.doctor_work import backups

    data = DataDir(options.data_dir or default_data_dir())
    findings = machine_findings(data, embedded=not named())
    findings += await service_findings(data)
    if options.backups:
        findings.append(backups(options.backups))
    return findings


def _quiet() -> None:
    """Keep the parts' own logs out of the findings."""
    import logging

    import structlog

    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        print(f"{MARKS[finding.status]} {finding.name:{width}}  {finding.message}")
        if finding.hint and finding.status in {"warn", "fail"}:
            print(f"  {'':{width}}  → {finding.hint}")
    counts = Counter(finding.status for finding in findings)
    print(f"\n{counts['ok']} in order, {counts['warn']} to look at, {counts['fail']} wrong.", file=sys.stderr)
