"""What an error of an object store means: a key, a bucket or a region to correct, or an outage."""

from __future__ import annotations

import pytest

from evbilling.errors import BadInput, EvbillingError, NotReady, TransientError
from evbilling.storage import StorageFolder, public_name

FOLDER = StorageFolder(None, "bucket/evidence", "evidence store s3://bucket/evidence", "bucket")
_WHEN = "When getting information for key 'k' in bucket 'bucket': AWS Error "


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ("ACCESS_DENIED during HeadObject operation: No response body.", BadInput, "refuses the key"),
        ("SIGNATURE_DOES_NOT_MATCH during PutObject operation: The request signature", BadInput, "refuses the key"),
        ("EXPIRED_TOKEN during GetObject operation: The token has expired", BadInput, "refuses the key"),
        ("UNKNOWN (HTTP status 403) during HeadObject operation: No response body.", BadInput, "refuses the key"),
        ("UNKNOWN (HTTP status 301) during HeadBucket operation: No response body.", BadInput, "in another region"),
        ("NO_SUCH_BUCKET during PutObject operation: The bucket is not there", NotReady, "there is no bucket bucket"),
        ("NETWORK_CONNECTION during HeadObject operation: curlCode: 7", TransientError, "NETWORK_CONNECTION"),
        ("SLOW_DOWN during PutObject operation: Please reduce your request rate.", TransientError, "SLOW_DOWN"),
        ("UNKNOWN (HTTP status 503) during PutObject operation: busy", TransientError, "503"),
    ],
)
def test_an_error_is_told_by_what_is_to_be_done(said: str, kind: type[EvbillingError], what: str) -> None:
    """What trying again would not mend isn't tried again; all else is."""
    error = FOLDER.explain(OSError(_WHEN + said), "read")
    assert type(error) is kind
    assert what in error.what
    assert error.where == FOLDER.name
    assert error.fix


def test_a_full_disk_is_no_matter_of_keys() -> None:
    """A local folder's error says what the system says."""
    local = StorageFolder(None, "/data", "evidence store /data")
    error = local.explain(OSError(28, "No space left on device"), "written")
    assert type(error) is TransientError
    assert "No space left" in str(error)
    assert "check that it can be written" in str(error)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://KEY:SECRET@bucket/in?region=x#y", "s3://bucket/in"),
        ("https://u:p@host:8443/a?sig=SECRET", "https://host:8443/a"),
        ("s3://KEY:SECRET@[bucket", "s3://…"),
        ("/data/plat form", "/data/plat form"),
    ],
)
def test_the_name_of_a_place_has_nothing_secret(url: str, name: str) -> None:
    """User, password, query and fragment stay out, whatever else is wrong with the URL."""
    assert public_name(url) == name
