"""docker-compose.yml, the Dockerfile and `make secrets`, as far as they can be looked at without a container engine."""

from __future__ import annotations

import configparser
import fnmatch
import importlib.util
import json
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from evbilling import __version__
from evbilling.cli.main import build_parser
from tests.support.compose import COMPOSE_FILE, IMAGE, REPO, NotSet, compose, image_variables

DOCKERFILE = (REPO / "Dockerfile").read_text(encoding="utf-8")
BASES = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
CONTENT = compose({"EVBILLING_SECRETS": "./secrets"})
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]
ONE_SHOTS = {"setup", "airflow-setup", "demo"}
LONG_RUNNING = sorted(SERVICES.keys() - ONE_SHOTS)
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2")

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def texts(value: Any) -> list[str]:
    """Every text in a service, keys left out."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def environment(name: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}


def test_the_compose_file_follows_its_schema(tmp_path: Path) -> None:
    """The Compose specification accepts the file, and would refuse one with a misspelt key."""
    assert validate(COMPOSE_FILE).returncode == 0, validate(COMPOSE_FILE).stdout
    misspelt = tmp_path / "docker-compose.yml"
    misspelt.write_text(COMPOSE_FILE.read_text(encoding="utf-8").replace("read_only:", "readonly:"), encoding="utf-8")
    assert validate(misspelt).returncode != 0


def test_all_that_was_asked_for_is_there() -> None:
    """Two databases, a queue, Airflow's components with two workers, a store, a mail sink and the sandbox."""
    assert set(LONG_RUNNING) == {"metadata", "warehouse", "redis", "s3", "mail", "sandbox", "check", *AIRFLOW}
    assert environment("scheduler")["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


@each_service
def test_what_a_service_names_exists(name: str) -> None:
    """Services, secrets and volumes are declared, and all that is read below /run/secrets is mounted."""
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    mounted = set(service.get("secrets", []))
    assert mounted <= set(CONTENT["secrets"])
    assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(CONTENT["volumes"])
    read = {found for text in texts(service) for found in re.findall(r"/run/secrets/([\w.]+)", text)}
    assert read == mounted


@each_service
def test_a_service_waits_for_what_can_come_about(name: str) -> None:
    """Only a service with a health check is waited for until it is healthy, only a one-shot until it has ended."""
    for other, told in SERVICES[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        assert told["condition"] == wanted
        assert other in ONE_SHOTS or "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_that_goes_on_is_watched(name: str) -> None:
    """It has a health check of its own and starts again when it ends."""
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert SERVICES[name]["restart"] == "unless-stopped"


@each_service
def test_a_service_may_do_little(name: str) -> None:
    """No root, no capabilities, nothing written but volumes and /tmp, no port but on loopback."""
    service = SERVICES[name]
    assert str(service["user"]).partition(":")[0] not in {"", "0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service.keys().isdisjoint({"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"})
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    # Named volumes only: nothing of the host's own folders.
    assert all(not volume.startswith((".", "/", "~")) for volume in service.get("volumes", []))


@pytest.mark.parametrize("image", sorted({told["image"] for told in SERVICES.values()} | set(BASES)))
def test_images_are_pinned(image: str) -> None:
    """Every image has a tag with a full version; ours has that of the project."""
    (python,) = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    repository, _, tag = image.replace("${PYTHON}", python).partition(":")
    assert re.match(r"v?\d+\.\d+", tag), f"{image} isn't pinned"
    assert repository != IMAGE or tag == __version__


@each_service
def test_no_secret_stands_in_the_file(name: str) -> None:
    """What is named like a secret is a file or a command that reads one; no URL has a password."""
    for key, value in environment(name).items():
        if re.search(r"PASSWORD|SECRET|TOKEN|FERNET|BROKER_URL|(?<!_)KEY", key) and "BACKEND" not in key:
            assert key.endswith(("_FILE", "_CMD"))
            assert value.removeprefix("cat ").startswith(("/run/secrets/", "/tmp/"))  # ruff: ignore[hardcoded-temp-file]
    assert not [text for text in texts(SERVICES[name]) if re.search(r"://[^/\s@]*:[^/\s@]+@|sk_(test|live)_\w", text)]


def test_no_secret_gets_into_the_image() -> None:
    """The image is built of named folders alone, and its variables hold no secret; git keeps none either."""
    assert [name for name in image_variables() if re.search(r"PASSWORD|SECRET|TOKEN|KEY|CONN", name)] == []
    ignored = (REPO / ".dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignored
    assert not {"!secrets", "!.env", "!.local", "!."} & set(ignored)
    assert {"secrets/", ".env"} <= set((REPO / ".gitignore").read_text(encoding="utf-8").split())


def test_without_secrets_there_is_one_clear_message() -> None:
    """Compose refuses to start and says which command is missing."""
    with pytest.raises(NotSet, match="run make secrets first"):
        compose({})


def test_what_the_image_is_made_of_exists() -> None:
    """Each source of a COPY is in the checkout and gets past .dockerignore; the image runs as nobody special."""
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {"requirements.lock", "include", "plugins", "sql", "dags"} <= set(sources)
    let_in = [line[1:] for line in (REPO / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"]
    assert [s for s in sources if not (REPO / s).exists() or not any(fnmatch.fnmatch(s, p) for p in let_in)] == []
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == [SERVICES["sandbox"]["user"]]


def _airflow_options() -> dict[str, bool]:
    """Whether an Airflow setting, as its variable, may be given by a command."""
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "config_templates" / "config.yml").read_text(encoding="utf-8")
    options = {
        f"AIRFLOW__{section}__{option}".upper(): bool(told.get("sensitive"))
        for section, content in yaml.safe_load(text).items()
        for option, told in content["options"].items()
    }
    return options | {
        "AIRFLOW__CELERY__BROKER_URL": True,
        "AIRFLOW__CELERY__RESULT_BACKEND": True,
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": False,
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": False,
    }


def test_airflow_knows_its_settings() -> None:
    """Each AIRFLOW__ variable is a setting of the installed Airflow, and one read by a command may be."""
    options = _airflow_options()
    given = {name for service in AIRFLOW for name in environment(service)} | set(image_variables())
    for name in sorted(name for name in given if name.startswith("AIRFLOW__")):
        assert name in options or options[name.removesuffix("_CMD")], name


@each_service
def test_our_commands_exist(name: str) -> None:
    """What calls `evbilling`, as a command or a health check, gives arguments that it takes."""
    lines = [SERVICES[name].get("command", []), SERVICES[name].get("healthcheck", {}).get("test", [])[1:]]
    for line in lines:
        if line[:1] == ["evbilling"]:
            assert callable(build_parser().parse_args(line[1:]).run)


def make_secrets(folder: Path) -> str:
    done = subprocess.run(
        ["sh", str(REPO / "containers" / "make_secrets.sh"), str(folder)], capture_output=True, text=True, check=True
    )
    return done.stdout


def kept(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in (folder / "secrets").iterdir()}


def test_make_secrets_makes_each_once(tmp_path: Path) -> None:
    """All files that the compose file names, for this user's eyes; another call changes none of them."""
    make_secrets(tmp_path)
    made = kept(tmp_path)
    assert set(made) == set(CONTENT["secrets"])
    assert all(made.values())
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert (tmp_path / ".env").read_text(encoding="utf-8") == "EVBILLING_SECRETS=./secrets\n"
    assert "nothing was changed" in make_secrets(tmp_path)
    assert kept(tmp_path) == made


def test_two_machines_share_no_secret(tmp_path: Path) -> None:
    """Nothing that looks like a key is the same in two sets."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_secrets(tmp_path / name)
    one, two = (
        {word for text in kept(tmp_path / name).values() for word in re.findall(r"[0-9a-f]{18,}", text)}
        for name in ("one", "two")
    )
    assert len(one) == 15
    assert one.isdisjoint(two)


def test_the_files_of_a_set_agree(tmp_path: Path) -> None:
    """A password that two files need is the same in both, and each service= of a URL is in the file that is mounted."""
    make_secrets(tmp_path)
    made = kept(tmp_path)
    connections = json.loads(made["connections.json"])
    assert {"charging_platform", "warehouse", "evidence", "payment_gateway"} <= set(connections)
    assert connections["payment_gateway"]["password"] == made["sandbox_key"]
    (identity,) = json.loads(made["s3.json"])["identities"]
    assert connections["evidence"]["password"] == identity["credentials"][0]["secretKey"]
    assert f":{made['redis_password']}@" in made["broker_url"]
    for name in SERVICES:
        told = environment(name)
        wanted = {found for value in told.values() for found in re.findall(r"\?service=(\w+)", value)}
        if wanted:
            logins = configparser.ConfigParser(interpolation=None)
            logins.read_string(made[told["PGSERVICEFILE"].rpartition("/")[2]])
            assert wanted <= set(logins.sections())
    everyday, setup = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    everyday.read_string(made["pg_service.conf"])
    setup.read_string(made["pg_service_setup.conf"])
    assert everyday["metadata"]["password"] == made["metadata_password"]
    assert setup["warehouse_admin"]["password"] == made["warehouse_password"]
    assert everyday["finance"]["password"] == setup["finance"]["password"]
    for name, section in (("warehouse", "warehouse"), ("charging_platform", "charging_platform")):
        login = (connections[name]["login"], connections[name]["password"])
        assert login == (setup[section]["user"], setup[section]["password"])
    # No superuser of the warehouse among what Airflow's containers hold.
    assert "postgres" not in {everyday[name]["user"] for name in everyday.sections()}


@contextmanager
def answering(status: int, body: dict[str, Any]) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def is_healthy(service: str, url: str) -> bool:
    """What the service's health check says if the server that it asks is at `url`."""
    kind, *line = SERVICES[service]["healthcheck"]["test"]
    assert kind == "CMD"
    line = [re.sub(r"http://[\w.-]+:\d+(?=/)", url, part) for part in line]
    return subprocess.run([sys.executable, *line[1:]], capture_output=True, check=False).returncode == 0


def test_a_part_is_healthy_if_airflow_says_so() -> None:
    """Each part is judged alone; without an answer none is healthy."""
    report = {
        "metadatabase": {"status": "healthy"},
        "scheduler": {"status": "healthy"},
        "triggerer": {"status": "unhealthy"},
        "dag_processor": {"status": None},
    }
    with answering(200, report) as url:
        healthy = {part: is_healthy(part, url) for part in ("api-server", "scheduler", "triggerer", "dag-processor")}
    assert healthy == {"api-server": True, "scheduler": True, "triggerer": False, "dag-processor": False}
    assert not is_healthy("scheduler", url)
    assert not is_healthy("sandbox", url)


@pytest.mark.parametrize("status", [200, 500])
def test_a_server_is_healthy_if_it_answers_without_an_error(status: int) -> None:
    """An error isn't good enough."""
    with answering(status, {}) as url:
        assert is_healthy("sandbox", url) is (status == 200)
