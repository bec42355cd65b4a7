"""Who may knock at a door, and what each has to show for himself: tokens, cookies, signatures.

The house of house.py with its platforms' keys, the queues of what they notify, and every caller
there is: those who may, those who may not, and those who pretend.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlencode

import boto3
from chalice.config import Config
from chalice.local import LocalGateway

from app import app
from chalicelib import wiring
from chalicelib.adapters.dynamodb.tables import NotificationRow
from chalicelib.adapters.wall_clock import wall_clock
from simulators import keys
from simulators.signatures import Signer
from tests.builders import at
from tests.entrypoints.house import AUDIENCE, QUEUES, REGION

OFFICES = ("operations", "finance", "collector", "risk", "approver", "auditor", "funder", "")
"""Every role an issuer may give but the borrower's; the empty one is a token without roles."""

NOTIFIED = ("payment-notifications", "receipts")
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Knock:
    """One request as it is about to be sent; a caller adds what he has to show."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON
    form: dict[str, str] | None = None

    @property
    def headers(self):
        if self.method == "GET":
            return {}
        return {"Content-Type": self.content_type, "Idempotency-Key": "a-key"}


class Street:
    """The house from outside: everybody who comes to it, and what became of it."""

    def __init__(self, house, *, payments: Signer, texts: Signer, stranger: Signer):
        self.house = house
        self.payments, self.texts, self.stranger = payments, texts, stranger
        self.queues = [*QUEUES, *NOTIFIED]

    # --- who comes ----------------------------------------------------------------------

    def ask(self, caller, knock):
        """Send a request as one kind of caller; an office is asked for with `office:role`."""
        kind, _, role = caller.partition(":")
        return getattr(self, f"_{kind}")(knock, role) if role else getattr(self, f"_{kind}")(knock)

    def _nobody(self, knock):
        return self.send(knock)

    def _expired(self, knock):
        return self.send(knock, token=self.token("B1", seconds=-61))

    def _owner(self, knock):
        return self.send(knock, token=self.token("B1"))

    def _another(self, knock):
        return self.send(knock, token=self.token("B2"))

    def _office(self, knock, role=""):
        return self.send(knock, token=self.token("B1", roles=[role] if role else []))

    def _blocked(self, knock):
        """Come as the owner whom a person keeps out: with a token, and with a session."""
        controls = wiring.controls()
        controls.block("B1", on=True, by="ops", at=at(10))
        answer = self._session(knock, token=self.token("B1"))
        controls.block("B1", on=False, by="ops", at=at(10))
        return answer

    def _session(self, knock, *, token=None):
        return self.send(self._filled(knock, "B1"), token=token, cookie=self.session("B1"))

    def _neighbour(self, knock):
        """Come as another borrower in his own session, with forms of his own pages."""
        return self.send(self._filled(knock, "B2"), cookie=self.session("B2"))

    def _link(self, knock):
        """Come with the owner's link, and no session yet."""
        token = wiring.page_tokens().link("B1", now=wall_clock())
        sign = "&" if "?" in knock.path else "?"
        return self.send(replaced(knock, path=f"{knock.path}{sign}token={token}"))

    def _payments(self, knock):
        return self.send(knock, headers=signed(self.payments, knock))

    def _texts(self, knock):
        return self.send(knock, headers=signed(self.texts, knock))

    def _forger(self, knock):
        """Sign with a key of his own, under the key id of the payment platform."""
        forging = Signer(self.payments.key_id, self.stranger.private_key)
        return self.send(knock, headers=signed(forging, knock))

    # --- what they show -----------------------------------------------------------------

    def token(self, subject, *, roles=("borrower",), seconds=900):
        return self.house.issuer.token(
            subject=subject,
            roles=list(roles),
            seconds=seconds,
            audience=AUDIENCE,
            algorithm="RS256",
        )

    def session(self, borrower_id):
        now = wall_clock()
        return wiring.page_tokens().session(borrower_id, now=now, since=now)

    def _filled(self, knock, borrower_id):
        """Fill in a form's token, which a page of this session would have carried."""
        if knock.form is None:
            return knock
        form_token = wiring.page_tokens().form_token(self.session(borrower_id))
        return replaced(knock, body=urlencode({**knock.form, "form_token": form_token}).encode())

    # --- the ways in --------------------------------------------------------------------

    def send(self, knock, *, token=None, cookie=None, headers=None):
        """Send it through the gateway."""
        shown = {"Cookie": f"afterloan_session={cookie}"} if cookie else {}
        return self.house._api.request(
            knock.method,
            knock.path,
            token=token,
            headers={**knock.headers, **(headers or {}), **shown},
            body=knock.body,
        )

    # --- what became of it --------------------------------------------------------------

    def traces(self):
        """List whatever a request may have left behind; empty if nothing has happened."""
        waiting = [body for queue in self.queues for body in self.house.waiting(queue)]
        return [*self.house.orders(), *waiting, *NotificationRow.scan()]


def behind_the_door(knock, *, headers=None, **changes):
    """Call the API's Lambda as if the gateway had let the request through; `changes` its event."""
    given = {name.lower(): value for name, value in {**knock.headers, **(headers or {})}.items()}
    event = LocalGateway(app, Config.create()).event_converter.create_lambda_event(
        method=knock.method, path=knock.path, headers=given, body=knock.body
    )
    return app(event | changes, None)


def replaced(knock, **changes):
    return Knock(**{**vars(knock), **changes})


def signed(signer, knock, **changes):
    """Make the headers that sign a request; `changes` says what is signed instead."""
    told = {
        "method": knock.method,
        "path": knock.path,
        "body": knock.body,
        "timestamp": wall_clock().isoformat(timespec="seconds"),
        "nonce": "n1",
    }
    return signer.sign(**(told | changes))


def furnish(house, *, payments_folder, texts_folder):
    """Give a house the queues and public keys of what it is notified of; return its street."""
    sqs = boto3.client("sqs", region_name=REGION)
    for name in NOTIFIED:
        sqs.create_queue(QueueName=f"afterloan-test-{name}")
    sides = {"payment-platform": payments_folder, "sms-platform": texts_folder}
    secrets = boto3.client("secretsmanager", region_name=REGION)
    ours = {
        platform: json.loads((folder / "merchant.json").read_text())
        for platform, folder in sides.items()
    }
    public = {platform: given["platform_public_keys"] for platform, given in ours.items()}
    secrets.put_secret_value(SecretId="afterloan/test/public-keys", SecretString=json.dumps(public))
    texting = {name: ours["sms-platform"][name] for name in ("key_id", "private_key_pem")}
    secrets.create_secret(Name="afterloan/test/sms-platform", SecretString=json.dumps(texting))
    return Street(
        house,
        payments=keys.of_platform(payments_folder).signer,
        texts=keys.of_platform(texts_folder).signer,
        stranger=keys.of_merchant(payments_folder).signer,
    )
