"""Where the outside and Afterloan exchange their files: the exchange bucket."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config


@dataclass
class ExchangeBucket:
    """One bucket behind one endpoint; credentials come from the environment, as boto3 reads it."""

    name: str
    endpoint: str
    region: str

    @cached_property
    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint or None,
            region_name=self.region or None,
            config=Config(
                s3={"addressing_style": "path"} if self.endpoint else {},
                request_checksum_calculation="when_required",
                connect_timeout=3,
                read_timeout=10,
                retries={"total_max_attempts": 3, "mode": "standard"},
            ),
        )

    def put(self, key: str, body: bytes) -> None:
        """Write an object; the same again changes nothing."""
        self._client.put_object(Bucket=self.name, Key=key, Body=body)

    def get(self, key: str) -> bytes | None:
        """Read an object; None if it is not there."""
        try:
            found: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        return found

    def keys(self, prefix: str) -> list[str]:
        """List the keys that begin so, in order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return sorted(one["Key"] for page in pages for one in page.get("Contents", []))
