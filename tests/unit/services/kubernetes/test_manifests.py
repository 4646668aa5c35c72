"""The manifests for Kubernetes: each is what its schema says, and whatever one refers to is there."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from api.metrics import JobMetrics
from shared.broker import Outbox, celery_app, connect
from shared.settings import Settings
from tests.support.processes import ROOT

FOLDER = ROOT / "services" / "kubernetes"
VERSIONS = ("1.30", "1.33", "1.37")  # of Kubernetes: what is in use
COMPONENT = "app.kubernetes.io/component"

Manifest = dict[str, Any]

KUSTOMIZATION: Manifest = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

ALL: list[Manifest] = [
    document for file in KUSTOMIZATION["resources"] for document in yaml.safe_load_all((FOLDER / file).read_text())
]
SCALED = [manifest for manifest in ALL if manifest["kind"] == "ScaledObject"]
OF_KUBERNETES = [manifest for manifest in ALL if manifest not in SCALED]
DEPLOYMENTS = [manifest for manifest in ALL if manifest["kind"] == "Deployment"]
PODS: list[Manifest] = [deployment["spec"]["template"] for deployment in DEPLOYMENTS]
SECRETS = {"glassbox-redis": {"redis-password"}, "glassbox-keys": {"keys"}, "glassbox-tls": {"tls.crt", "tls.key"}}

# KEDA's own schema is in no package, so these are the fields that its documentation has, and that are used here.
SCALED_OBJECT: Manifest = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "keda.sh/v1alpha1"},
        "kind": {"const": "ScaledObject"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["scaleTargetRef", "triggers"],
            "properties": {
                "scaleTargetRef": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}},
                },
                "minReplicaCount": {"type": "integer", "minimum": 0},
                "maxReplicaCount": {"type": "integer", "minimum": 1},
                "pollingInterval": {"type": "integer", "minimum": 1},
                "fallback": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["failureThreshold", "replicas"],
                    "properties": {"failureThreshold": {"type": "integer"}, "replicas": {"type": "integer"}},
                },
                "advanced": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "horizontalPodAutoscalerConfig": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"behavior": {"type": "object"}},  # Kubernetes' own: checked as such below
                        }
                    },
                },
                "triggers": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["type", "metadata"],
                        "properties": {
                            "type": {"const": "prometheus"},
                            "metricType": {"enum": ["AverageValue", "Value"]},  # `Utilization` is for CPU and memory
                            "metadata": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["serverAddress", "query", "threshold"],
                                "properties": {
                                    "serverAddress": {"type": "string", "pattern": "^https?://"},
                                    "query": {"type": "string"},
                                    "threshold": {"type": "string", "pattern": r"^\d+(\.\d+)?$"},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def container_of(pod: Manifest) -> Manifest:
    [container] = pod["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def component_of(pod: Manifest) -> str:
    return str(pod["metadata"]["labels"][COMPONENT])


each_manifest = pytest.mark.parametrize("manifest", OF_KUBERNETES, ids=name_of)
each_pod = pytest.mark.parametrize("pod", PODS, ids=component_of)


class TestTheirForm:
    @each_manifest
    @pytest.mark.parametrize("version", VERSIONS)
    def test_each_is_what_kubernetes_takes_without_a_field_that_it_does_not_know(
        self, manifest: Manifest, version: str
    ) -> None:
        kubernetes_validate.validate(manifest, version, strict=True)

    @pytest.mark.parametrize("manifest", SCALED, ids=name_of)
    def test_each_scaled_object_is_what_keda_documents(self, manifest: Manifest) -> None:
        Draft202012Validator(SCALED_OBJECT).validate(manifest)

    @pytest.mark.parametrize("manifest", SCALED, ids=name_of)
    def test_what_a_scaled_object_says_to_kubernetes_is_what_that_takes(self, manifest: Manifest) -> None:
        spec = manifest["spec"]
        autoscaler = {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "x"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", **spec["scaleTargetRef"]},
                "minReplicas": spec["minReplicaCount"],
                "maxReplicas": spec["maxReplicaCount"],
                "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
            },
        }
        kubernetes_validate.validate(autoscaler, VERSIONS[-1], strict=True)

    def test_a_wrong_field_would_be_found(self) -> None:
        wrong = {**DEPLOYMENTS[0], "spec": {**DEPLOYMENTS[0]["spec"], "replica": 2}}

        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


class TestWhatTheyReferTo:
    def test_the_kustomization_lists_every_file_and_has_no_field_that_kustomize_does_not_know(self) -> None:
        assert KUSTOMIZATION.keys() == {
            *("apiVersion", "kind", "namespace", "labels", "resources", "images", "configMapGenerator"),
        }
        assert {*KUSTOMIZATION["resources"], "kustomization.yaml"} == {path.name for path in FOLDER.iterdir()}

    def test_no_two_have_one_name(self) -> None:
        assert len({name_of(manifest) for manifest in ALL}) == len(ALL)

    def test_each_image_is_one_that_the_kustomization_renames(self) -> None:
        images = {image["name"] for image in KUSTOMIZATION["images"]}

        assert {container_of(pod)["image"] for pod in PODS} == images

    @pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=name_of)
    def test_a_deployment_selects_its_own_pods(self, deployment: Manifest) -> None:
        wanted = deployment["spec"]["selector"]["matchLabels"].items()

        assert wanted <= deployment["spec"]["template"]["metadata"]["labels"].items()

    def test_whatever_selects_pods_selects_some(self) -> None:
        selectors: list[Manifest] = []
        for manifest in ALL:
            spec = manifest.get("spec", {})
            selectors += [spec["podSelector"]] if "podSelector" in spec else []
            selectors += [spec["selector"]] if manifest["kind"] == "PodDisruptionBudget" else []
            selectors += [{"matchLabels": spec["selector"]}] if manifest["kind"] == "Service" else []
        assert len(selectors) == 8
        for selector in selectors:
            wanted = selector.get("matchLabels", {}).items()
            assert any(wanted <= pod["metadata"]["labels"].items() for pod in PODS), selector

    @each_pod
    def test_each_mount_has_its_volume_and_each_volume_what_it_is_made_of(self, pod: Manifest) -> None:
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        claims = {each["metadata"]["name"] for each in ALL if each["kind"] == "PersistentVolumeClaim"}

        assert {mount["name"] for mount in container_of(pod)["volumeMounts"]} == volumes.keys()
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "secret" in volume:
                assert volume["secret"]["secretName"] in SECRETS

    def test_the_secrets_that_are_needed_are_those_that_the_document_makes(self) -> None:
        page = (ROOT / "docs" / "scale-out.md").read_text()

        for secret, keys in SECRETS.items():
            assert secret in page
            assert all(key in page for key in keys)

    def test_the_claim_is_for_the_volume(self) -> None:
        [volume] = [each for each in ALL if each["kind"] == "PersistentVolume"]
        [claim] = [each for each in ALL if each["kind"] == "PersistentVolumeClaim"]

        assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
        assert claim["spec"]["accessModes"] == volume["spec"]["accessModes"] == ["ReadWriteMany"]
        assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"]

    def test_the_ingress_leads_to_a_port_of_the_api(self) -> None:
        [ingress] = [each for each in ALL if each["kind"] == "Ingress"]
        [service] = [each for each in ALL if each["kind"] == "Service"]
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]

        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
        api = next(pod for pod in PODS if component_of(pod) == "api")
        ports = {port["name"] for port in container_of(api)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports

    def test_a_scaled_object_scales_a_deployment_that_leaves_the_number_to_it(self) -> None:
        deployments = {each["metadata"]["name"]: each for each in DEPLOYMENTS}

        for scaled in SCALED:
            assert "replicas" not in deployments[scaled["spec"]["scaleTargetRef"]["name"]]["spec"]

    def test_it_asks_for_a_metric_that_the_api_has(self, settings: Settings) -> None:
        with connect(settings) as redis:
            metrics = JobMetrics(redis, Outbox(celery_app(settings), redis)).collect()
            known = {(sample.name, *sample.labels.values()) for metric in metrics for sample in metric.samples}
        queries = [scaled["spec"]["triggers"][0]["metadata"]["query"] for scaled in SCALED]

        for query in queries:
            asked = re.fullmatch(r'max\((\w+)\{queue="(\w+)"\}\)', query)
            assert asked
            assert asked.groups() in known


class TestThePods:
    def test_every_setting_is_one_that_is_read(self) -> None:
        known = {f"GLASSBOX_{field.upper()}" for field in Settings.model_fields}
        [generated] = KUSTOMIZATION["configMapGenerator"]
        named = {literal.partition("=")[0] for literal in generated["literals"]}
        for pod in PODS:
            container = container_of(pod)
            assert container["envFrom"] == [{"configMapRef": {"name": generated["name"]}}]
            named |= {variable["name"] for variable in container.get("env", [])}

        assert named <= known

    def test_the_settings_are_values_that_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        api = container_of(PODS[0])
        literals = dict(literal.split("=", 1) for literal in KUSTOMIZATION["configMapGenerator"][0]["literals"])
        for name, value in {**literals, **{each["name"]: each["value"] for each in api["env"]}}.items():
            monkeypatch.setenv(name, value)

        settings = Settings()

        assert not settings.is_local
        assert settings.api_keys_file == Path("/etc/glassbox/keys")
        mounted = {mount["mountPath"] for mount in api["volumeMounts"]}
        assert {str(path.parent) for path in (settings.api_keys_file, settings.redis_password_file) if path} <= mounted
        assert str(settings.volume) in mounted

    @each_pod
    def test_what_it_runs_is_in_its_image(self, pod: Manifest) -> None:
        container = container_of(pod)
        dockerfile = (ROOT / "services" / container["image"].removeprefix("glassbox-") / "Dockerfile").read_text()
        probes = [container[probe]["exec"]["command"] for probe in ("startupProbe", "readinessProbe")]

        for command in probes:
            assert (ROOT / command[1]).is_file()
            assert command[1] in dockerfile.split()
        if command := container.get("command"):
            assert command[:2] == ["python", "-m"]
            assert find_spec(f"{command[2]}.__main__")
        else:
            assert json.loads(dockerfile.rpartition("CMD ")[2])[0] == "gunicorn"

    @each_pod
    def test_its_health_check_is_told_the_queue_that_compose_tells(self, pod: Manifest) -> None:
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][component_of(pod)]
        container = container_of(pod)

        assert container["readinessProbe"]["exec"]["command"] == compose["healthcheck"]["test"][1:]
        assert container.get("command") == compose.get("command")

    @each_pod
    def test_it_has_no_privilege_and_nothing_to_write_to_but_what_is_mounted(self, pod: Manifest) -> None:
        security = container_of(pod)["securityContext"]

        assert security == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False

    @each_pod
    def test_it_runs_as_the_user_of_its_image(self, pod: Manifest) -> None:
        image = container_of(pod)["image"].removeprefix("glassbox-")
        user = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "services" / image / "Dockerfile").read_text(), re.MULTILINE)[
            -1
        ]
        security = pod["spec"]["securityContext"]

        assert (str(security["runAsUser"]), str(security["runAsGroup"])) == user

    @each_pod
    def test_it_says_what_it_needs_and_what_it_may_take(self, pod: Manifest) -> None:
        resources = container_of(pod)["resources"]

        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}

    @each_pod
    def test_it_gets_the_time_to_end_in_order(self, pod: Manifest) -> None:
        longest = 45 if component_of(pod) == "api" else 60

        assert pod["spec"]["terminationGracePeriodSeconds"] >= longest

    def test_all_traffic_is_forbidden_but_for_what_a_policy_allows(self) -> None:
        policies = [each["spec"] for each in ALL if each["kind"] == "NetworkPolicy"]

        assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies
