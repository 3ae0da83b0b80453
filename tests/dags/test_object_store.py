"""Airflow's connection to a bucket: its key, endpoint and region reach the store letter by letter."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from airflow.sdk import Connection

from evbilling.errors import BadInput
from evbilling_airflow.object_store import with_access


def connection(**given: Any) -> Connection:
    return Connection(conn_id="evidence", conn_type="aws", **given)


def read(url: str) -> dict[str, Any]:
    """What an s3:// URL says."""
    parts = urlsplit(url)
    user, _, bucket = parts.netloc.rpartition("@")
    key, _, secret = user.partition(":")
    options = {name: value for name, (value,) in parse_qs(parts.query).items()}
    return {"bucket": bucket, "path": parts.path, "key": unquote(key), "secret": unquote(secret)} | options


@pytest.mark.parametrize("secret", ["p@ss:w/o?r#d%41", "a+b&c=d", "ü ñ"])
def test_a_secret_of_any_characters_arrives(secret: str) -> None:
    """Whatever stands in the key and the secret."""
    url = with_access(connection(login="K/Y+", password=secret), "s3://bucket/a/b")
    assert read(url) == {"bucket": "bucket", "path": "/a/b", "key": "K/Y+", "secret": secret}


def test_the_extra_gives_endpoint_and_region_under_airflows_names() -> None:
    """A connection made for Airflow's own hooks works as it is."""
    extra = '{"endpoint_url": "http://store:9000", "region_name": "eu-west-1", "aws_session_token": "t=1&2"}'
    url = with_access(connection(login="k", password="s", extra=extra), "s3://bucket")
    assert read(url) == {
        "bucket": "bucket",
        "path": "",
        "key": "k",
        "secret": "s",
        "endpoint_url": "http://store:9000",
        "region": "eu-west-1",
        "session_token": "t=1&2",
    }


def test_what_the_url_says_itself_stays() -> None:
    """A connection without a login leaves the URL's own access as it is."""
    url = "s3://k:s%2F@bucket/a?region=eu-west-3"
    assert with_access(connection(extra='{"region": "us-east-1"}'), url) == url


def test_other_places_need_no_key() -> None:
    """A folder's path is no URL to put anything into."""
    assert with_access(connection(login="k", password="s"), "/data/evidence") == "/data/evidence"
    assert with_access(connection(login="k", password="s"), "gs://bucket/a") == "gs://bucket/a"


@pytest.mark.parametrize("given", [{"login": "k"}, {"password": "s3cret"}])
def test_half_a_key_is_refused(given: dict[str, str]) -> None:
    """A forgotten secret is told before any store is asked, and not repeated."""
    with pytest.raises(BadInput, match="Airflow connection evidence: has half a key") as refused:
        with_access(connection(**given), "s3://bucket")
    assert "s3cret" not in str(refused.value)
