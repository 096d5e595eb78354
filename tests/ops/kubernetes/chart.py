"""The chart, rendered by Helm itself, and what else is known of what it renders."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from ops.setup.package_tools import content, helm, node_modules

ROOT = Path(__file__).parents[3]
CHART = ROOT / "ops/helm/karyaksham"
# each file of values, and a change of values for what none of them turns on
FILES = {path.stem: path for path in sorted((CHART / "values").glob("*.yaml"))}
VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    **{name: ("--values", str(path)) for name, path in FILES.items()},
    "everything": (
        *(
            "--set",
            "worker.autoscaling.min=2",
            "--set",
            "monitoring.enabled=true",
            "--set",
            "monitoring.rules.enabled=true,monitoring.rules.labels.release=prometheus",
            "--set",
            "worker.autoscaling.database.host=db.example.com",
            "--set",
            "secrets.previousKeys=true",
        ),
        *("--set", "secrets.adminPassword=true", "--set", "secrets.external.enabled=true"),
        *("--set", "secrets.oidcClientSecret=true", "--set", "settings.OIDC_ISSUER=https://id.example.com"),
        *("--set", "settings.OIDC_CLIENT_ID=karyaksham"),
        *("--set", "secrets.external.store.name=vault", "--set", f"image.digest=sha256:{'0' * 64}"),
    ),
    "fixed": (
        *("--set", "worker.autoscaling.enabled=false", "--set", "networkPolicy.enabled=false"),
        *("--set", "ingress.enabled=false", "--set", "settings.LOG_LEVEL=DEBUG"),
    ),
}
Manifest = dict[str, Any]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm(), *arguments], capture_output=True, text=True, check=False)


@cache
def render(variant: str) -> list[Manifest]:
    done = run("template", "karyaksham", str(CHART), "--namespace", "karyaksham", *VARIANTS[variant])
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(variant: str, kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in render(variant) if each["kind"] == kind}


def pods(variant: str) -> dict[str, Manifest]:
    """Pod templates by component."""
    owners = [each for each in render(variant) if each["kind"] in {"Deployment", "Job"}]
    return {
        each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]
        for each in owners
    }


@cache
def definitions(path: Path) -> Resource[Any]:
    return Resource.from_contents(json.loads(path.read_text(encoding="utf-8")), DRAFT202012)


@cache
def validator(edition: str, manifest_kind: str, version: str) -> Validator:
    """What Kubernetes itself says of one kind, unknown fields forbidden."""
    folder = content("kubernetes") / edition
    name = "-".join([manifest_kind.lower(), *version.replace(".k8s.io", "").split("/")])
    registry: Registry[Any] = Registry(retrieve=lambda uri: definitions(folder / uri.rpartition("/")[2]))
    schema = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return validator_for(schema)(schema, registry=registry)


CUSTOM = {
    ("keda.sh/v1alpha1", "ScaledObject"): "@kubernetes-models/keda/keda.sh/v1alpha1",
    ("keda.sh/v1alpha1", "TriggerAuthentication"): "@kubernetes-models/keda/keda.sh/v1alpha1",
    ("external-secrets.io/v1", "ExternalSecret"): "@kubernetes-models/external-secrets/external-secrets.io/v1",
    ("external-secrets.io/v1", "SecretStore"): "@kubernetes-models/external-secrets/external-secrets.io/v1",
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
}


def is_custom(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) in CUSTOM


def judge_values(manifests: list[Manifest], folder: Path) -> list[str | None]:
    """What the validators of KEDA, External Secrets and the Prometheus operator find in each."""
    program = folder / "judge.mjs"
    (folder / "node_modules").symlink_to(node_modules() / "node_modules")
    program.write_text(
        "const found = [];\n"
        "for (const [kind, from, manifest] of JSON.parse(process.argv[2])) {\n"
        "  const model = (await import(from))[kind];\n"
        "  try { new model(manifest).validate(); found.push(null); } catch (error) { found.push(error.message); }\n"
        "}\n"
        "console.log(JSON.stringify(found));\n"
    )
    known = [(each["kind"], CUSTOM[each["apiVersion"], each["kind"]], each) for each in manifests]
    done = subprocess.run(["node", str(program), json.dumps(known)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdicts: list[str | None] = json.loads(done.stdout)
    return verdicts


def judge_fields(manifests: list[Manifest], folder: Path) -> str:
    """What TypeScript says of them as literals of those projects' types: it forbids fields that are unknown."""
    lines = []
    for number, each in enumerate(manifests):
        kind = each["kind"]
        lines.append(f'import type {{ I{kind} as T{number} }} from "{CUSTOM[each["apiVersion"], kind]}";')
        lines.append(f"export const m{number}: T{number} = {json.dumps(each)};")
    (folder / "manifests.ts").write_text("\n".join(lines), encoding="utf-8")
    options = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", "")
    program = ROOT / "web/node_modules/.bin/tsc"
    command = [str(program), *options, "manifests.ts"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
