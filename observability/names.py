"""Every name of ours that a backend ever sees: attribute keys, span kinds and link types."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "headrace"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

SPAN_KIND: Final = "headrace.span.kind"
FLOW_NAME: Final = "headrace.flow.name"
FLOW_VERSION: Final = "headrace.flow.version"
RUN_ID: Final = "headrace.run.id"
RUN_ROOT_ID: Final = "headrace.run.root_id"
RUN_OUTCOME: Final = "headrace.run.outcome"
RUN_RECOVERIES: Final = "headrace.run.recoveries"
RUN_RERUN_OF: Final = "headrace.run.rerun_of"
TRIGGER_TYPE: Final = "headrace.trigger.type"
TASK_NAME: Final = "headrace.task.name"
TASK_KEY: Final = "headrace.task.key"
TASK_ATTEMPTS: Final = "headrace.task.attempts"
TASK_OUTCOME: Final = "headrace.task.outcome"
ATTEMPT_NUMBER: Final = "headrace.attempt.number"
ATTEMPT_DELAY: Final = "headrace.attempt.delay"
WAIT_TYPE: Final = "headrace.wait.type"
WAIT_NAME: Final = "headrace.wait.name"
LINK_TYPE: Final = "headrace.link.type"

ERROR_TYPE: Final = "error.type"
EXCEPTION: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
EXCEPTION_STACKTRACE: Final = "exception.stacktrace"

RUN: Final = "run"
QUEUE: Final = "queue"
TASK: Final = "task"
ATTEMPT: Final = "attempt"
WAIT: Final = "wait"
PART: Final = "part"

PREFIXES: Final = {RUN: "flow ", QUEUE: "queue ", TASK: "task ", ATTEMPT: "attempt ", WAIT: "wait ", PART: "part "}
"""How the name of a span of each kind begins. What follows is a flow, a task or a signal, never an id."""

IDENTITY: Final = (FLOW_NAME, FLOW_VERSION, RUN_ID, RUN_ROOT_ID, TRIGGER_TYPE)
"""What stands on every span of a run, the user's own included."""

RETRY_OF: Final = "retry_of"
CONTINUES: Final = "continues"
CONTINUED_IN: Final = "continued_in"
"""Types of links."""
