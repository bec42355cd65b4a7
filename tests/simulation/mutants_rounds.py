"""Guards of the morning's list, of the rounds over it, and of the sweep behind them."""

from tests.simulation.mutants import Edit, mutant

AREA = "list and rounds"
SWEEP_AREA = "sweep and runs"
LIST = "chalicelib.flows.due_list"
ROUND = "chalicelib.flows.deduction_round"
SWEEP = "chalicelib.flows.sweep"
RUNS = "chalicelib.adapters.dynamodb.runs:DynamoRuns"

ROUNDS = (
    mutant(
        AREA,
        "list_complete_too_early",
        "the list is complete before its last shard is walked",
        Edit(f"{LIST}:walk", "len(run.parts) == desk.shards and ", ""),
    ),
    mutant(
        AREA,
        "list_shard_left_out",
        "a shard of the agenda is not walked",
        Edit(
            f"{LIST}:make", "for shard in range(desk.shards)", "for shard in range(1, desk.shards)"
        ),
    ),
    mutant(
        AREA,
        "list_written_over",
        "who walks a shard a second time writes its list anew",
        Edit(
            "chalicelib.adapters.due_lists:S3DueLists.write",
            "self.store.write_once(",
            "self.store.write(",
        ),
    ),
    mutant(
        AREA,
        "list_untied",
        "the list is complete though its files do not add up to what was counted",
        Edit(f"{LIST}:_complete", "if listed != counted:", "if False:"),
        same_because="it checks our own addition: a list is written once, and counted as it stands"
        " (see list_written_over)",
    ),
    mutant(
        AREA,
        "loan_listed_twice",
        "a loan that moves while the agenda is walked is met twice",
        Edit(f"{LIST}:_walk_shard", "            if entry.loan_id not in met\n"),
    ),
    mutant(
        AREA,
        "agenda_lag_trusted",
        "the agenda's own, lagging word is listed; the heads are read as lazily",
        Edit(
            "chalicelib.adapters.dynamodb.loans:DynamoLoans.get_many",
            "LoanRow.batch_get(list(keys), consistent_read=True)",
            "LoanRow.batch_get(list(keys))",
        ),
    ),
    mutant(
        AREA,
        "today_not_due",
        "what is due today is not owed yet",
        Edit(
            "chalicelib.domain.due:owed",
            "if instalment.due_on <= as_of or",
            "if instalment.due_on < as_of or",
        ),
    ),
    mutant(
        AREA,
        "due_day_not_visited",
        "the agenda is read from the first day past due",
        Edit("chalicelib.domain.agenda:asks_at", "0 <= dpd <= rules", "1 <= dpd <= rules"),
    ),
    mutant(
        AREA,
        "days_since_last_list_forgotten",
        "days on which no list was made are not made up for",
        Edit(
            "chalicelib.domain.agenda:visits",
            "max((business_date - last_completed).days - 1, 0)",
            "0",
        ),
    ),
    mutant(
        AREA,
        "round_without_list",
        "a round starts though the list is not complete",
        Edit(f"{ROUND}:start", "if listed is None or not listed.is_complete:", "if False:"),
    ),
    mutant(
        AREA,
        "round_2_before_round_1_is_over",
        "the second round starts while the first has dues nobody took up",
        Edit(
            f"{ROUND}:start",
            "if round_no > 1 and not (before and before.is_complete):",
            "if False:",
        ),
    ),
    mutant(
        AREA,
        "round_shard_left_out",
        "a shard of a round is never put on the queue",
        Edit(
            f"{ROUND}:start",
            "for shard in range(desk.shards)",
            "for shard in range(1, desk.shards)",
        ),
    ),
    mutant(
        AREA,
        "round_2_takes_unknown",
        "the second round lists orders whose end is not known",
        Edit(
            f"{ROUND}:_may_try_again",
            "record is not None and record.result.failure_class is FailureClass.RETRY_TODAY",
            "record is None or record.result.failure_class is FailureClass.RETRY_TODAY",
        ),
    ),
    mutant(
        AREA,
        "round_2_takes_retry_later",
        "the second round lists what may be tried again another day only, or never",
        Edit(
            f"{ROUND}:_may_try_again",
            "record.result.failure_class is FailureClass.RETRY_TODAY",
            "record.result.failure_class is not None",
        ),
    ),
    mutant(
        AREA,
        "round_2_takes_nothing",
        "what may be tried again today is not",
        Edit(f"{ROUND}:_may_try_again", "record is not None and", "False and"),
    ),
    mutant(
        AREA,
        "kept_out_not_tried_again",
        "a due that another order kept out of the first round is left out of the second",
        Edit(f"{ROUND}:_was_kept_out", "isinstance(record, Skip) and", "False and"),
    ),
    mutant(
        AREA,
        "round_2_as_listed_in_the_morning",
        "the second round lists what was owed in the morning",
        Edit(
            f"{ROUND}:_still_owed",
            "replace(line, amount=dues.amount, components=dues.components, instalments=())",
            "line",
        ),
        same_because="a round charges what is owed when its message is worked; what is listed is"
        " the most it may charge, and nothing makes it rise (see amount_rose_not_checked)",
    ),
    mutant(
        AREA,
        "round_2_list_not_kept",
        "the second round's list is made up anew each time it is read",
        Edit(
            f"{ROUND}:_lines_of",
            "yield from lists.write(\n"
            "            business_date=business_date, round_no=round_no, shard=shard, lines=lines\n"
            "        )",
            "yield from lines",
        ),
    ),
    mutant(
        AREA,
        "round_complete_with_dues_waiting",
        "a round is complete though dues of it were never taken up",
        Edit(
            "chalicelib.domain.run:RoundTotals.is_complete",
            "self.ties and not self.waiting.count",
            "self.ties",
        ),
    ),
    mutant(
        AREA,
        "shard_done_before_sent_out",
        "a shard is called sent out before its messages are on the queue",
        Edit(
            f"{ROUND}:send_out",
            "    _put(lines=lines, run=run, round_no=round_no, now=now, desk=desk)\n"
            "    return desk.runs.put_part(",
            "    done = desk.runs.put_part(",
        ),
        Edit(
            f"{ROUND}:send_out",
            '        totals={"modes": due_list.by_mode(lines)},\n    )',
            '        totals={"modes": due_list.by_mode(lines)},\n    )\n'
            "    _put(lines=lines, run=run, round_no=round_no, now=now, desk=desk)\n"
            "    return done",
        ),
        net="waiting_dues_not_put_again",
    ),
)

