"""docker-compose.yml as Compose would read it, and its services run as plain processes of this machine.

Nothing of a command, a health check or an environment is changed but places: a service's name and port become a free
port of the loopback address, and what is mounted into a container becomes the path where it lies here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from evbilling_local.stack import bin_directory
from evbilling_local.stack.processes import ProcessRecord, read_record, start_process, stop_processes

REPO = Path(__file__).resolve().parents[2]
COMPOSE_FILE = REPO / "docker-compose.yml"
IMAGE = "evbilling"

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


class NotSet(Exception):
    """A variable that Compose refuses to do without; the message is what it prints."""


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file with its variables filled in; raises `NotSet` for a required one that is missing."""
    return cast("dict[str, Any]", _filled(yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8")), variables))


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    if value := variables.get(found["name"]):
        return value
    if found["kind"] == "-":
        return found["rest"]
    raise NotSet(found["rest"] or f"{found['name']} has no default")


def image_variables() -> dict[str, str]:
    """The ENV of our Dockerfile's last stage, without PATH, which leads into the image."""
    text = (REPO / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").rpartition("\nFROM ")[2]
    lines = " ".join(re.findall(r"^ENV (.+)$", text, re.MULTILINE))
    found = re.findall(r"""(\w+)=('[^']*'|"[^"]*"|\S+)""", lines)
    return {name: value.strip("'\"") for name, value in found if name != "PATH"}


@dataclass
class Machine:
    """The file's services on this machine, below the folder `root`. `ports`: the real port of a service's own one."""

    root: Path
    services: dict[str, dict[str, Any]]
    ports: dict[tuple[str, int], int]

    def prepare(self, made_secrets: Path) -> None:
        """Make what a container would find: the secrets, with the places in them as they are here, and the volumes."""
        for folder in ("secrets", "run", "logs", *(f"tmp/{name}" for name in self.services)):
            (self.root / folder).mkdir(parents=True)
        for name in self.services:
            for inside in self._volumes(name):
                Path(self.here(name, inside)).mkdir(parents=True, exist_ok=True)
        for file in made_secrets.iterdir():
            text = file.read_text(encoding="utf-8")
            for (owner, port), real in self.ports.items():
                text = re.sub(rf'"(http://|){owner}", "port": {port}\b', rf'"\g<1>127.0.0.1", "port": {real}', text)
            (self.root / "secrets" / file.name).write_text(self.here("", text), encoding="utf-8")

    def here(self, service: str, text: str) -> str:
        """`text` of a service with each place in it as it is on this machine."""
        paths = {
            "/run/secrets": self.root / "secrets",
            "/tmp": self.root / "tmp" / service,  # ruff: ignore[hardcoded-temp-file]
            "/data": self.root / "volumes" / f"{service}-data",
            "/var/lib/evbilling": self.root / "volumes",
            "/opt/evbilling": REPO,
        }
        inside = "|".join(map(re.escape, paths))
        text = re.sub(rf"(?<![\w/.])(?:{inside})(?![\w.-])", lambda found: str(paths[found[0]]), text)
        for (owner, port), real in self.ports.items():
            if owner == service:
                # Inside a container loopback is that container alone.
                text = re.sub(rf"\b127\.0\.0\.1:{port}\b", f"127.0.0.1:{real}", text)
                text = re.sub(rf"(^|port[= ]|-p ){port}(?=$|\s)", rf"\g<1>{real}", text)
            text = re.sub(rf"\b{owner}:{port}\b", f"127.0.0.1:{real}", text)
        return text.replace("0.0.0.0", "127.0.0.1")  # ruff: ignore[hardcoded-bind-all-interfaces]

    def command(self, service: str) -> list[str]:
        """The service's command line on this machine."""
        told = self.services[service]
        return [self.here(service, part) for part in [*told.get("entrypoint", []), *told["command"]]]

    def environment(self, service: str) -> dict[str, str]:
        """What the service's processes see: the image's variables and its own; of the caller's PATH alone."""
        told = self.services[service]
        variables = (image_variables() if told["image"].startswith(f"{IMAGE}:") else {}) | told.get("environment", {})
        path = os.pathsep.join([str(Path(sys.executable).parent), str(bin_directory()), os.environ["PATH"]])
        return {"PATH": path, "LANG": "C.UTF-8"} | {
            name: self.here(service, str(value)) for name, value in variables.items()
        }

    def start(self, service: str, *more: str) -> None:
        """Start a service that goes on; `more` arguments are for what a container, but no machine, has to itself."""
        log = self.root / "logs" / f"{service}.log"
        start_process(self._run_folder, service, [*self.command(service), *more], self.environment(service), log)

    def run(self, service: str, timeout: float) -> tuple[int, str]:
        """Exit code and output of a one-shot."""
        return self._run(service, self.command(service), timeout)

    def health(self, service: str) -> tuple[int, str]:
        """Exit code and output of the service's health check."""
        kind, *test = self.services[service]["healthcheck"]["test"]
        line = [self.here(service, part) for part in test]
        return self._run(service, ["sh", "-c", *line] if kind == "CMD-SHELL" else line, timeout=60)

    def is_running(self, service: str) -> bool:
        """True if the process that was started for the service is alive."""
        record: ProcessRecord | None = read_record(self._run_folder, service)
        return record is not None and record.is_alive()

    def log(self, service: str) -> str:
        """What a service that goes on has printed."""
        return (self.root / "logs" / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self, *services: str) -> None:
        """End the services, or all that were started, with everything they started."""
        stop_processes(self._run_folder, services or list(self.services), patience=3)

    def _run(self, service: str, line: list[str], timeout: float) -> tuple[int, str]:
        done = subprocess.run(
            line,
            env=self.environment(service),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
        return done.returncode, done.stdout

    @property
    def _run_folder(self) -> Path:
        return self.root / "run"

    def _volumes(self, service: str) -> list[str]:
        return [volume.partition(":")[2] for volume in self.services[service].get("volumes", [])]
