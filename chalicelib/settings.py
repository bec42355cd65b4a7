"""The environment, read once.  Every number that is nobody's law is a setting here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from functools import cache
from typing import Self
from urllib.parse import urlsplit

from chalicelib.domain.agenda import AgendaRules
from chalicelib.domain.loan import Mode
from chalicelib.domain.window import SendWindow

RECONCILERS = ("auto", "rows", "duckdb", "athena")


class MissingSettingError(Exception):
    """A setting that has no default is not in the environment."""


class IllegalSettingError(Exception):
    """Settings that contradict each other, or have no place in this stage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What differs from stage to stage and from lender to lender.

    `signed_path` is the path a platform signs when it calls us, made of the request's
    context: on AWS just its `path`.  `page_base` is what stands before the pages' own paths, made
    of the same: on AWS the stage, behind a domain of one's own nothing.  `window` is when
    rounds may send, `active_window` when borrowers may pay: neither reaches over midnight.
    `repayments_by` is when funders are told what was collected, whatever has no end by then.
    `account_codes` are what the lender's own ledger calls accounts of ours, by their code here.
    `reconcile_with` is who holds bills against the journal: rows, duckdb, athena, or auto by size;
    `reconcile_memory` is how much of it DuckDB may have.
    `funder_urls` are the addresses of funders that deduct by themselves, where this stage has other
    ones than the catalogue.
    """

    stage: str
    region: str
    exchange_bucket: str
    events_topic_arn: str
    payment_url: str
    sms_url: str
    notify_url: str
    token_issuer: str
    token_audience: str
    jwks_url: str
    quotes_per_minute: int
    repayments_per_minute: int
    misses_per_minute: int
    signed_path: str
    page_base: str
    channel: str
    test_clock: bool
    agenda_shards: int
    calls_in_flight: int
    payment_calls_per_second: float
    delay_seconds_max: int
    text_pause_seconds: int
    text_signature: str
    served_modes: frozenset[Mode]
    account_codes: Mapping[str, str]
    funder_urls: Mapping[str, str]
    reconcile_with: str
    reconcile_memory: str
    rules: AgendaRules
    list_at: time
    round_at: tuple[time, ...]
    repayments_by: time
    window: SendWindow
    active_window: SendWindow

    def __post_init__(self) -> None:
        if self.stage == "prod" and self.test_clock:
            raise IllegalSettingError("TEST_CLOCK has no place in production")
        if self.window.opens >= self.window.closes:
            raise IllegalSettingError("SEND_FROM comes before SEND_UNTIL")
        if self.active_window.opens >= self.active_window.closes:
            raise IllegalSettingError("ACTIVE_FROM comes before ACTIVE_UNTIL")
        if list(self.round_at) != sorted(set(self.round_at)) or not 1 <= len(self.round_at) <= 3:
            raise IllegalSettingError("ROUND_AT names one to three times, in clock order")
        if self.repayments_by <= self.round_at[-1]:
            raise IllegalSettingError("REPAYMENTS_BY comes after the last of ROUND_AT")
        if self.agenda_shards < 1 or self.calls_in_flight < 1:
            raise IllegalSettingError("AGENDA_SHARDS and CALLS_IN_FLIGHT are at least 1")
        if self.reconcile_with not in RECONCILERS:
            raise IllegalSettingError(f"RECONCILE_WITH is one of {', '.join(RECONCILERS)}")
        if self.jwks_url and not _is_trusted(self.jwks_url, stage=self.stage):
            raise IllegalSettingError(
                "JWKS_URL is https: who could change the keys, could be anybody"
            )
        if not all(_is_trusted(url, stage=self.stage) for url in self.funder_urls.values()):
            raise IllegalSettingError("FUNDER_URLS is ID=https://…, one after the other")

    @classmethod
    def from_environ(cls) -> Self:
        """Read the settings.

        :raises MissingSettingError: if one that has no default is missing.
        """
        return cls(
            stage=_needed("STAGE"),
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", ""),
            exchange_bucket=os.environ.get("EXCHANGE_BUCKET", ""),
            events_topic_arn=os.environ.get("EVENTS_TOPIC_ARN", ""),
            payment_url=os.environ.get("PAYMENT_URL", ""),
            sms_url=os.environ.get("SMS_URL", ""),
            notify_url=os.environ.get("NOTIFY_URL", ""),
            token_issuer=os.environ.get("TOKEN_ISSUER", ""),
            token_audience=os.environ.get("TOKEN_AUDIENCE", ""),
            jwks_url=os.environ.get("JWKS_URL", ""),
            quotes_per_minute=int(os.environ.get("QUOTES_PER_MINUTE", "30")),
            repayments_per_minute=int(os.environ.get("REPAYMENTS_PER_MINUTE", "10")),
            misses_per_minute=int(os.environ.get("MISSES_PER_MINUTE", "20")),
            signed_path=os.environ.get("SIGNED_PATH", "{path}"),
            page_base=os.environ.get("PAGE_BASE", "/{stage}"),
            channel=os.environ.get("PAYMENT_CHANNEL", "main"),
            test_clock=os.environ.get("TEST_CLOCK", "off") == "on",
            agenda_shards=int(os.environ.get("AGENDA_SHARDS", "8")),
            calls_in_flight=int(os.environ.get("CALLS_IN_FLIGHT", "10")),
            payment_calls_per_second=float(os.environ.get("PAYMENT_CALLS_PER_SECOND", "1")),
            delay_seconds_max=int(os.environ.get("DELAY_SECONDS_MAX", "900")),
            text_pause_seconds=int(os.environ.get("TEXT_PAUSE_SECONDS", "300")),
            text_signature=os.environ.get("TEXT_SIGNATURE", "【Afterloan】"),
            served_modes=frozenset(
                Mode(mode) for mode in os.environ.get("SERVED_MODES", "self_operated").split(",")
            ),
            account_codes=_by_name(os.environ.get("ACCOUNT_CODES", "")),
            funder_urls=_by_name(os.environ.get("FUNDER_URLS", "")),
            reconcile_with=os.environ.get("RECONCILE_WITH", "auto"),
            reconcile_memory=os.environ.get("RECONCILE_MEMORY", "1200MB"),
            rules=AgendaRules(
                remind_days_before=tuple(
                    int(days) for days in os.environ.get("REMIND_DAYS_BEFORE", "3,1").split(",")
                ),
                retry_dpd_max=int(os.environ.get("RETRY_DPD_MAX", "90")),
            ),
            list_at=time.fromisoformat(os.environ.get("LIST_AT", "00:10")),
            round_at=tuple(
                time.fromisoformat(at)
                for at in os.environ.get("ROUND_AT", "08:00,16:00").split(",")
            ),
            repayments_by=time.fromisoformat(os.environ.get("REPAYMENTS_BY", "22:30")),
            window=SendWindow(
                opens=time.fromisoformat(os.environ.get("SEND_FROM", "08:00")),
                closes=time.fromisoformat(os.environ.get("SEND_UNTIL", "22:00")),
            ),
            active_window=SendWindow(
                opens=time.fromisoformat(os.environ.get("ACTIVE_FROM", "00:00")),
                closes=time.fromisoformat(os.environ.get("ACTIVE_UNTIL", "23:59:59")),
            ),
        )


def _by_name(text: str) -> Mapping[str, str]:
    """Read what is given by name.

    >>> _by_name("F3=https://three.example/v1/deductions, F4=https://four.example")["F4"]
    'https://four.example'
    """
    pairs = (each.strip().partition("=") for each in text.split(",") if each.strip())
    return {name: value for name, _, value in pairs}


def _is_trusted(url: str, *, stage: str) -> bool:
    """Whether what is read there cannot be changed on its way."""
    parts = urlsplit(url)
    is_here = (parts.scheme, parts.hostname) == ("http", "127.0.0.1") and not parts.username
    return parts.scheme == "https" or (is_here and stage != "prod")


def _needed(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as error:
        raise MissingSettingError(f"set {name} in the environment") from error


settings = cache(Settings.from_environ)


def queue_name(name: str) -> str:
    """Name a queue of this stage."""
    return f"afterloan-{settings().stage}-{name}"
