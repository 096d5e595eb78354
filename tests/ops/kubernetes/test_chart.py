"""The chart: linted and rendered by Helm for each file of values, held against Kubernetes's and the operators' schemas.

There is no cluster here: that objects are admitted and pods run is not tried.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from graph.core.settings import Settings
from ops.cli.main import build_parser
from ops.setup import deployment_secrets
from ops.setup.package_tools import KUBERNETES
from tests.ops.kubernetes.chart import (
    CHART,
    FILES,
    VARIANTS,
    Manifest,
    is_custom,
    judge_fields,
    judge_values,
    of_kind,
    pods,
    render,
    run,
    validator,
)

SETTINGS = {name.upper() for name in Settings.model_fields}
COMPONENTS = ("api", "flight", "worker", "migrate")
every_variant = pytest.mark.parametrize("variant", VARIANTS)
every_pod = pytest.mark.parametrize("component", COMPONENTS)


@pytest.mark.parametrize("name", ["plain", *FILES])
def test_helm_finds_nothing(name: str) -> None:
    done = run("lint", str(CHART), "--strict", "--quiet", *VARIANTS[name])
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_value_that_does_not_exist_is_refused() -> None:
    for wrong in ("worker.replica=3", "settings.log_level=DEBUG", "image.digest=latest", "api.autoscaling.min=0"):
        done = run("template", "karyaksham", str(CHART), "--set", wrong)
        assert done.returncode != 0, wrong
        assert "values don't meet the specifications of the schema" in done.stderr


@pytest.mark.parametrize("edition", KUBERNETES)
@every_variant
def test_kubernetes_would_take_it(variant: str, edition: str) -> None:
    for manifest in render(variant):
        if not is_custom(manifest):
            judge = validator(edition, manifest["kind"], manifest["apiVersion"])
            found = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in judge.iter_errors(manifest)]
            assert found == [], manifest["metadata"]["name"]


def test_the_schemas_of_kubernetes_can_find_something() -> None:
    manifest = copy.deepcopy(of_kind("plain", "Deployment")["karyaksham-api"])
    manifest["spec"]["template"]["spec"]["terminationGracePeriod"] = 30
    assert list(validator(KUBERNETES[-1], "Deployment", "apps/v1").iter_errors(manifest))


def test_the_operators_would_take_it(tmp_path: Path) -> None:
    manifests = [manifest for variant in VARIANTS for manifest in render(variant) if is_custom(manifest)]
    assert {each["kind"] for each in manifests} == {
        "ScaledObject",
        "TriggerAuthentication",
        "ExternalSecret",
        "SecretStore",
        "ServiceMonitor",
        "PrometheusRule",
    }
    assert [each for each in judge_values(manifests, tmp_path) if each] == []
    assert judge_fields(manifests, tmp_path) == ""
    # and they can find something: a value of the wrong type, a field that is none
    wrong, unknown = (copy.deepcopy(of_kind("plain", "ScaledObject")["karyaksham-worker"]) for _ in range(2))
    wrong["spec"]["maxReplicaCount"] = "many"
    unknown["spec"]["triggers"][0]["metrictype"] = "Value"
    (tmp_path / "wrong").mkdir()
    assert judge_values([wrong], tmp_path / "wrong") == ["data/spec/maxReplicaCount must be integer"]
    assert "'\"metrictype\"' does not exist in type" in judge_fields([unknown], tmp_path)


def test_the_rules_are_those_that_are_tested() -> None:
    (rule,) = of_kind("everything", "PrometheusRule").values()
    folder = CHART.parents[1] / "prometheus"
    wanted = [yaml.safe_load((folder / f"{name}.yaml").read_text())["groups"] for name in ("rules", "alerts")]
    assert rule["spec"]["groups"] == [*wanted[0], *wanted[1]]
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert of_kind("plain", "PrometheusRule") == {}


def test_keda_asks_as_a_role_that_can_only_count() -> None:
    (by_url,) = of_kind("plain", "TriggerAuthentication").values()
    assert [each["parameter"] for each in by_url["spec"]["secretTargetRef"]] == ["connection"]
    (by_place,) = of_kind("everything", "TriggerAuthentication").values()
    assert by_place["spec"]["secretTargetRef"] == [
        {"parameter": "password", "name": "karyaksham", "key": "scaler_password"}
    ]
    for trigger in of_kind("everything", "ScaledObject")["karyaksham-worker"]["spec"]["triggers"]:
        told = {"host": "db.example.com", "port": "5432", "dbName": "karyaksham", "userName": "karyaksham_scaler"}
        assert trigger["metadata"].items() >= (told | {"sslmode": "require"}).items()


@every_pod
@every_variant
def test_pods_are_restricted(variant: str, component: str) -> None:
    """What Kubernetes calls "restricted" (Pod Security Standards), with a root that nobody writes to."""
    pod = pods(variant)[component]["spec"]
    assert pod["automountServiceAccountToken"] is False
    for forbidden in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        assert forbidden not in pod
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["memory"]
    for volume in pod["volumes"]:
        assert len(volume) == 2
        assert set(volume) <= {"name", "emptyDir", "secret", "ephemeral"}
    written = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert written == {"/tmp", "/spill"} if component in {"worker", "flight"} else {"/tmp"}


@every_pod
@every_variant
def test_commands_and_settings_exist(variant: str, component: str) -> None:
    pod = pods(variant)[component]["spec"]
    (container,) = pod["containers"]
    assert build_parser().parse_args(container["args"]).command == component
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert len(environment) == len(container["env"]), "a variable that stands there twice"
    files = {name: value for name, value in environment.items() if name.endswith("_FILE") and name not in SETTINGS}
    assert set(environment) - set(files) <= SETTINGS
    Settings.model_validate({name.lower(): value for name, value in environment.items() if name not in files})
    (secrets,) = (each["secret"] for each in pod["volumes"] if each["name"] == "secrets")
    assert {name.removesuffix("_FILE") for name in files} <= SETTINGS
    assert {f"/run/secrets/karyaksham/{item['path']}" for item in secrets["items"]} == set(files.values())
    assert secrets["defaultMode"] == 0o440


def test_secrets_go_only_where_they_are_needed() -> None:
    keys = {
        component: {
            item["key"] for each in pod["spec"]["volumes"] if "secret" in each for item in each["secret"]["items"]
        }
        for component, pod in pods("everything").items()
    }
    having = {key: {component for component in keys if key in keys[component]} for key in set().union(*keys.values())}
    assert having["signing_key"] == {"api"}
    assert having["migration_database_url"] == {"migrate"}
    assert having["encryption_key"] == {"api", "worker"}
    assert having["verification_keys"] == {"flight"}
    assert having["admin_password"] == {"api"}
    assert having["oidc_client_secret"] == {"api"}
    # in the cloud, pods have a role instead of keys
    assert not any("s3_" in key for pod in pods("aws").values() for key in str(pod).split("'"))


def test_every_key_is_described_and_made(tmp_path: Path) -> None:
    deployment_secrets.make(tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    for variant in VARIANTS:
        for pod in pods(variant).values():
            for volume in pod["spec"]["volumes"]:
                for item in volume.get("secret", {}).get("items", []):
                    assert item["key"] in text, item
                    assert item["key"] in made or item["key"].startswith("previous_"), item
    assert "scaler_database_url" in text


@every_variant
def test_draining_ends_before_the_pod_is_killed(variant: str) -> None:
    pod = pods(variant)["worker"]["spec"]
    environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    drain = float(environment["WORKER_DRAIN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] - drain >= 15
    # nothing before SIGTERM takes from it
    assert "lifecycle" not in pod["containers"][0]
    # the notice that each cloud gives before a spot node goes
    notice = {"aws": 120, "gcp": 30, "azure": 30}.get(variant)
    if notice:
        assert pod["terminationGracePeriodSeconds"] <= notice
        assert pod["nodeSelector"]
        assert pod["tolerations"]


def test_a_port_that_is_asked_is_open() -> None:
    api, flight = (Settings.model_fields[name].default for name in ("api_port", "flight_port"))
    # who is probed at the last one
    ports = {"api": [api], "flight": [flight, 9100], "worker": [9100]}
    for component, numbers in ports.items():
        (container,) = pods("plain")[component]["spec"]["containers"]
        assert [port["containerPort"] for port in container["ports"]] == numbers
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == container["ports"][-1]["name"]
            assert container[probe]["httpGet"]["path"] in {"/healthz", "/readyz"}
        if component != "api":
            environment = {each["name"]: each["value"] for each in container["env"]}
            assert environment[f"{component.upper()}_METRICS_PORT"] == "9100"


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@every_variant
def test_what_selects_finds_its_pods(variant: str) -> None:
    labels = {component: pod["metadata"]["labels"] for component, pod in pods(variant).items()}
    for name, deployment in of_kind(variant, "Deployment").items():
        own = deployment["spec"]["template"]["metadata"]["labels"]
        assert matches(deployment["spec"]["selector"]["matchLabels"], own)
        budgets = [
            each
            for each in of_kind(variant, "PodDisruptionBudget").values()
            if matches(each["spec"]["selector"]["matchLabels"], own)
        ]
        assert [each["spec"]["maxUnavailable"] for each in budgets] == [1], name
    for name, service in of_kind(variant, "Service").items():
        found = [component for component in labels if matches(service["spec"]["selector"], labels[component])]
        assert found == ([] if name.endswith("-closed") else [name.rpartition("-")[2]])
        if found:
            (container,) = pods(variant)[found[0]]["spec"]["containers"]
            assert [each["targetPort"] for each in service["spec"]["ports"]] == [
                each["name"] for each in container["ports"]
            ]
    policies = [each["spec"] for each in of_kind(variant, "NetworkPolicy").values()]
    if variant != "fixed":
        for component in COMPONENTS:
            bound = [each for each in policies if matches(each["podSelector"]["matchLabels"], labels[component])]
            assert [each["policyTypes"] for each in bound] == [["Ingress", "Egress"]], component


@every_variant
def test_who_scales_has_something_to_scale(variant: str) -> None:
    deployments = of_kind(variant, "Deployment")
    scaled = [each["spec"]["scaleTargetRef"]["name"] for each in of_kind(variant, "HorizontalPodAutoscaler").values()]
    scaled += [each["spec"]["scaleTargetRef"]["name"] for each in of_kind(variant, "ScaledObject").values()]
    # who has an autoscaler has no number of his own: each upgrade would put it back
    assert sorted(scaled) == sorted(name for name, each in deployments.items() if "replicas" not in each["spec"])
    assert len(scaled) == (2 if variant == "fixed" else 3)


@every_variant
def test_routes_end_at_services(variant: str) -> None:
    services = of_kind(variant, "Service")
    ingresses = of_kind(variant, "Ingress")
    for ingress in ingresses.values():
        hosts = {host for each in ingress["spec"]["tls"] for host in each["hosts"]}
        for rule in ingress["spec"]["rules"]:
            assert rule["host"] in hosts
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert backend["port"]["name"] in {each["name"] for each in services[backend["name"]]["spec"]["ports"]}
    if ingresses:
        (rule,) = ingresses["karyaksham-http"]["spec"]["rules"]
        where = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
        assert where == {"/": "karyaksham-api", "/metrics": "karyaksham-closed", "/internal": "karyaksham-closed"}


def weight(manifest: Manifest) -> int | None:
    annotations = manifest["metadata"].get("annotations", {})
    if "helm.sh/hook" not in annotations:
        return None
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    return int(annotations["helm.sh/hook-weight"])


@every_variant
def test_migrations_run_first_and_need_nothing_that_is_not_there(variant: str) -> None:
    hooks = {(each["kind"], each["metadata"]["name"]): weight(each) for each in render(variant)}
    (job,) = of_kind(variant, "Job").values()
    own = weight(job)
    assert own is not None
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    for (kind, name), order in hooks.items():
        if order is not None and kind != "Job":
            assert order < own, (kind, name)
    for secret in of_kind(variant, "ExternalSecret").values():
        assert secret["spec"]["target"] | {"creationPolicy": "Orphan"} == secret["spec"]["target"]
        store = secret["spec"]["secretStoreRef"]
        before = weight(secret)
        assert before is not None
        if store["kind"] == "SecretStore":
            made = hooks["SecretStore", store["name"]]
            assert made is not None
            assert made < before
            provider: Any = of_kind(variant, "SecretStore")[store["name"]]["spec"]["provider"]
            accounts = re.findall(r"'serviceAccountRef': {'name': '([^']+)'}", str(provider))
            assert accounts == [store["name"]]
            account = hooks["ServiceAccount", store["name"]]
            assert account is not None
            assert account < made


def test_prometheus_knows_the_names() -> None:
    scraped = yaml.safe_load((CHART.parents[1] / "prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    names = {each["job_name"] for each in scraped["scrape_configs"]}
    found = set()
    for monitor in of_kind("onprem", "ServiceMonitor").values():
        (endpoint,) = monitor["spec"]["endpoints"]
        found |= {each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"}
        services = of_kind("onprem", "Service").values()
        (service,) = (
            each for each in services if matches(monitor["spec"]["selector"]["matchLabels"], each["metadata"]["labels"])
        )
        assert endpoint["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert found == names


def test_managers_of_secrets_are_those_that_are_promised() -> None:
    providers = {
        next(iter(store["spec"]["provider"])) for variant in FILES for store in of_kind(variant, "SecretStore").values()
    }
    assert providers == {"aws", "gcpsm", "azurekv", "vault"}
