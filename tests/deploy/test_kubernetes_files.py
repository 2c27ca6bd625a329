"""The Kubernetes files as built by kustomize: they are valid, and refer to things that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject

from aggregator.__main__ import IN_FLIGHT as AGGREGATIONS
from platelane.bus import topology
from platelane.runtime.settings import Settings
from platelane.webhooks import queue

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy" / "kubernetes"
COMPONENTS: Final = ("keda", "triton-scaling", "ingress", "alerts")
OPERATORS: Final = frozenset({"PodMonitor", "PrometheusRule"})
"""Kinds of the Prometheus Operator; no schema of theirs is installed."""
KUBERNETES: Final = "1.33"
SERVICES: Final = {
    "gateway": "gateway",
    "detector": "detector",
    "ocr": "ocr",
    "attributes": "attributes",
    "aggregator": "aggregator",
    "webhook-svc": "webhook_svc",
    "reads": "reads",
}
LONGEST_ENGINE_BUILD: Final = 15 * 60
"""Seconds that the compose file gives Triton for its first start."""

Manifest = dict[str, Any]


def kustomize(folder: Path) -> list[Manifest]:
    """The manifests of a folder, or a skip where there is no kustomize."""
    command = next(filter(None, (shutil.which("kustomize"), shutil.which("kubectl"))), None)
    if command is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    verb = "build" if command.endswith("kustomize") else "kustomize"
    built = subprocess.run([command, verb, folder], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return [manifest for manifest in yaml.safe_load_all(built.stdout) if manifest]


@cache
def overlay(name: str) -> list[Manifest]:
    return kustomize(FOLDER / "overlays" / name)


def shown() -> dict[str, Any]:
    """The overlay of somebody's own that the README shows."""
    [text] = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    kustomization: dict[str, Any] = yaml.safe_load(text)
    return kustomization


def rendered(kustomization: dict[str, Any], folder: Path) -> list[Manifest]:
    """The manifests of an overlay at the place that the README names."""
    shutil.copytree(FOLDER, folder / "kubernetes")
    [(name, place)] = re.findall(
        r"`(\S+)` in a new folder `deploy/kubernetes/(\S+)`", (FOLDER / "README.md").read_text()
    )
    own = folder / "kubernetes" / place / name
    own.parent.mkdir()
    own.write_text(yaml.safe_dump(kustomization))
    return kustomize(own.parent)


def everything(folder: Path) -> list[Manifest]:
    """The README's overlay, with the components that it leaves out."""
    kustomization = shown()
    assert kustomization["resources"] == ["../overlays/gpu"], "with the component keda"
    kustomization["components"] = [f"../components/{name}" for name in COMPONENTS if name != "keda"]
    return rendered(kustomization, folder)


@pytest.fixture(params=["cpu", "gpu"])
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return overlay(request.param)


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    return of_kind(manifests, "Deployment") | of_kind(manifests, "StatefulSet")


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Whatever runs, what ends by itself included."""
    return workloads(manifests) | of_kind(manifests, "Job")


def pod(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Manifest) -> Manifest:
    [only] = pod(workload)["containers"]
    assert isinstance(only, dict)
    return only


def labels(workload: Manifest) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def environment(manifests: list[Manifest], workload: Manifest) -> dict[str, str]:
    """Names and values that a service gets, those of a Secret without their values."""
    shared = of_kind(manifests, "ConfigMap")
    found: dict[str, str] = {}
    for source in container(workload).get("envFrom", []):
        found |= shared[source["configMapRef"]["name"]]["data"]
    return found | {entry["name"]: entry.get("value", "") for entry in container(workload).get("env", [])}


def configured(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings as the services read them."""
    for name, value in environment(manifests, workloads(manifests)["gateway"]).items():
        monkeypatch.setenv(name, value)
    return Settings()


def ports(workload: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(workload).get("ports", [])}


def scalers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Each scaled workload's name, its scaler and each of its triggers."""
    for name, scaler in of_kind(manifests, "ScaledObject").items():
        for trigger in scaler["spec"]["triggers"]:
            yield name, scaler["spec"], trigger


