"""The id of a call, by which a caller's report finds the server's log lines and trace.

It names one attempt of one call. `PredictRandomRequest.request_id`, by which a retry gets the same answer,
is another thing.
"""

import os
import re
from collections.abc import Mapping
from itertools import count

CALL_ID_KEY = "x-request-id"
"""The metadata in which a caller names its call, and the server the call that it answers."""

TRACE_KEY = "traceparent"
"""The metadata in which a caller names the trace that its call belongs to, as W3C's Trace Context has it."""

# What may be in a log line and in metadata as it is.
_CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")

_PROCESS = os.urandom(6).hex()  # once a process: for each call it would be a system call
_numbers = count()


def call_id_of(metadata: Mapping[str, str | bytes], trace_id: str = "") -> str:
    """Returns a call's id: the caller's own, else its trace's, else a new one.

    Args:
        metadata: What the caller sent beside the request.
        trace_id: Id of the call's trace, where the server traces it.
    """
    named = metadata.get(CALL_ID_KEY)
    if isinstance(named, str) and _CALL_ID.fullmatch(named):
        return named
    if trace_id:
        return trace_id
    parent = metadata.get(TRACE_KEY)
    trace = _TRACE_PARENT.fullmatch(parent) if isinstance(parent, str) else None
    return trace[1] if trace else f"{_PROCESS}{next(_numbers):08x}"
