"""What a fuzzer cannot know of beanline: which waits would not end, and which refusals no schema can say."""

import atexit
import collections
import json
import os
import random
import re

import schemathesis

MAX_AHEAD_MS = 30 * 86_400_000
# A reader of a scheduled task waits as long as the task does.
SHORT_MS = 500
# Of two times, one must come after the other, or after now; a cursor names a partition of these data. Of two bounds, one
# must not be above the other; a relevance is one to a query; a total is a sum; a title may be in the body or in the query.
UNSAYABLE = {"run_at", "start_by", "cursor", "usage.total_tokens"}
# A name that must be that of a tool there is, of one above, or of no other one; what only goes together with something else;
# which roles may say nothing; what makes a JSON schema one; names that are not a server's own. Patterns of whole paths.
UNSAYABLE_INPUT = re.compile(
    r"on_busy"
    r"|(tools|require_approval|proposal_pipeline)(\[\d+\](\.function\.(name|parameters\.type))?)?"
    r"|client_tools(\[\d+\]\.name)?"
    r"|tool_options(\..*)?"
    r"|tool_choice(\.function\.name)?"
    r"|response_format\.json_schema\.schema(\..*)?"
    r"|extra\..*"
    r"|(messages\[\d+\]\.)?(content|tool_calls|tool_call_id)"
)
UNSAYABLE_OF = {
    "GET /api/chat/sessions": {
        "date_from",
        "date_to",
        "min_tokens",
        "max_tokens",
        "min_messages",
        "max_messages",
        "sort_by",
    },
    "GET /api/chat/sessions/{session}/messages": {"before"},
    "PATCH /api/chat/sessions/{session}/title": {"title"},
}
# Nor can it say which numbers JavaScript holds.
UNHELD = "must be a number that JavaScript holds exactly"
# As many as are kept to be asked for: most that are made are never looked at again.
MAX_SESSIONS = 20

statuses = collections.Counter()
tasks = []
sessions = []
messages = []
# Its own: Hypothesis watches over the shared one.
dice = random.Random()


def is_whole(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == int(value)


def is_fuzzed(case):
    return case.meta is not None and case.meta.phase.name.value == "fuzzing" and case.meta.generation.mode.is_positive


@schemathesis.hook
def before_call(context, case, kwargs):
    # An id out of thin air is always 404; only the stateful phase finds real ones by itself.
    if tasks and is_fuzzed(case) and "id" in (case.path_parameters or {}) and dice.random() < 0.6:
        case.path_parameters["id"] = dice.choice(tasks)
    if sessions and is_fuzzed(case) and "session" in (case.path_parameters or {}) and dice.random() < 0.8:
        case.path_parameters["session"] = dice.choice(sessions)
    if messages and is_fuzzed(case) and "before" in (case.query or {}) and dice.random() < 0.8:
        case.query["before"] = dice.choice(messages)
    if case.method != "POST":
        return
    body = case.body
    if isinstance(body, dict):
        delay = body.get("delay_ms")
        if is_whole(delay) and SHORT_MS < delay <= MAX_AHEAD_MS:
            body["delay_ms"] = int(delay) % SHORT_MS
        # Times out of thin air are thousands of years away, and refused.
        if is_fuzzed(case) and dice.random() < 0.7:
            body.pop("run_at", None)
            body.pop("start_by", None)
    # OpenAPI leaves Accept to the media types of the answers, so nothing generates it.
    if dice.random() < 0.25:
        case.headers["Accept"] = dice.choice(["text/event-stream", "application/json", "*/*", "text/html"])


@schemathesis.hook
def after_call(context, case, response):
    statuses[f"{case.method} {case.path} {response.status_code}"] += 1
    if response.status_code == 202 and case.path != "/tasks/{id}/cancel":
        tasks.append(response.json()["task_id"])
    if response.status_code == 201 and "message" in response.json():
        messages.append(response.json()["message"]["message_id"])
        del messages[:-MAX_SESSIONS]
    elif response.status_code == 201:
        sessions.append(response.json()["session"]["session_id"])
        del sessions[:-MAX_SESSIONS]


@schemathesis.check
def valid_requests_are_accepted(ctx, response, case):
    """A request the document allows is refused only for what the document cannot say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    errors = response.json().get("errors", [])
    wrong = {error["path"] for error in errors if not error["message"].startswith(UNHELD)}
    unsayable = UNSAYABLE | UNSAYABLE_OF.get(f"{case.method} {case.path}", set())
    wrong = {path for path in wrong if not UNSAYABLE_INPUT.fullmatch(path.removeprefix("input."))}
    assert errors and wrong <= unsayable, f"refused for {sorted(wrong)}: {response.text[:500]}"


@atexit.register
def tell():
    with open(os.environ["FUZZ_STATUSES"], "w", encoding="utf-8") as file:
        json.dump(dict(sorted(statuses.items())), file)
