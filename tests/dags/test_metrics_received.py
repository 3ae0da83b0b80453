"""What a collector gets: Airflow's own OpenTelemetry exporter sends, OpenTelemetry's own definitions read it."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from evbilling_local.ports import LOOPBACK
from tests.support import airflow_settings

pytestmark = [pytest.mark.airflow, pytest.mark.full]

# As a task does it; the process ends, so what it counted goes at once.
TASK = """
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from evbilling.service_levels import ServiceLevel
from evbilling_airflow.metrics import count, set_levels

now = datetime(2026, 11, 3, 18, tzinfo=UTC)
late = ServiceLevel("charges", "2026-11", "late", now, now - timedelta(hours=2), None, "NO_RUN", "", None, 2, 2,
                    {"EUR": Decimal("11.90")}, "x", None)
set_levels([late], now)
count("charges", {"succeeded": 3})
count("charges", {"succeeded": 2, "declined": 0})
"""


@contextmanager
def collector() -> Generator[tuple[str, dict[str, float]]]:
    """An OTLP endpoint, and the newest value of each metric that it got."""
    got: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            request = ExportMetricsServiceRequest.FromString(content)
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points:
                            got[metric.name] = point.as_double or point.as_int
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep it quiet."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()


def test_a_collector_gets_our_metrics() -> None:
    """Under the names of docs/alerts.md, with Airflow's prefix: gauges as set, counters added up."""
    with collector() as (url, got):
        sends = {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{url}/v1/metrics",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": "60000",
            "PYTHONPATH": str(airflow_settings.PLUGINS),
            "NO_PROXY": LOOPBACK,
        }
        done = subprocess.run(
            [sys.executable, "-c", TASK],
            env=os.environ | sends,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    assert got == {
        "airflow.evbilling.charges.late": 1,
        "airflow.evbilling.charges.late_seconds": 7200,
        "airflow.evbilling.charges.needs_somebody": 1,
        "airflow.evbilling.charges.accounts": 2,
        "airflow.evbilling.charges.statements": 2,
        "airflow.evbilling.charges.money.eur": 11.9,
        "airflow.evbilling.charges.succeeded": 5,
    }
