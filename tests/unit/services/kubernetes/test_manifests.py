"""The manifests for Kubernetes: each matches its schema, and its references exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from api.app import create_app
from api.resources.service.metrics import JobMetrics
from shared.jobs.task_queue import TaskQueue, celery_app, connect
from shared.runtime.settings import Settings
from tests.support.network import free_port
from tests.support.programs.processes import ROOT
from tests.unit.services.kubernetes.manifests import (
    ALL,
    ALWAYS,
    COMPONENT,
    COMPONENTS,
    DEPLOYMENTS,
    FOLDER,
    GATEWAY,
    KUSTOMIZATION,
    PODS,
    Manifest,
    component_of,
    container_of,
    kustomization,
    name_of,
    of_kind,
)
from tests.unit.services.kubernetes.schemas import CUSTOM

VERSIONS = ("1.30", "1.33", "1.37")  # of Kubernetes: the oldest and the newest in use, and one between
SCALED = of_kind("ScaledObject")
EVERY = [*ALL, *GATEWAY]
OF_KUBERNETES = [manifest for manifest in EVERY if manifest["kind"] not in CUSTOM]
OF_OTHERS = [manifest for manifest in EVERY if manifest["kind"] in CUSTOM]
SECRETS = {
    "glassbox-redis": {"redis-password"},
    "glassbox-keys": {"keys"},
    "glassbox-tls": {"tls.crt", "tls.key"},
    "glassbox-metrics-key": {"key"},
    "glassbox-webhooks": {"secrets"},
    "glassbox-object-store": {"credentials"},
}

each_manifest = pytest.mark.parametrize("manifest", OF_KUBERNETES, ids=name_of)
each_pod = pytest.mark.parametrize("pod", PODS, ids=component_of)


class TestSchemas:
    @each_manifest
    @pytest.mark.parametrize("version", VERSIONS)
    def test_each_manifest_matches_the_schema_of_kubernetes_without_unknown_fields(
        self, manifest: Manifest, version: str
    ) -> None:
        kubernetes_validate.validate(manifest, version, strict=True)

    @pytest.mark.parametrize("manifest", OF_OTHERS, ids=name_of)
    def test_each_custom_resource_has_only_the_fields_of_its_definition(self, manifest: Manifest) -> None:
        Draft202012Validator(CUSTOM[manifest["kind"]]).validate(manifest)

    @pytest.mark.parametrize("manifest", OF_OTHERS, ids=name_of)
    def test_a_wrong_field_of_a_custom_resource_is_found(self, manifest: Manifest) -> None:
        wrong = {**manifest, "spec": {**manifest["spec"], "host": "x"}}

        with pytest.raises(ValidationError):
            Draft202012Validator(CUSTOM[manifest["kind"]]).validate(wrong)

    def test_nothing_that_is_always_applied_needs_a_custom_resource(self) -> None:
        assert not {manifest["kind"] for manifest in ALWAYS} & CUSTOM.keys()

    @pytest.mark.parametrize("manifest", SCALED, ids=name_of)
    def test_the_autoscalers_behavior_in_a_scaled_object_matches_its_schema(self, manifest: Manifest) -> None:
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

    def test_a_wrong_field_is_found(self) -> None:
        wrong = {**DEPLOYMENTS[0], "spec": {**DEPLOYMENTS[0]["spec"], "replica": 2}}

        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


class TestReferences:
    def test_the_kustomizations_list_every_file_and_have_no_field_that_kustomize_rejects(self) -> None:
        assert KUSTOMIZATION.keys() == {
            *("apiVersion", "kind", "namespace", "labels", "resources", "components", "images", "configMapGenerator"),
        }
        assert KUSTOMIZATION["components"] == []
        listed = {FOLDER / "kustomization.yaml", *(FOLDER / file for file in KUSTOMIZATION["resources"])}
        for name in COMPONENTS:
            component = kustomization(FOLDER / name)
            assert component.keys() <= {"apiVersion", "kind", "resources", "components"}
            assert component["apiVersion"] == "kustomize.config.k8s.io/v1alpha1"
            assert component["kind"] == "Component"
            listed |= {FOLDER / name / file for file in ["kustomization.yaml", *component["resources"]]}
        assert listed | {FOLDER / "gateway-api" / "gateway.yaml"} == set(FOLDER.rglob("*.yaml"))

    def test_a_component_of_a_component_exists(self) -> None:
        for name in COMPONENTS:
            for inner in kustomization(FOLDER / name).get("components", []):
                component = kustomization((FOLDER / name / inner).resolve())
                assert component["kind"] == "Component"
                for generated in component["configMapGenerator"]:
                    assert all((FOLDER / name / inner / file).is_file() for file in generated["files"])

    def test_names_of_manifests_are_unique(self) -> None:
        assert len({name_of(manifest) for manifest in ALL}) == len(ALL)

    def test_each_image_is_one_that_the_kustomization_renames(self) -> None:
        images = {image["name"] for image in KUSTOMIZATION["images"]}

        assert {container_of(pod)["image"] for pod in PODS} == images

    @pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=name_of)
    def test_a_deployment_selects_its_own_pods(self, deployment: Manifest) -> None:
        wanted = deployment["spec"]["selector"]["matchLabels"].items()

        assert wanted <= deployment["spec"]["template"]["metadata"]["labels"].items()

    def test_every_selector_of_pods_selects_some(self) -> None:
        selectors: list[Manifest] = []
        for manifest in ALL:
            spec = manifest.get("spec", {})
            selectors += [spec["podSelector"]] if "podSelector" in spec else []
            selectors += [spec["selector"]] if manifest["kind"] == "PodDisruptionBudget" else []
            selectors += [{"matchLabels": spec["selector"]}] if manifest["kind"] == "Service" else []
        assert len(selectors) == 12
        for selector in selectors:
            wanted = selector.get("matchLabels", {}).items()
            assert any(wanted <= pod["metadata"]["labels"].items() for pod in PODS), selector

    @each_pod
    def test_each_mount_has_its_volume_and_each_volume_its_source(self, pod: Manifest) -> None:
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        claims = {each["metadata"]["name"] for each in ALWAYS if each["kind"] == "PersistentVolumeClaim"}

        assert {mount["name"] for mount in container_of(pod)["volumeMounts"]} == volumes.keys()
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "secret" in volume:
                assert volume["secret"]["secretName"] in SECRETS

    def test_every_secret_is_one_that_the_document_creates(self) -> None:
        page = (ROOT / "docs" / "deployment" / "scale-out.md").read_text()
        [monitor] = of_kind("ServiceMonitor")
        credentials = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
        [gateway] = of_kind("Gateway", GATEWAY)
        [ingress] = of_kind("Ingress")
        certificates = {each["name"] for each in gateway["spec"]["listeners"][0]["tls"]["certificateRefs"]}

        assert credentials["key"] in SECRETS[credentials["name"]]
        assert certificates == {ingress["spec"]["tls"][0]["secretName"]} <= SECRETS.keys()
        for secret, keys in SECRETS.items():
            assert f" {secret} " in page
            assert all(key in page for key in keys)

    def test_only_the_api_and_the_classifiers_can_read_the_credentials_of_the_object_store(self) -> None:
        readers = {
            component_of(pod): volume["secret"]["optional"]
            for pod in PODS
            for volume in pod["spec"]["volumes"]
            if volume.get("secret", {}).get("secretName") == "glassbox-object-store"
        }
        assert readers == {"api": True, "classifier": True}

    def test_only_the_courier_can_read_the_webhooks_secrets(self) -> None:
        readers = {
            component_of(pod)
            for pod in PODS
            for volume in pod["spec"]["volumes"]
            if volume.get("secret", {}).get("secretName") == "glassbox-webhooks"
        }
        dispatcher = container_of(next(pod for pod in PODS if component_of(pod) == "courier"))
        [file] = [Path(each["value"]) for each in dispatcher["env"] if each["name"] == "GLASSBOX_WEBHOOK_SECRETS_FILE"]

        assert readers == {"courier"}
        assert file.name in SECRETS["glassbox-webhooks"]
        assert str(file.parent) in {mount["mountPath"] for mount in dispatcher["volumeMounts"]}

    def test_the_claim_is_for_the_volume(self) -> None:
        [volume] = [each for each in ALWAYS if each["kind"] == "PersistentVolume"]
        [claim] = [each for each in ALWAYS if each["kind"] == "PersistentVolumeClaim"]

        assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
        assert claim["spec"]["accessModes"] == volume["spec"]["accessModes"] == ["ReadWriteMany"]
        assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"]

    def test_each_route_and_ingress_leads_to_a_port_of_the_api(self) -> None:
        [ingress] = of_kind("Ingress")
        [route] = of_kind("HTTPRoute")
        [monitor] = of_kind("ServiceMonitor")
        [service] = of_kind("Service")
        [port] = service["spec"]["ports"]
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]

        assert backend == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
        assert route["spec"]["rules"][0]["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]
        assert monitor["spec"]["endpoints"][0]["port"] == port["name"]
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        assert wanted <= service["metadata"]["labels"].items()
        api = next(pod for pod in PODS if component_of(pod) == "api")
        assert port["targetPort"] in {each["name"] for each in container_of(api)["ports"]}

    def test_the_route_belongs_to_a_listener_of_the_gateway_that_accepts_its_namespace(self) -> None:
        [route] = of_kind("HTTPRoute")
        [gateway] = of_kind("Gateway", GATEWAY)
        [redirect] = of_kind("HTTPRoute", GATEWAY)
        listeners = {listener["name"]: listener for listener in gateway["spec"]["listeners"]}
        [parent] = route["spec"]["parentRefs"]

        assert parent["name"] == gateway["metadata"]["name"]
        assert parent["namespace"] == gateway["metadata"]["namespace"]
        accepted = listeners[parent["sectionName"]]["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]
        assert accepted == {"kubernetes.io/metadata.name": KUSTOMIZATION["namespace"]}
        assert route["spec"]["hostnames"] == [listeners[parent["sectionName"]]["hostname"]]
        assert redirect["spec"]["parentRefs"] == [{"name": gateway["metadata"]["name"], "sectionName": "http"}]
        assert redirect["spec"]["hostnames"] == route["spec"]["hostnames"]

    def test_no_timeout_of_the_route_ends_an_upload_or_an_event_stream(self) -> None:
        [route] = of_kind("HTTPRoute")

        assert [rule["timeouts"] for rule in route["spec"]["rules"]] == [{"request": "0s", "backendRequest": "0s"}]

    def test_the_body_limits_of_proxies_are_those_of_the_api(self) -> None:
        [policy] = of_kind("ClientSettingsPolicy")
        [ingress] = of_kind("Ingress")
        [route] = of_kind("HTTPRoute")
        limits = {
            policy["spec"]["body"]["maxSize"],
            ingress["metadata"]["annotations"]["nginx.org/client-max-body-size"],
        }

        assert limits == {f"{Settings.model_fields['max_body_bytes'].default // 2**30}g"}
        assert policy["spec"]["targetRef"]["name"] == route["metadata"]["name"]

    def test_the_rules_are_those_of_prometheus(self) -> None:
        [rules] = of_kind("PrometheusRule")
        [monitor] = of_kind("ServiceMonitor")
        source = yaml.safe_load((ROOT / "services" / "prometheus" / "rules.yml").read_text())

        assert rules["spec"] == source, "run services/kubernetes/monitoring/make-rules.sh"
        assert monitor["metadata"]["labels"] == rules["metadata"]["labels"]

    def test_the_script_makes_the_committed_rules(self, tmp_path: Path) -> None:
        for file in ("kubernetes/monitoring/make-rules.sh", "prometheus/rules.yml"):
            (tmp_path / file).parent.mkdir(parents=True)
            shutil.copy(FOLDER.parent / file, tmp_path / file)

        subprocess.run([tmp_path / "kubernetes" / "monitoring" / "make-rules.sh"], check=True)

        made = (tmp_path / "kubernetes" / "monitoring" / "rules.yaml").read_text()
        assert made == (FOLDER / "monitoring" / "rules.yaml").read_text()

    def test_the_job_has_the_name_that_the_rules_select(self) -> None:
        [monitor] = of_kind("ServiceMonitor")
        [labels] = KUSTOMIZATION["labels"]
        [job] = yaml.safe_load((ROOT / "services" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]

        assert labels["pairs"][monitor["spec"]["jobLabel"]] == job["job_name"]

    def test_a_scaled_object_scales_a_deployment_that_leaves_the_number_to_it(self) -> None:
        deployments = {each["metadata"]["name"]: each for each in DEPLOYMENTS}

        for scaled in SCALED:
            assert "replicas" not in deployments[scaled["spec"]["scaleTargetRef"]["name"]]["spec"]

    def test_a_scaled_object_queries_a_metric_that_the_api_has(self, settings: Settings) -> None:
        with connect(settings) as redis:
            metrics = JobMetrics(redis, TaskQueue(celery_app(settings), redis)).collect()
            known = {(sample.name, *sample.labels.values()) for metric in metrics for sample in metric.samples}
        triggers = [trigger for scaled in SCALED for trigger in scaled["spec"]["triggers"]]
        queries = [trigger["metadata"]["query"] for trigger in triggers]

        for query in queries:
            queried = re.fullmatch(r'max\((\w+)\{queue="(\w+)"\}\)', query)
            assert queried
            assert queried.groups() in known


class TestPods:
    def test_every_setting_is_read_by_the_code(self) -> None:
        known = {f"GLASSBOX_{field.upper()}" for field in Settings.model_fields}
        [generated] = KUSTOMIZATION["configMapGenerator"]
        named = {literal.partition("=")[0] for literal in generated["literals"]}
        for pod in PODS:
            container = container_of(pod)
            assert container["envFrom"] == [{"configMapRef": {"name": generated["name"]}}]
            named |= {variable["name"] for variable in container.get("env", [])}

        assert named <= known

    def test_the_settings_have_valid_values(self, monkeypatch: pytest.MonkeyPatch) -> None:
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
    def test_a_pods_command_is_in_its_image(self, pod: Manifest) -> None:
        container = container_of(pod)
        dockerfile = (ROOT / "services" / container["image"].removeprefix("glassbox-") / "Dockerfile").read_text()
        if "exec" in container["readinessProbe"]:
            _, script, *_ = container["readinessProbe"]["exec"]["command"]
            assert (ROOT / script).is_file()
            assert script in dockerfile.split()
        if command := container.get("command"):
            assert command[:2] == ["python", "-m"]
            assert find_spec(f"{command[2]}.__main__")
        else:
            assert json.loads(dockerfile.rpartition("CMD ")[2])[0] == "gunicorn"

    @each_pod
    def test_a_pod_runs_and_checks_the_same_worker_as_compose(self, pod: Manifest) -> None:
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][component_of(pod)]
        container = container_of(pod)

        assert container.get("command") == compose.get("command")
        if component_of(pod) != "api":
            *check, _seconds = compose["healthcheck"]["test"][1:]  # Kubernetes starts each test itself
            assert container["readinessProbe"]["exec"]["command"] == check

    def test_no_probe_of_the_api_needs_redis(self, settings: Settings) -> None:
        without_redis = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{free_port()}/0"})
        client = create_app(without_redis).test_client()
        api = container_of(next(pod for pod in PODS if component_of(pod) == "api"))
        probes = [api[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]

        assert client.get("/readyz").status_code == 503
        assert {client.get(probe["path"]).status_code for probe in probes} == {200}
        assert {probe["port"] for probe in probes} == {"http"}

    @each_pod
    def test_no_probe_that_needs_redis_restarts_a_pod(self, pod: Manifest) -> None:
        container = container_of(pod)

        for probe in ("startupProbe", "livenessProbe"):
            assert container.get(probe, {}).keys().isdisjoint({"exec"})

    @each_pod
    def test_a_pod_has_no_privilege_and_can_write_only_to_mounts(self, pod: Manifest) -> None:
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
    def test_a_pod_runs_as_the_user_of_its_image(self, pod: Manifest) -> None:
        image = container_of(pod)["image"].removeprefix("glassbox-")
        user = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "services" / image / "Dockerfile").read_text(), re.MULTILINE)[
            -1
        ]
        security = pod["spec"]["securityContext"]

        assert (str(security["runAsUser"]), str(security["runAsGroup"])) == user

    @each_pod
    def test_a_pod_has_resource_requests_and_limits(self, pod: Manifest) -> None:
        resources = container_of(pod)["resources"]

        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}

    @each_pod
    def test_a_pod_gets_the_time_for_a_graceful_shutdown(self, pod: Manifest) -> None:
        longest = 45 if component_of(pod) == "api" else 60

        assert pod["spec"]["terminationGracePeriodSeconds"] >= longest

    def test_all_traffic_is_forbidden_unless_a_policy_allows_it(self) -> None:
        policies = [each["spec"] for each in of_kind("NetworkPolicy")]

        assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} in policies

    @pytest.mark.parametrize(
        "resolver", ["169.254.20.10", "10.96.0.10", "172.20.0.10", "192.168.0.10", "100.64.0.10", "fd00::a"]
    )
    def test_names_are_resolved_by_a_resolver_in_the_nodes_network(self, resolver: str) -> None:
        [policy] = [each for each in of_kind("NetworkPolicy") if each["metadata"]["name"] == "names"]
        [rule] = policy["spec"]["egress"]
        blocks = [ip_network(peer["ipBlock"]["cidr"]) for peer in rule["to"] if "ipBlock" in peer]

        assert any(ip_address(resolver) in block for block in blocks)
        assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
        assert not any(block.is_global for block in blocks)

    @each_pod
    def test_a_drain_of_nodes_ends_with_any_number_of_replicas(self, pod: Manifest) -> None:
        for budget in of_kind("PodDisruptionBudget"):
            if budget["spec"]["selector"]["matchLabels"][COMPONENT] == component_of(pod):
                assert budget["spec"]["maxUnavailable"] == 1
                assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