def gigabytes(quantity: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(GB|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * (1e9 if unit == "GB" else 2**30)


def test_all_manifests_fit_the_schemas(tmp_path: Path) -> None:
    for manifest in [*everything(tmp_path), *overlay("cpu")]:
        if manifest["kind"] == "ScaledObject":
            again = ScaledObject.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_none=True)
            assert again == manifest, "a field that KEDA does not know is left out"
        elif manifest["kind"] not in OPERATORS:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_an_overlay_of_ones_own_changes_images_and_settings(tmp_path: Path) -> None:
    manifests = everything(tmp_path)
    deployments = of_kind(manifests, "Deployment").values()
    assert {container(deployment)["image"] for deployment in deployments} == {"registry.example.com/platelane:1"}
    [models] = pod(workloads(manifests)["triton"])["initContainers"]
    assert models["image"] == "registry.example.com/platelane-models:1"
    for deployment in deployments:
        given = environment(manifests, deployment)
        assert (given["PLATELANE_RESULTS_DAYS"], given["PLATELANE_NATS_REPLICAS"]) == ("30", "3")


def test_the_readmes_overlay_has_an_image_for_each_that_is_built_and_no_host_of_an_example() -> None:
    readme = (FOLDER / "README.md").read_text()
    built = re.findall(r"^docker build .*--tag (\S+?):(\S+)", readme, re.MULTILINE)
    given = {each["name"]: (each["newName"], each["newTag"]) for each in shown()["images"]}
    assert sorted(given.values()) == sorted(built)
    overlay = yaml.safe_load((FOLDER / "overlays" / "cpu" / "kustomization.yaml").read_text())
    assert {each["newName"] for each in overlay["images"]} <= set(given)
    assert "components" not in shown(), "an ingress needs host names of one's own"


def test_the_readmes_overlay_without_gpus_takes_triton_from_the_same_registry(tmp_path: Path) -> None:
    manifests = rendered(shown() | {"resources": ["../overlays/cpu"]}, tmp_path)
    [triton] = pod(workloads(manifests)["triton"])["containers"]
    assert triton["image"] == "registry.example.com/platelane-triton-cpu:1"
    assert not of_kind(manifests, "Ingress")


def test_the_namespace_takes_only_restricted_pods_and_everything_is_in_it(manifests: list[Manifest]) -> None:
    [namespace] = of_kind(manifests, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    name = namespace["metadata"]["name"]
    assert {manifest["metadata"].get("namespace", name) for manifest in manifests} == {name}


def test_containers_have_no_privileges_and_bounded_memory(manifests: list[Manifest]) -> None:
    for workload in pods(manifests).values():
        assert pod(workload)["automountServiceAccountToken"] is False
        assert pod(workload)["securityContext"]["runAsNonRoot"] is True
        assert pod(workload)["securityContext"]["runAsUser"] > 0
        assert pod(workload)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in [*pod(workload)["containers"], *pod(workload).get("initContainers", [])]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["resources"]["limits"]["memory"]
            assert {"cpu", "memory"} == set(each["resources"]["requests"])


def test_every_service_runs_its_package_from_one_image(manifests: list[Manifest]) -> None:
    deployments = of_kind(manifests, "Deployment")
    assert set(deployments) == set(SERVICES)
    for name, package in SERVICES.items():
        assert container(deployments[name])["command"] == ["python", "-m", package]
        assert (ROOT / package / "__main__.py").is_file()
    assert {container(deployment)["image"] for deployment in deployments.values()} == {"platelane:latest"}


def test_a_job_makes_the_topology_with_the_settings_of_the_services(manifests: list[Manifest]) -> None:
    job, gateway = of_kind(manifests, "Job")["topology"], workloads(manifests)["gateway"]
    assert container(job)["command"][:3] == ["platelane", "topology", "apply"]
    assert container(job)["image"] == container(gateway)["image"]
    assert environment(manifests, job) == environment(manifests, gateway)


def test_images_are_those_that_are_made_and_tried() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for name in ("cpu", "gpu"):
        assert container(workloads(overlay(name))["nats"])["image"] in compose
    assert container(workloads(overlay("gpu"))["triton"])["image"] in compose
    cpu = container(workloads(overlay("cpu"))["triton"])["image"]
    assert cpu in (ROOT / "docker-compose.cpu.yml").read_text()
    assert "AS triton-cpu" in (ROOT / "Dockerfile").read_text()
    [models] = pod(workloads(overlay("gpu"))["triton"])["initContainers"]
    dockerfile = (FOLDER / "models.Dockerfile").read_text()
    assert f"--tag {models['image'].removesuffix(':latest')} " in dockerfile
    assert f'"{models["volumeMounts"][0]["mountPath"]}"]' in dockerfile, "it copies them to where they are mounted"


def test_only_real_settings_are_set(manifests: list[Manifest]) -> None:
    known = {f"PLATELANE_{field.upper()}" for field in Settings.model_fields}
    for name in SERVICES:
        given = environment(manifests, workloads(manifests)[name])
        assert given
        assert set(given) <= known


def test_probes_ask_where_there_is_an_answer(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(manifests, monkeypatch)
    assert settings.health_host == settings.host == "0.0.0.0"
    for name in SERVICES:
        workload = workloads(manifests)[name]
        assert ports(workload)["health"] == settings.health_port
        probes = {kind: container(workload)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert {probe["port"] for probe in probes.values()} == {"health"}
        # a process is not restarted because NATS or Triton is away, it only gets no traffic
        assert [probes[kind]["path"] for kind in ("startup", "liveness", "readiness")] == [
            "/healthz",
            "/healthz",
            "/readyz",
        ]
        scraped = workload["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"]
        assert int(scraped) == settings.health_port
    assert ports(workloads(manifests)["gateway"]) == {
        "http": settings.port,
        "grpc": settings.grpc_port,
        "health": settings.health_port,
    }


def test_services_lead_to_ports_of_their_pods(manifests: list[Manifest]) -> None:
    found = workloads(manifests)
    assert set(of_kind(manifests, "Service")) == {"gateway", "nats", "triton"}
    for name, service in of_kind(manifests, "Service").items():
        assert service["spec"]["selector"].items() <= labels(found[name]).items()
        for port in service["spec"]["ports"]:
            assert ports(found[name])[port["targetPort"]] == port["port"]
    for name in ("nats", "triton"):
        assert of_kind(manifests, "Service")[name]["spec"]["clusterIP"] == "None", "clients need each replica's address"
        assert found[name]["spec"]["serviceName"] == name


def test_addresses_in_the_settings_are_those_of_the_services(
    manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, found = configured(manifests, monkeypatch), workloads(manifests)
    servers = [f"nats-{number}" for number in range(found["nats"]["spec"]["replicas"])]
    assert settings.nats_url.split(",") == [
        f"nats://{server}.nats:{ports(found['nats'])['client']}" for server in servers
    ]
    assert settings.triton_url == f"triton:{ports(found['triton'])['grpc']}"
    assert settings.nats_replicas == len(servers) == 3
    routes = re.findall(r"nats-route://\S+@(\S+)", (FOLDER / "secrets.sh").read_text())
    assert routes == [f"{server}.nats:{ports(found['nats'])['cluster']}" for server in servers]


def test_callers_need_a_token_and_a_gateway_that_stops_finishes_first(
    manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured(manifests, monkeypatch)
    assert settings.profile == "cloud"
    gateway = pod(workloads(manifests)["gateway"])
    assert settings.drain > 0
    assert settings.drain + settings.deadline < gateway["terminationGracePeriodSeconds"]


def test_every_stream_fits_on_the_disk_three_times(manifests: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(manifests, monkeypatch)
    limit = gigabytes(re.findall(r"max_file_store: (\S+)", (FOLDER / "base" / "nats.conf").read_text())[0])
    claim = workloads(manifests)["nats"]["spec"]["volumeClaimTemplates"][0]["spec"]
    streams = topology.streams(settings)
    assert {stream.num_replicas for stream in streams} == {3}
    reserved = sum(stream.max_bytes or 0 for stream in streams)
    assert reserved + 50 * queue.BYTES <= limit <= gigabytes(claim["resources"]["requests"]["storage"])


def test_an_overlay_asks_for_a_gpu_and_keeps_the_engines_and_the_other_does_not() -> None:
    gpu, cpu = (workloads(overlay(name))["triton"] for name in ("gpu", "cpu"))
    assert container(gpu)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in container(cpu)["resources"]["limits"]
    [claim] = gpu["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container(gpu)["volumeMounts"]}
    for config in ROOT.glob("triton_models/*/config.pbtxt"):
        assert f'"{mounts[claim["metadata"]["name"]]}"' in config.read_text()
    probe = container(gpu)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= LONGEST_ENGINE_BUILD
    assert "volumeClaimTemplates" not in cpu["spec"]


def test_a_node_can_be_drained(manifests: list[Manifest]) -> None:
    budgets = of_kind(manifests, "PodDisruptionBudget")
    assert set(budgets) == set(workloads(manifests))
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        selected = budget["spec"]["selector"]["matchLabels"].items()
        assert [other for other, w in workloads(manifests).items() if selected <= labels(w).items()] == [name]


class Network:
    """Who may talk to whom, by the network policies."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self._pods = {name: labels(workload) for name, workload in pods(manifests).items()}
        self._ports = {name: ports(workload) for name, workload in pods(manifests).items()}
        self._policies = [policy["spec"] for policy in of_kind(manifests, "NetworkPolicy").values()]

    def allows(self, source: str, target: str, port: str) -> bool:
        """Whether a pod may open a connection to the named port of another; addresses of pods are not "anywhere"."""
        number = self._ports[target][port]
        out = self._any("Egress", "egress", "to", source, target, {port, number})
        return out and self._any("Ingress", "ingress", "from", target, source, {port, number})

    def lets_in(self, target: str, port: str, namespace: str) -> bool:
        """Whether pods of another namespace may connect to the named port."""
        peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        rules = self._rules("Ingress", "ingress", target)
        return any(self._has(rule, {port}) and ("from" not in rule or peer in rule["from"]) for rule in rules)

    def _any(self, kind: str, field: str, peers: str, subject: str, other: str, port: set[object]) -> bool:
        return any(
            self._has(rule, port) and (peers not in rule or any(self._is(other, peer) for peer in rule[peers]))
            for rule in self._rules(kind, field, subject)
        )

    def _rules(self, kind: str, field: str, subject: str) -> list[Manifest]:
        chosen = [p for p in self._policies if kind in p["policyTypes"] and self._selects(p["podSelector"], subject)]
        assert chosen, f"{subject} is without any policy"
        return [rule for policy in chosen for rule in policy.get(field, [])]

    def _has(self, rule: Manifest, port: set[Any]) -> bool:
        return "ports" not in rule or any(entry["port"] in port for entry in rule["ports"])

    def _is(self, name: str, peer: Manifest) -> bool:
        return "podSelector" in peer and self._selects(peer["podSelector"], name)

    def leaves(self, source: str) -> list[Manifest]:
        """The rules by which a pod may open connections to addresses outside."""
        rules = self._rules("Egress", "egress", source)
        return [rule for rule in rules if any("ipBlock" in peer for peer in rule["to"])]

    def _selects(self, selector: Manifest, name: str) -> bool:
        assert set(selector) <= {"matchLabels", "matchExpressions"}
        wanted: dict[str, str] = selector.get("matchLabels", {})
        expressions: list[Manifest] = selector.get("matchExpressions", [])
        assert all(each["operator"] == "In" for each in expressions)
        among = all(self._pods[name].get(each["key"]) in each["values"] for each in expressions)
        return among and wanted.items() <= self._pods[name].items()


def test_pods_reach_what_they_need_and_nothing_else(manifests: list[Manifest]) -> None:
    network = Network(manifests)
    needed = {(client, "nats", "client") for client in (*SERVICES, "topology")}
    needed |= {(stage, "triton", "grpc") for stage in ("detector", "ocr", "attributes")}
    needed |= {("nats", "nats", "cluster")}
    found = pods(manifests)
    allowed = {
        (source, target, port)
        for source in found
        for target in found
        for port in ports(found[target])
        if network.allows(source, target, port)
    }
    assert allowed == needed


def test_only_gateway_and_webhook_svc_reach_the_world_and_on_any_port(manifests: list[Manifest]) -> None:
    network = Network(manifests)
    names = "169.254.20.10/32"
    for name in workloads(manifests):
        blocks = {
            peer["ipBlock"]["cidr"]: (peer["ipBlock"].get("except", []), rule.get("ports"))
            for rule in network.leaves(name)
            for peer in rule["to"]
            if "ipBlock" in peer
        }
        assert blocks.pop(names)[1] == [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
        world = {"0.0.0.0/0": (["169.254.0.0/16"], None), "::/0": (["fe80::/10"], None)}
        assert blocks == (world if name in ("gateway", "webhook-svc") else {})


def test_what_is_measured_carries_the_names_that_the_rules_use(tmp_path: Path) -> None:
    [monitor] = of_kind(everything(tmp_path), "PodMonitor").values()
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    for name, package in SERVICES.items():
        workload = workloads(overlay("gpu"))[name]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels(workload).items()
        assert endpoint["port"] in ports(workload)
        service = labels(workload)["app.kubernetes.io/name"]
        for rule in endpoint["relabelings"]:
            if "regex" in rule and re.fullmatch(rule["regex"], service):
                service = rule["replacement"]
        assert service == package


def test_who_scrapes_and_scales_is_let_in(manifests: list[Manifest]) -> None:
    network = Network(manifests)
    for service in SERVICES:
        assert network.lets_in(service, "health", "monitoring")
    assert network.lets_in("triton", "metrics", "monitoring")
    assert network.lets_in("nats", "monitor", "keda")
    assert not network.lets_in("nats", "client", "keda")
    assert network.lets_in("gateway", "http", "anything")
    assert not network.lets_in("detector", "health", "anything")


def test_scalers_look_at_consumers_that_are_there() -> None:
    manifests = overlay("gpu")
    consumers = {(consumer.stream, consumer.name) for consumer in topology.CONSUMERS}
    looked_at = set()
    for name, spec, trigger in scalers(manifests):
        assert spec["scaleTargetRef"] == {"name": name}
        assert name in of_kind(manifests, "Deployment")
        if trigger["type"] == "nats-jetstream":
            where = trigger["metadata"]
            assert (where["stream"], where["consumer"]) in consumers
            looked_at.add((name, where["stream"], where["consumer"]))
            host, _, port = where["natsServerMonitoringEndpoint"].partition(":")
            assert host == "nats.platelane"
            assert int(port) == ports(workloads(manifests)["nats"])["monitor"]
    followed = {
        topology.DETECTOR: "detector",
        topology.DETECTOR_BULK: "detector",
        topology.OCR: "ocr",
        topology.ATTRIBUTES: "attributes",
        topology.AGGREGATOR: "aggregator",
        topology.FAN_OUT: "webhook-svc",
    }
    assert looked_at == {(name, each.stream, each.name) for each, name in followed.items()}
    assert set(of_kind(manifests, "ScaledObject")) == set(SERVICES) - {"reads"}, "whose file belongs to one pod"


def test_scalers_and_their_limits_fit_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = overlay("gpu")
    settings = configured(manifests, monkeypatch)
    for name, spec, trigger in scalers(manifests):
        assert "replicas" not in workloads(manifests)[name]["spec"], "else every apply undoes what the scaler did"
        assert 2 <= spec["minReplicaCount"] < spec["maxReplicaCount"]
        if trigger["type"] == "nats-jetstream":
            at_once = {"aggregator": AGGREGATIONS, "webhook-svc": 1}.get(name, settings.in_flight)
            threshold = int(trigger["metadata"]["lagThreshold"])
            assert at_once < threshold, "what is being worked on counts too: below it replicas would be added for ever"
            assert at_once * spec["maxReplicaCount"] <= settings.queue_limit, "more would never have work"


def test_tritons_scaler_finds_its_workload(tmp_path: Path) -> None:
    manifests = everything(tmp_path)
    scaler = of_kind(manifests, "ScaledObject")["triton"]["spec"]
    assert scaler["scaleTargetRef"] == {"kind": "StatefulSet", "name": "triton"}
    assert "replicas" not in workloads(manifests)["triton"]["spec"]
    assert 'namespace="platelane"' in scaler["triggers"][0]["metadata"]["query"]


def test_the_ingress_leads_to_the_gateway(tmp_path: Path) -> None:
    manifests = everything(tmp_path)
    known = {port["name"] for port in of_kind(manifests, "Service")["gateway"]["spec"]["ports"]}
    assert set(of_kind(manifests, "Ingress")) == {"rest", "grpc"}
    for ingress in of_kind(manifests, "Ingress").values():
        [rule] = ingress["spec"]["rules"]
        [path] = rule["http"]["paths"]
        assert path["backend"]["service"]["name"] == "gateway"
        assert path["backend"]["service"]["port"]["name"] in known
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
