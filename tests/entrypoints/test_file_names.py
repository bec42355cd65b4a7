"""The name of a file that lands: what S3 tells of it is decoded once, and then it is a name."""

import json
from urllib.parse import quote_plus

import pytest

from chalicelib import wiring


def told_of(house, key):
    """Tell of an object as S3 does: its key encoded as a form would encode it."""
    record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key)}}}
    house.invoke("file_landed", json.dumps({"Records": [record]}))


def quarantined(house):
    return sorted(
        key.removeprefix("quarantine/")
        for key in wiring.object_store().keys("quarantine/")
        if not key.endswith(".reasons.json")
    )


@pytest.mark.parametrize(
    "key",
    [
        "in/elsewhere/a+b.csv",
        "in/elsewhere/a b.csv",
        "in/elsewhere/a%2Bb.csv",
        "in/elsewhere/a%252e%252e%252fb.csv",
        "in/loans/20261124/../../loans_v1.csv",
        "in/loans/20261124/loans_v1.csv\r\n.csv",
        "in/elsewhere/对账单.csv",
    ],
)
def test_is_decoded_once(house, key):
    """Decoded again, `%2B` would be another file, and `%252e%252e` a way out of its folder."""
    wiring.object_store().write(key, b"bytes of this very file")
    told_of(house, key)

    assert quarantined(house) == [key]
    assert wiring.object_store().read(f"quarantine/{key}") == b"bytes of this very file"


def test_row_83_events_of_many_files_twice_out_of_order_and_of_files_that_are_gone(house):
    keys = [f"in/elsewhere/{name}.csv" for name in "abc"]
    for key in keys[:2]:
        wiring.object_store().write(key, b"bytes of this very file")

    def event(key, name="ObjectCreated:Put"):
        return {"eventName": name, "s3": {"object": {"key": key}}}

    records = [*map(event, reversed(keys)), event(keys[0]), event(keys[1], "ObjectRemoved:Delete")]
    house.invoke("file_landed", json.dumps({"Records": records}))
    house.invoke("file_landed", json.dumps({"Records": records[:1]}))

    assert quarantined(house) == keys[:2]
