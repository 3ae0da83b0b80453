"""docker-compose.yml without containers: each of its commands and health checks, and a month through all of them.

Not run here: Postgres' and Mailpit's own images (an embedded Postgres stands in for the first), and all that only a
container engine does: images, volumes, users, networks.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pyarrow.fs
import pytest

from evbilling_local.demo import month_to_bill
from evbilling_local.mail_sink import running_sink
from evbilling_local.stack import AirflowApi
from tests.support.compose import REPO, Machine, compose
from tests.support.postgres import PostgresServer
from tests.support.programs import free_ports, program
from tests.support.stack import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.full]

ACCOUNTS = 30
OWN_PORTS = [
    ("metadata", 5432),
    ("warehouse", 5432),
    ("redis", 6379),
    ("s3", 8333),
    ("sandbox", 12111),
    ("api-server", 8080),
    ("mail", 1025),
]
# A container has all ports of its loopback address to itself.
WEED_PORTS = [
    "-s3.port.grpc",
    "-master.port",
    "-master.port.grpc",
    "-volume.port",
    "-volume.port.grpc",
    "-filer.port",
    "-filer.port.grpc",
]
WORKERS = ("worker-1", "worker-2")
AIRFLOW = ("scheduler", "dag-processor", "triggerer", *WORKERS)


def wait_until_healthy(machine: Machine, *services: str) -> None:
    """Return once the health check of each service succeeds; fails the test if one ends or stays unhealthy."""
    deadline = time.monotonic() + PATIENCE
    for service in services:
        while (answer := machine.health(service))[0] != 0:
            if (machine.root / "run" / f"{service}.json").exists() and not machine.is_running(service):
                pytest.fail(f"{service} ended; its log ends with:\n{machine.log(service)[-4000:]}")
            if time.monotonic() > deadline:
                pytest.fail(f"{service} isn't healthy: {answer[1]}\n{machine.log(service)[-4000:]}")
            time.sleep(1)


def one_shot(machine: Machine, service: str) -> str:
    """What the one-shot prints; it must succeed."""
    code, said = machine.run(service, timeout=PATIENCE * 2)
    assert code == 0, said
    return said


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """All services up as `docker compose up` would have them, in the order in which they depend on each other."""
    program("redis-server", "install Redis")
    program("weed", "run `make setup` on Linux, which brings it along (SeaweedFS)")
    # Not pytest's folder: the path of a socket may not be long.
    with tempfile.TemporaryDirectory(prefix="evb-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        subprocess.run(["sh", str(REPO / "containers" / "make_secrets.sh"), str(folder)], check=True)
        made = folder / "secrets"
        ports = dict(zip(OWN_PORTS, free_ports(len(OWN_PORTS)), strict=True))
        variables = {
            "EVBILLING_SECRETS": str(made),
            "EVBILLING_AIRFLOW_PORT": str(ports["api-server", 8080]),
            "EVBILLING_DEMO_ACCOUNTS": str(ACCOUNTS),
        }
        machine = Machine(folder / "m", compose(variables)["services"], ports)
        machine.prepare(made)
        metadata = PostgresServer(folder / "metadata", port=ports["metadata", 5432], durable=False)
        warehouse = PostgresServer(
            folder / "warehouse",
            port=ports["warehouse", 5432],
            durable=False,
            password=(made / "warehouse_password").read_text(encoding="utf-8"),
        )
        try:
            # In place of Mailpit, whose program isn't at hand: our own sink, at the mail server's address.
            sink = running_sink(folder / "mail", ports["mail", 1025], 0)
            with metadata, warehouse, sink:
                # What Postgres' image makes of its variables.
                metadata.create_database("airflow")
                with psycopg.connect(metadata.url(), autocommit=True) as connection:
                    connection.execute("create role airflow superuser login")
                metadata.set_password("airflow", (made / "metadata_password").read_text(encoding="utf-8"))
                warehouse.create_database("warehouse")
                bring_up(machine)
                try:
                    yield machine
                finally:
                    machine.stop()
        finally:
            machine.stop()


def bring_up(machine: Machine) -> None:
    weed_ports = [f"{name}={port}" for name, port in zip(WEED_PORTS, free_ports(len(WEED_PORTS)), strict=True)]
    machine.start("redis")
    machine.start("s3", *weed_ports)
    machine.start("sandbox")
    wait_until_healthy(machine, "metadata", "warehouse")
    one_shot(machine, "airflow-setup")
    wait_until_healthy(machine, "redis", "s3", "sandbox")
    one_shot(machine, "setup")
    for service in ("check", "api-server", *AIRFLOW):
        machine.start(service)
    # Each health check costs a process of Python, which those that start could do with.
    wait_until_it_listens(machine.ports["api-server", 8080])
    wait_until_healthy(machine, "check", "api-server", *AIRFLOW)


def wait_until_it_listens(port: int) -> None:
    """Return once something takes connections on a port; whether it is well, its health check tells."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)


@pytest.fixture(scope="module")
def billed(machine: Machine) -> str:
    """What the demo prints, which bills and closes a month through Airflow's API."""
    return one_shot(machine, "demo")


def finance(machine: Machine, query: str) -> list[tuple[object, ...]]:
    """The rows of a query as finance_reader, by the very URL and service file of Airflow's containers."""
    told = machine.environment("scheduler")
    service_file = Path(told["PGSERVICEFILE"]).read_text(encoding="utf-8")
    password = service_file.partition("[finance]")[2].partition("password=")[2].split()[0]
    url = told["FINANCE_URL"].partition("?")[0]
    with psycopg.connect(url, user="finance_reader", password=password) as connection:
        return connection.execute(query.encode()).fetchall()


