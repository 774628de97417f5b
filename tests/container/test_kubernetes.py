"""The rendered manifests, field by field. scripts/lint-deploy.sh checks them against the API schemas."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion import errors
from tests.container.engine import REPOSITORY, command

KUBERNETES = REPOSITORY / "docker/kubernetes"
OVERLAYS = [KUBERNETES / "base", *sorted((KUBERNETES / "overlays").iterdir())]

Manifest = dict[str, Any]


def render(overlay: Path) -> list[Manifest]:
    kubectl = REPOSITORY / ".venv/bin/kubectl"
    result = command(str(kubectl if kubectl.exists() else "kubectl"), "kustomize", str(overlay))
    assert result.returncode == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


@pytest.fixture(scope="module", params=OVERLAYS, ids=lambda overlay: overlay.name)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(request.param)


def one(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [m for m in manifests if m["kind"] == kind]
    return found


def jobs(manifests: list[Manifest]) -> list[Manifest]:
    """Return the spec of every Job, including those of CronJobs."""
    return [
        m["spec"]["jobTemplate"]["spec"] if m["kind"] == "CronJob" else m["spec"]
        for m in manifests
        if m["kind"] in {"CronJob", "Job"}
    ]


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_the_schedule_has_a_time_zone_and_forbids_concurrent_runs(manifests: list[Manifest]) -> None:
    spec = one(manifests, "CronJob")["spec"]
    assert spec["timeZone"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] > 0


def test_retries_follow_the_exit_codes(manifests: list[Manifest]) -> None:
    for job in jobs(manifests):
        rules = job["podFailurePolicy"]["rules"]
        assert rules[0]["action"] == "Ignore"
        assert rules[0]["onPodConditions"][0]["type"] == "DisruptionTarget"
        ended = {code for rule in rules[1:] for code in rule["onExitCodes"]["values"]}
        assert ended == {
            errors.UsageError.exit_code,
            errors.BadDataError.exit_code,
            errors.ConfigurationError.exit_code,
        }
        retried = {errors.DatabaseUnavailableError.exit_code, errors.BusyError.exit_code}
        assert not ended & retried
        assert job["template"]["spec"]["restartPolicy"] == "Never", "podFailurePolicy needs it"
        assert job["activeDeadlineSeconds"] > 0
        assert job["backoffLimitPerIndex" if "completionMode" in job else "backoffLimit"] > 0


def test_pods_fit_the_restricted_pod_security_standard(manifests: list[Manifest]) -> None:
    for job in jobs(manifests):
        pod = job["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 10000
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_containers_have_resource_limits_and_a_termination_message(manifests: list[Manifest]) -> None:
    for job in jobs(manifests):
        for container in containers(job["template"]["spec"]):
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert container["resources"]["limits"].keys() >= {"memory", "ephemeral-storage"}
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_pods_have_no_token_and_accept_no_connections(manifests: list[Manifest]) -> None:
    assert one(manifests, "ServiceAccount")["automountServiceAccountToken"] is False
    policy = one(manifests, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not policy.get("ingress")
    labels = policy["podSelector"]["matchLabels"].items()
    for job in jobs(manifests):
        pod = job["template"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert labels <= pod["metadata"]["labels"].items(), "the network policy must select the pods"


def test_the_password_is_a_file_from_a_secret(manifests: list[Manifest]) -> None:
    secret = yaml.safe_load((KUBERNETES / "secret.example.yaml").read_text())
    assert not [m for m in manifests if m["kind"] == "Secret"], "a secret must not be in git"
    for job in jobs(manifests):
        pod = job["template"]["spec"]
        (volume,) = [v for v in pod["volumes"] if "secret" in v]
        assert volume["secret"]["secretName"] == secret["metadata"]["name"]
        for container in containers(pod):
            (variable,) = [e for e in container["env"] if e["name"] == "PGPASSWORD_FILE"]
            (mount,) = [m for m in container["volumeMounts"] if m["name"] == volume["name"]]
            (key,) = secret["stringData"]
            assert variable["value"] == f"{mount['mountPath']}/{key}"


def test_settings_come_from_the_rendered_config_map(manifests: list[Manifest]) -> None:
    name = one(manifests, "ConfigMap")["metadata"]["name"]
    for job in jobs(manifests):
        for container in containers(job["template"]["spec"]):
            alerts = {"secretRef": {"name": "wearables-alerts", "optional": True}}
            assert container["envFrom"] == [{"configMapRef": {"name": name}}, alerts]


def test_parallel_ingest_is_an_indexed_job() -> None:
    job = one(render(KUBERNETES / "overlays/parallel-ingest"), "Job")["spec"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == job["completions"] > 1
    assert job["template"]["spec"]["containers"][0]["args"] == ["ingest"]


def test_an_object_store_needs_no_volume() -> None:
    manifests = render(KUBERNETES / "overlays/object-store")
    assert not [m for m in manifests if m["kind"] == "PersistentVolumeClaim"]
    assert one(manifests, "ConfigMap")["data"]["PIPELINE_DATA_DIR"].startswith("s3://")
    (job,) = jobs(manifests)
    assert {volume["name"] for volume in job["template"]["spec"]["volumes"]} == {"database", "tmp"}
    ports = [port["port"] for rule in one(manifests, "NetworkPolicy")["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 5432, 443]


def test_production_has_a_restricted_namespace() -> None:
    manifests = render(KUBERNETES / "overlays/production")
    namespace = one(manifests, "Namespace")["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {m["metadata"]["namespace"] for m in manifests if m["kind"] != "Namespace"} == {namespace["name"]}