RUN = (
    mutant(
        SWEEP_AREA,
        "run_started_anew",
        "a job that fires twice starts its run anew",
        Edit(f"{RUNS}.start", "row.save(condition=RunRow.job.does_not_exist())", "row.save()"),
    ),
    mutant(
        SWEEP_AREA,
        "last_list_moves_back",
        "a day caught up late hides a later one",
        Edit(
            f"{RUNS}._move_last",
            "                condition=RunRow.last_date.does_not_exist()\n"
            "                | (RunRow.last_date < run.business_date),\n",
        ),
    ),
    mutant(
        SWEEP_AREA,
        "late_jobs_not_started",
        "a job that did not fire is not started by the sweep",
        Edit(f"{SWEEP}:_start_what_is_late", "    return started", "    return []"),
        Edit(f"{SWEEP}:_start_what_is_late", "if _is_late(desk.list_at, now)", "if False"),
        Edit(f"{SWEEP}:_start_what_is_late", "if _is_late(at, now)", "if False"),
    ),
    mutant(
        SWEEP_AREA,
        "waiting_dues_not_put_again",
        "dues that nobody took up are not put on the queue again",
        Edit(
            f"{SWEEP}:_sweep_round",
            "if now - opened.started_at > PATIENCE and not desk.rounds.deductions.is_busy():",
            "if False:",
        ),
        net="shard_done_before_sent_out",
    ),
    mutant(
        SWEEP_AREA,
        "sweep_asks_nobody",
        "the sweep does not ask after orders without an end",
        Edit(
            f"{SWEEP}:run",
            "if now.minute < MINUTES_BETWEEN or not desk.asks.is_at_work():",
            "if False:",
        ),
        net="ladder_removed",
    ),
    mutant(
        SWEEP_AREA,
        "rounds_not_tallied",
        "the sweep writes down of no round what became of it",
        Edit(
            f"{SWEEP}:_sweep_round",
            "deduction_round.tally(run=opened, now=now, desk=desk.rounds)",
            "deduction_round.stand(run=opened, desk=desk.rounds)",
        ),
    ),
    mutant(
        SWEEP_AREA,
        "failed_message_acknowledged",
        "a message whose work failed is not delivered again",
        Edit(
            "chalicelib.entrypoints.queues:_each",
            'failed.append({"itemIdentifier": record["messageId"]})',
            "pass",
        ),
    ),
    mutant(
        SWEEP_AREA,
        "refused_entries_forgotten",
        "messages that SQS refuses out of a batch are not put again",
        Edit(
            "chalicelib.adapters.queues:SqsQueue.put",
            "if not entries:",
            "if True:",
        ),
    ),
)

MUTANTS = (*ROUNDS, *RUN)
