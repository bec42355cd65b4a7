"""Afterloan: what AWS runs, and when.

Every Lambda is declared in one of the entry-point modules below; this file only registers
them.  Read timetable.py first: it is the business day in clock order.
"""

from chalice.app import Chalice

from chalicelib.entrypoints import (
    authorizer,
    borrower_api,
    discrepancies_api,
    files,
    operations_api,
    pages,
    platform_api,
    problems,
    queues,
    streams,
    timetable,
)

app = Chalice(app_name="afterloan")
app.log.disabled = True  # it would log paths and the texts of exceptions; boundary.py logs kinds
app.register_middleware(problems.in_our_words, "http")

app.register_blueprint(timetable.bp)  # the clock: due list, rounds, texts, sweep, close of day
app.register_blueprint(files.bp)  # the exchange bucket: loans, bills
app.register_blueprint(queues.bp)  # SQS: shards, deductions, unknown orders, texts, receipts
app.register_blueprint(platform_api.bp)  # HTTP: what the platforms notify us of
app.register_blueprint(streams.bp)  # the journal's stream: what happened, told to whoever listens
app.register_blueprint(authorizer.bp)  # the API's door: proves the token
app.register_blueprint(borrower_api.bp)  # HTTP
app.register_blueprint(discrepancies_api.bp)  # HTTP: for finance and operations
app.register_blueprint(operations_api.bp)  # HTTP: runs, reopened days, the pause switch
app.register_blueprint(pages.bp)  # the borrower's pages
