"""Run one simulated platform, or make its keys.

`python -m simulators keys --out .afterloan/keys/payment`
`python -m simulators payment --port 9201 --keys .afterloan/keys/payment --notify --seed 7`
`python -m simulators funder --port 9203 --keys .afterloan/keys/funder --payment-keys .afterloan/keys/payment`
`python -m simulators sms --port 9202 --keys .afterloan/keys/sms --seed 7`
`python -m simulators issuer --port 9204 --keys .afterloan/keys/issuer --issuer http://127.0.0.1:9204`

Exit code 2: bad arguments, unreadable keys, a port in use.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - seeded by --seed
from types import FrameType
from typing import NoReturn

from simulators import keys
from simulators.clock import SettableClock, wall_clock
from simulators.exchange_bucket import ExchangeBucket
from simulators.funder import Funder
from simulators.funder_acquirer import OverHttp
from simulators.funder_service import funder_service
from simulators.issuer import Issuer
from simulators.issuer_service import issuer_service
from simulators.keys import UnreadableKeysError
from simulators.merchant import Merchant
from simulators.notifications import Notifying
from simulators.notifier import Notifier
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import PortInUseError, SimulatorServer
from simulators.service import Service
from simulators.sms_platform import SmsPlatform
from simulators.sms_service import sms_service
from simulators.throttle import Throttle

WRONG_USE = 2
FUNDER = "funder"
"""The funder's name as a merchant of the payment platform."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and give the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "keys":
        made = keys.make(options.out)
        for merchant in options.merchant:
            made = keys.add_merchant(options.out, merchant) or made
        sys.stdout.write(f"{options.out}: {'made' if made else 'already there'}\n")
        return 0
    try:
        service, notifying = _built(options)
        server = SimulatorServer(service, port=options.port)
    except (UnreadableKeysError, PortInUseError) as error:
        sys.stderr.write(f"simulators {options.command}: {error}\n")
        return WRONG_USE
    signal.signal(signal.SIGTERM, _stop)
    if notifying:
        Notifier(platform=notifying, sign=service.signed).start()
    sys.stdout.write(f"{service.name} on {server.url}\n")
    sys.stdout.flush()
    server.serve_forever()
    return 0


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the process at once: all other threads are daemons."""
    raise SystemExit(0)


def _built(options: argparse.Namespace) -> tuple[Service, Notifying | None]:
    """Build what is to be served, and whose results are to be told."""
    if options.command == "issuer":
        issuer = Issuer(url=options.issuer, directory=options.keys, clock=wall_clock)
        return issuer_service(issuer), None
    if options.command == "funder":
        return _built_funder(options)
    ring = keys.of_platform(options.keys)
    clock, rng = SettableClock(), Random(options.seed)
    refuses = _limit(options.qps)
    if options.command == "sms":
        sms = SmsPlatform(
            clock=clock,
            rng=rng,
            receipts_url=options.receipts_url,
            receipt_seconds=options.receipt_seconds,
            hang_seconds=options.hang_seconds,
        )
        return sms_service(platform=sms, clock=clock, keys=ring, refuses=refuses), sms
    payment, *others = (
        PaymentPlatform(
            clock=clock,
            rng=rng,
            processing_seconds=options.processing_seconds,
            hang_seconds=options.hang_seconds,
        )
        for _ in ("", *ring.merchants)
    )
    service = payment_service(
        platform=payment,
        clock=clock,
        keys=ring,
        bucket=_bucket(options) if options.bucket else None,
        refuses=refuses,
        accounts=dict(zip(ring.merchants.values(), others, strict=True)),
    )
    return service, payment if options.notify else None


def _built_funder(options: argparse.Namespace) -> tuple[Service, Notifying | None]:
    clock = SettableClock()
    merchant = Merchant(
        url=options.payment_url, ring=keys.of_merchant(options.payment_keys, FUNDER)
    )
    funder = Funder(
        clock=clock,
        rng=Random(options.seed),
        bucket=_bucket(options),
        acquirer=OverHttp(merchant),
        processing_seconds=options.processing_seconds,
        hang_seconds=options.hang_seconds,
    )
    ring = keys.of_platform(options.keys)
    service = funder_service(funder=funder, clock=clock, keys=ring, refuses=_limit(options.qps))
    return service, funder.wishes if options.notify else None


def _bucket(options: argparse.Namespace) -> ExchangeBucket:
    return ExchangeBucket(options.bucket, options.bucket_endpoint, options.region)


def _limit(qps: float) -> Callable[[], bool]:
    return Throttle(qps=qps, seconds=time.monotonic).refuses if qps else lambda: False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    payment = commands.add_parser("payment", help="run the payment platform")
    sms = commands.add_parser("sms", help="run the SMS platform")
    funder = commands.add_parser("funder", help="run the funder of joint and assisted loans")
    for platform, port in ((payment, 9201), (sms, 9202), (funder, 9203)):
        platform.add_argument("--port", type=int, default=port, help="0 takes a free one")
        platform.add_argument("--keys", type=Path, required=True, help="folder of platform.json")
        platform.add_argument("--seed", type=int, default=7)
        platform.add_argument("--hang-seconds", type=float, default=3.0)
        platform.add_argument("--qps", type=float, default=0.0, help="0: no limit")
    for platform in (payment, funder):
        platform.add_argument("--notify", action="store_true", help="post results to notify_url")
        platform.add_argument("--processing-seconds", type=float, default=600.0)
        platform.add_argument("--bucket", default="", help="the exchange bucket, for all files")
        platform.add_argument("--bucket-endpoint", default="", help="empty: AWS")
        platform.add_argument("--region", default="", help="empty: as boto3 finds it")
    funder.add_argument("--payment-url", default="http://127.0.0.1:9201")
    funder.add_argument(
        "--payment-keys", type=Path, required=True, help="folder of the payment platform's keys"
    )
    sms.add_argument("--receipts-url", default="", help="where receipts are posted")
    sms.add_argument("--receipt-seconds", type=float, default=0.0)
    issuer = commands.add_parser("issuer", help="run the issuer of access tokens")
    issuer.add_argument("--port", type=int, default=9204, help="0 takes a free one")
    issuer.add_argument("--keys", type=Path, required=True, help="folder of issuer.json")
    issuer.add_argument("--issuer", required=True, help="the address it issues tokens as")
    making = commands.add_parser("keys", help="make merchant.json and platform.json if missing")
    making.add_argument("--out", type=Path, required=True)
    making.add_argument(
        "--merchant", action="append", default=[], help="a merchant beside Afterloan: funder"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
