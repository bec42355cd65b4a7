"""Guards of the texts, and of what is announced of the journal."""

from tests.simulation.mutants import Edit, mutant

AREA = "notices"
NOTICES = "chalicelib.flows.notices"
DOMAIN = "chalicelib.domain.notice"
ROWS = "chalicelib.adapters.dynamodb.notices:DynamoNotices"

MUTANTS = (
    mutant(
        AREA,
        "announcement_given_up",
        "records whose announcement failed are acknowledged to the stream",
        Edit(
            "chalicelib.entrypoints.streams:announce",
            "    wiring.event_bus().publish(events)",
            "    try:\n        wiring.event_bus().publish(events)\n"
            "    except Exception:\n        pass",
        ),
    ),
    mutant(
        AREA,
        "refused_events_forgotten",
        "events that SNS refuses out of a batch are not announced again",
        Edit(
            "chalicelib.adapters.event_bus:SnsEventBus.publish",
            'if answer.get("Failed"):',
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "line_told_again",
        "a loan that was told of is told of again when its event comes again",
        Edit(
            f"{NOTICES}:_collect",
            "[line for line in lines if line.key not in known]",
            "list(lines)",
        ),
    ),
    mutant(
        AREA,
        "notice_written_over",
        "a notice is written whatever version stands",
        Edit(
            f"{ROWS}.write", "_row_of(written).save(condition=unmoved)", "_row_of(written).save()"
        ),
    ),
    mutant(
        AREA,
        "crowd_not_tried_again",
        "who finds the notice moved drops the events it collected",
        Edit(
            f"{NOTICES}:_collect",
            "        except MovedByAnotherError:\n            continue\n",
            "        except MovedByAnotherError:\n            return 0\n",
        ),
    ),
    mutant(
        AREA,
        "sent_notice_joined",
        "a loan joins the last notice though that is on its way",
        Edit(
            f"{NOTICES}:_with",
            "if written and written[-1].state is State.WAITING:",
            "if written:",
        ),
    ),
    mutant(
        AREA,
        "quiet_hours_ignored",
        "texts go out at night",
        Edit(
            "chalicelib.domain.quiet_hours:QuietHours.covers",
            "return clock >= self.starts or clock < self.ends",
            "return False",
        ),
    ),
    mutant(
        AREA,
        "begun_notice_sent_without_asking",
        "a notice that was begun is sent again, the platform not asked",
        Edit(
            f"{NOTICES}:_go_on",
            "    if answer.status is not SmsStatus.NOT_EXIST:\n",
            "    if False:\n",
        ),
        same_because="it goes out under the same message id, which the platform accepts once:"
        " the question only spares a call (see notice_renumbered)",
    ),
    mutant(
        AREA,
        "notice_renumbered",
        "a notice is sent again under another message id",
        Edit(
            f"{NOTICES}:_go_on",
            "    answer = desk.platform.ask(notice.notice_id)",
            "    answer = SmsAnswer(status=SmsStatus.NOT_EXIST)",
        ),
        Edit(
            f"{NOTICES}:_post",
            "Sms(message_id=notice.notice_id,",
            'Sms(message_id=f"{notice.notice_id}-v{notice.version}",',
        ),
    ),
    mutant(
        AREA,
        "words_not_kept",
        "a notice is sent before it is claimed with its words",
        Edit(
            f"{NOTICES}:_begin",
            "    claimed = desk.book.write(",
            "    desk.platform.send(Sms(message_id=checked.notice_id, phone=borrower.phone,"
            " text=compose(notice=checked, name=borrower.name, templates=desk.templates)))\n"
            "    claimed = desk.book.write(",
        ),
    ),
    mutant(
        AREA,
        "silence_is_sent",
        "a text the platform has not answered for is a text sent",
        Edit(
            f"{DOMAIN}:heard",
            "return replace(notice, state=State.UNKNOWN, send_at=look_again_at, reason=answer.reason)",
            "return replace(notice, state=State.SENT, sent_at=now, send_at=None)",
        ),
    ),
    mutant(
        AREA,
        "silence_is_refused",
        "a text the platform has not answered for is given up",
        Edit(
            f"{DOMAIN}:heard",
            "return replace(notice, state=State.UNKNOWN, send_at=look_again_at, reason=answer.reason)",
            'return ended(notice, State.REFUSED, reason=answer.reason or "")',
        ),
    ),
    mutant(
        AREA,
        "not_taken_is_refused",
        "a text the platform could not be reached for is given up",
        Edit(
            f"{DOMAIN}:heard",
            "            return replace(notice, send_at=look_again_at, reason=answer.reason)",
            "            return ended(notice, State.REFUSED, reason=answer.reason)",
        ),
    ),
    mutant(
        AREA,
        "receipt_overwritten",
        "a later receipt replaces the first",
        Edit(f"{NOTICES}:take_receipt", "if notice.state.is_reported:", "if False:"),
        Edit(f"{DOMAIN}:reported", "if notice.state.is_reported:", "if False:"),
    ),
    mutant(
        AREA,
        "sending_forgets_the_receipt",
        "what was heard of a sending is written over a receipt that came before",
        Edit(
            f"{NOTICES}:_conclude",
            "    desk.book.write(after)\n    if after",
            "    current = desk.book.get(notice.notice_id)\n    desk.book.write(replace(after, version=current.version))\n    if after",
        ),
    ),
    mutant(
        AREA,
        "paid_loans_asked_again",
        "who has paid since is still reminded, or told of a failure",
        Edit(
            f"{NOTICES}:_checked",
            "if not notices.asks_for_money(notice.recipient.scenario):",
            "if True:",
        ),
    ),
)
