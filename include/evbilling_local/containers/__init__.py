"""What the one-shots of docker-compose.yml do: make databases and bucket, bill a made-up month."""

from evbilling_local.containers.demo import Places, run_demo
from evbilling_local.containers.setup import run_setup

__all__ = ["Places", "run_demo", "run_setup"]
