"""The outside world as real HTTP servers, with a ledger that knows what really happened.

The cores (payment_platform, sms_platform) do no I/O and never sleep: they say what should go
over the wire and when.  server.py and the two services put that on HTTP.
"""