def api(machine: Machine, user: str) -> AirflowApi:
    passwords = json.loads((machine.root / "secrets" / "airflow_passwords.json").read_text(encoding="utf-8"))
    return AirflowApi(f"http://127.0.0.1:{machine.ports['api-server', 8080]}", user, passwords[user])


def test_a_month_goes_through_all_of_it(machine: Machine, billed: str) -> None:
    """The demo's two runs succeed; what finance sees adds up, and the statements were charged at the sandbox."""
    assert billed.count("The run succeeded") == 2
    period = month_to_bill()
    ((statements, attempts),) = finance(
        machine,
        f"""select count(distinct s.statement_id), count(a.attempt_id) from finance.statements s
            left join finance.payment_attempts a using (statement_id)
            where s.kind = 'connector' and s.period = '{period}'""",
    )
    assert isinstance(statements, int)
    assert isinstance(attempts, int)
    assert statements > ACCOUNTS / 2
    assert attempts > ACCOUNTS / 2
    assert finance(machine, "select period, check_id from finance.tie_out where not is_ok") == []


def test_both_workers_did_some_of_it(machine: Machine, billed: str) -> None:
    """Each worker took tasks from the queue, and each task's log can be read from the shared volume."""
    client = api(machine, "viewer")
    done = []
    for dag_id in ("connector_statements", "account_statements"):
        (run,) = client.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run['dag_run_id']}/taskInstances"
        for task in client.get(path)["task_instances"]:
            done.append(task["state"])
            # A step that nobody has to answer is skipped, and has no log.
            if task["state"] == "success":
                log = client.get(f"{path}/{task['task_id']}/logs/1", map_index=task["map_index"], full_content="true")
                assert "Could not read" not in json.dumps(log)
    client.close()
    assert set(done) == {"success", "skipped"}
    for worker in WORKERS:
        assert "received" in machine.log(worker), f"{worker} got no task"


def test_the_evidence_lies_in_the_bucket(machine: Machine, billed: str) -> None:
    """What the month was decided on is in the object store, under the key of the connection."""
    evidence = json.loads((machine.root / "secrets" / "connections.json").read_text(encoding="utf-8"))["evidence"]
    files = pyarrow.fs.S3FileSystem(
        access_key=evidence["login"],
        secret_key=evidence["password"],
        region="us-east-1",
        endpoint_override=evidence["extra"]["endpoint_url"],
    )
    found = files.get_file_info(pyarrow.fs.FileSelector("evbilling/evidence", recursive=True))
    assert [info for info in found if info.path.endswith(".parquet") and info.size > 0]


def test_a_page_in_airflow_shows_it(machine: Machine, billed: str) -> None:
    """The api-server, too, finds warehouse and bucket: a viewer sees the validation of the month."""
    client = api(machine, "viewer")
    (run,) = client.get("/api/v2/dags/connector_statements/dagRuns")["dag_runs"]
    path = f"/api/v2/dags/connector_statements/dagRuns/{run['dag_run_id']}/taskInstances/validate/links"
    link = client.get(path)["extra_links"]["Validation results"]
    client.close()
    passwords = json.loads((machine.root / "secrets" / "airflow_passwords.json").read_text(encoding="utf-8"))
    login = {"username": "viewer", "password": passwords["viewer"]}
    base = machine.environment("api-server")["AIRFLOW__API__BASE_URL"]
    token = httpx.post(f"{base}/auth/token", json=login, trust_env=False).json()["access_token"]
    page = httpx.get(link, headers={"authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
    assert page.status_code == 200, page.text
    assert str(month_to_bill()) in page.text


def test_a_second_start_changes_nothing(machine: Machine, billed: str) -> None:
    """The one-shots of another `docker compose up` succeed, and the demo leaves alone what is there."""
    before = finance(machine, "select t::text from finance.statements t order by 1")
    assert "up to date" in one_shot(machine, "setup")
    assert "has data already" in one_shot(machine, "demo")
    assert finance(machine, "select t::text from finance.statements t order by 1") == before


def test_nobody_gets_in_without_a_password(machine: Machine) -> None:
    """Airflow isn't open to all, a viewer can't start a run, and Redis wants its password."""
    port = machine.ports["api-server", 8080]
    assert httpx.get(f"http://127.0.0.1:{port}/api/v2/dags", trust_env=False).status_code == 401
    viewer = api(machine, "viewer")
    with pytest.raises(Exception, match="403"):
        viewer.post("/api/v2/dags/rebill/dagRuns", {"logical_date": None})
    viewer.close()
    said = subprocess.run(
        ["redis-cli", "-p", str(machine.ports["redis", 6379]), "ping"], capture_output=True, text=True, check=False
    )
    assert "NOAUTH" in said.stdout + said.stderr


def test_a_health_check_tells_what_is_not_well(machine: Machine, billed: str) -> None:
    """All still run; and a part that isn't there is not healthy: a worker of another name, a sandbox that ended."""
    assert [name for name in ("redis", "s3", "sandbox", "api-server", *AIRFLOW) if not machine.is_running(name)] == []
    told = machine.services["worker-1"]["healthcheck"]["test"]
    gone = [part.replace("worker-1@", "worker-9@") for part in told]
    machine.services["worker-9"] = machine.services["worker-1"] | {"healthcheck": {"test": gone}}
    assert machine.health("worker-9")[0] == 1
    machine.stop("sandbox")
    assert machine.health("sandbox")[0] == 1
