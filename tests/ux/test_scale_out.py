"""docs/scale-out: the deployments hold to their schemas, to the page beside them and to what is exported."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Callable
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import Any

import compose_spec
import kubernetes_validate
import pytest
import yaml

from edgefer_export import export_onnx, targets
from edgefer_export.repositories import write_repository
from edgefer_runtime.bundle import write_bundle
from edgefer_runtime.manifest import Manifest
from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.openapi import description

from ..export.conftest import CLASSES, CONTRACT, small

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "scale-out.md").read_text()
KUBERNETES = "1.37"


def documents(name: str) -> list[Any]:
    return [*yaml.safe_load_all((DOCS / "scale-out" / name).read_text())]


SERVICES = documents("compose.yaml")[0]["services"]
CLAIM, DEPLOYMENT, SERVICE = documents("kubernetes.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
(KSERVE,) = documents("kserve.yaml")
MODEL = KSERVE["spec"]["predictor"]["model"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``edgefer export --format`` writes: the folders triton and ovms, in place of runs/pattlite."""
    folder = tmp_path_factory.mktemp("runs")
    graph = export_onnx(
        small(), contract=CONTRACT, classes=CLASSES, output="logits", path=folder / "float.onnx", batch=1
    )
    for server, target in (("triton", "onnxruntime"), ("ovms", "openvino")):
        engine = targets.get(target).build(graph, "fp32", folder / target)
        manifest = Manifest(
            model="small",
            variant="head",
            parameters=1,
            classes=tuple(f"class {index}" for index in range(CLASSES)),
            input=CONTRACT,
            target=target,
            precision="fp32",
            batch=1,
            entry=engine.entry,
            options=engine.options,
            licence="CC0-1.0",
        )
        bundle = write_bundle(folder / f"{target}-bundle", manifest, engine.files, {"checks": []})
        write_repository(server, [bundle], folder / server)
    return folder


def flags(words: list[str]) -> dict[str, str | None]:
    """``--flag=value``, ``--flag value`` and ``--flag`` by flag."""
    found: dict[str, str | None] = {}
    for word in words:
        if word.startswith("--"):
            flag, _, value = word.partition("=")
            found[flag] = value or None
        elif found:
            found[[*found][-1]] = word
    return found


def documented(program: str) -> dict[str, str | None]:
    (line,) = re.findall(rf"^    ({program} --.*)$", PAGE, re.MULTILINE)
    return flags(shlex.split(line))


def mounted(repository: Path, mount: str, path: str) -> Path:
    """Where ``path`` inside a container lies when ``repository`` is mounted at ``mount``."""
    return repository / PurePosixPath(path).relative_to(mount)


def require_models(server: str, repository: Path) -> None:
    """Raise unless what a server is pointed at is a repository of that server, models and all."""
    if server == "ovms":
        (entry,) = json.loads(repository.read_text())["model_config_list"]
        assert (repository.parent / entry["config"]["base_path"] / "1" / "model.xml").is_file()
    else:
        (config,) = repository.glob("*/config.pbtxt")
        assert (config.parent / "1" / "model.onnx").is_file()


@pytest.mark.parametrize("service", ["triton", "ovms"])
def test_compose_starts_a_server_as_the_page_does(service: str, runs: Path) -> None:
    settings = SERVICES[service]
    program, repository = {
        "triton": ("tritonserver", "--model-repository"),
        "ovms": ("ovms", "--config_path"),
    }[service]
    given, stated = flags(settings["command"]), documented(program)
    (volume,) = settings["volumes"]
    inside, outside = given.pop(repository), stated.pop(repository)
    assert inside and outside and given == stated
    assert volume["source"] == f"./runs/pattlite/{service}" and volume["read_only"]
    assert outside.removeprefix("$PWD/").startswith(f"runs/pattlite/{service}")
    require_models(service, mounted(runs / service, volume["target"], inside))


