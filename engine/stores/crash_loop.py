"""CrashLoop: the failure record of a run that keeps losing its node."""

from __future__ import annotations

import json


def crash_loop(run_id: str, flow: str, crashes: int) -> bytes:
    """The error of a run that was given up, as JSON."""
    message = (
        f"run {run_id} of flow {flow} lost its process {crashes} times in a row without recording anything new; "
        "look for exhausted memory or a native crash, then start it again with `headrace rerun`"
    )
    record: dict[str, object] = {
        "type": "headrace.CrashLoop",
        "message": message,
        "args": [],
        "notes": [],
        "traceback": "",
    }
    return json.dumps(record).encode()