@pytest.mark.parametrize("service", ["triton", "ovms"])
def test_compose_asks_the_port_that_is_served_and_opens_it_on_this_machine_alone(service: str) -> None:
    settings = SERVICES[service]
    served = flags(settings["command"]).get("--rest_port", "8000")
    ports = [port.split(":") for port in settings["ports"]]
    assert {address for address, _, _ in ports} == {"127.0.0.1"} and ports[0][2] == served
    assert settings["healthcheck"]["test"][-1] == f"http://127.0.0.1:{served}/v2/health/ready"


def test_compose_gives_every_server_ports_and_a_version_of_its_own() -> None:
    outside = [port.split(":")[1] for settings in SERVICES.values() for port in settings["ports"]]
    assert len(outside) == len({*outside})
    images = {settings["image"] for settings in SERVICES.values()}
    assert all(re.search(r":\d+\.\d+", image) for image in images)
    assert CONTAINER["image"] in images
    assert f"nvcr.io/nvidia/tritonserver:{MODEL['runtimeVersion']}" in images


def test_kubernetes_starts_the_server_as_compose_does(runs: Path) -> None:
    assert CONTAINER["args"] == SERVICES["ovms"]["command"]
    (mount,) = CONTAINER["volumeMounts"]
    (volume,) = POD["volumes"]
    assert mount["name"] == volume["name"] and mount["readOnly"]
    assert volume["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
    config = flags(CONTAINER["args"])["--config_path"]
    assert config
    require_models("ovms", mounted(runs / mount["subPath"], mount["mountPath"], config))


def test_kubernetes_probes_and_publishes_the_port_that_is_served() -> None:
    (port,), (published,) = CONTAINER["ports"], SERVICE["spec"]["ports"]
    assert str(port["containerPort"]) == flags(CONTAINER["args"])["--rest_port"]
    assert published["targetPort"] == port["name"]
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    paths = {}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = CONTAINER[probe]["httpGet"]
        assert asked["port"] == port["name"]
        paths[probe] = asked["path"].rpartition("/")[2]
    assert paths == {"startupProbe": "ready", "readinessProbe": "ready", "livenessProbe": "live"}


def test_kserve_hands_triton_its_repository_and_the_page_s_flag(runs: Path) -> None:
    scheme, _, path = MODEL["storageUri"].partition("://")
    claim, _, folder = path.partition("/")
    assert (scheme, claim) == ("pvc", CLAIM["metadata"]["name"]) and MODEL["protocolVersion"] == "v2"
    require_models("triton", runs / folder)
    stated = documented("tritonserver")
    del stated["--model-repository"]  # the runtime's own argument
    assert flags(MODEL["args"]) == stated


def test_the_health_paths_are_the_protocol_s() -> None:
    """edgefer's own server answers them too, so it can stand in for either."""
    probes = [CONTAINER[name]["httpGet"]["path"] for name in ("readinessProbe", "livenessProbe")]
    checks = [settings["healthcheck"]["test"][-1] for settings in SERVICES.values()]
    paths = {*probes, *(url.split("8000")[1] for url in checks)}
    assert paths == {"/v2/health/ready", "/v2/health/live"} and paths <= description(Limits())["paths"].keys()


def valid_compose(document: Any) -> None:
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(document)).validate()


def valid_kubernetes(document: Any) -> None:
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_documents_hold_to_their_schemas() -> None:
    valid_compose({"services": SERVICES})
    for document in (CLAIM, DEPLOYMENT, SERVICE):
        valid_kubernetes(document)


@pytest.mark.parametrize(
    ("valid", "document", "path"),
    [
        (valid_compose, {"services": SERVICES}, "services.ovms.healthcheck.period"),
        (valid_compose, {"services": SERVICES}, "services.triton.restart"),
        (valid_kubernetes, DEPLOYMENT, "spec.template.spec.readinessProbe"),
        (valid_kubernetes, DEPLOYMENT, "spec.replicas"),
        (valid_kubernetes, SERVICE, "spec.port"),
    ],
)
def test_the_schemas_refuse_a_slip(valid: Callable[[Any], None], document: Any, path: str) -> None:
    slipped = copy.deepcopy(document)
    *parents, name = path.split(".")
    reduce(lambda node, key: node[key], parents, slipped)[name] = "a slip"
    with pytest.raises((ValueError, kubernetes_validate.ValidationError)):
        valid(slipped)
