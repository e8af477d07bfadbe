"""What the small model is told: the tools by example, then the conversation.

A 0.5B model does not use its own tool-call format; examples and a grammar make it call tools. The
prefix depends on the tools alone and comes first, so that its prefill is done once and kept.
Nothing here does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from mato.models.base import CallRequest, Message, ToolSchema
from mato.models.embedded.fitting import Shortened, clip
from mato.models.embedded.schema import asked, reserved_name

SYSTEM_LIMIT = 400
"""Characters of the agent's own system prompt that the small model is given."""

_RULES = (
    "You are an agent that works on files with tools. Reply with exactly one JSON object. "
    "When the user asks for something a tool can do, call that tool first. The tools:"
)
# How a person asks for such a tool, and what with: the model picks the tool whose example is
# closest, so wording matters more than the description.
_ASKING: dict[str, tuple[tuple[str, str], ...]] = {
    "read": (("Read the file {}.", "lib/core.py"), ("What does {} say?", "NOTES.txt")),
    "list": (("List the files in {}.", "lib"), ("Which files are in this folder?", ".")),
    "search": (("Search for {}.", "import os"), ("Where is {} used?", "parse_args")),
    "write": (('Write "{1}" to {0}.', "out.txt"),),
    "edit": (('In {0}, replace "{1}" with "{2}".', "lib/core.py"),),
    "shell": (("Run {}.", "make build"),),
    "plan": (("Plan the work: {}.", "read the code"),),
}
_QUESTION = ("Who wrote Hamlet?", "William Shakespeare wrote Hamlet.")
_RESULT = "Tool result:\n{}\n\nNow say in one or two sentences what this result shows."
# Shows that an answer speaks of the result and not of what was said before.
_SHOWN = (
    "# Weather\nA program that prints the weather of a town.\nRun it with: python weather.py Oslo",
    "It is a program that prints the weather of a town; `python weather.py Oslo` runs it.",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message for the chat template."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The part of the prompt that every request with the same tools begins with."""

    turns: tuple[Turn, ...]
    answer: str
    """The reserved name of a reply that is no call."""


def prefix(tools: Sequence[ToolSchema]) -> Prefix:
    """Instructions and examples for these tools; empty without tools."""
    answer = reserved_name(tools)
    if not tools:
        return Prefix((), answer)
    lines = [_RULES]
    examples: list[tuple[str, str]] = []
    for tool in tools:
        names = list(cast("dict[str, Any]", asked(tool)["properties"]))
        lines.append(f"{tool.name}({', '.join(names)}): {clip(tool.description, 160)}")
        examples.extend(_examples(tool))
    lines.append(f"{answer}(text): the final reply to the user.")
    examples.insert(1, (_QUESTION[0], reply(answer, {"text": _QUESTION[1]})))
    turns = [Turn("system", "\n".join(lines))]
    for question, answered in examples:
        turns += [Turn("user", question), Turn("assistant", answered)]
        if len(turns) == 3:  # after the first call
            turns += [
                Turn("user", _RESULT.format(_SHOWN[0])),
                Turn("assistant", reply(answer, {"text": _SHOWN[1]})),
            ]
    return Prefix(tuple(turns), answer)


def reply(name: str, arguments: object) -> str:
    """A reply in the one form that the grammar allows."""
    return json.dumps({"tool": name, "args": arguments}, ensure_ascii=False, separators=(",", ":"))


def _examples(tool: ToolSchema) -> list[tuple[str, str]]:
    shape = asked(tool)
    words = _ASKING.get(tool.name, ((f"Use {tool.name} with {{}}.", "example"),))
    out: list[tuple[str, str]] = []
    for wording, value in words:
        arguments = _sample(shape, value)
        values = [_spoken(one) for one in cast("dict[str, object]", arguments).values()]
        try:
            question = wording.format(*values)
        except IndexError:  # a tool of the same name with other arguments
            question = f"Use {tool.name} with {' and '.join(values) or 'nothing'}."
        out.append((question, reply(tool.name, arguments)))
    return out


def _sample(shape: dict[str, Any], value: str) -> object:
    """A value of this bounded schema; strings begin with `value`."""
    if "const" in shape:
        return shape["const"]
    if "enum" in shape:
        return shape["enum"][0]
    match shape.get("type"):
        case "object":
            fillers = iter((value, "old text", "new text"))
            return {
                name: _sample(one, next(fillers, "text"))
                for name, one in cast("dict[str, dict[str, Any]]", shape["properties"]).items()
            }
        case "array":
            return [_sample(shape["items"], value)] * max(1, shape["minItems"])
        case "integer":
            return shape.get("minimum", min(1, shape.get("maximum", 1)))
        case "number":
            return 1.5
        case "boolean":
            return True
        case "null":
            return None
        case _:
            longer = value.ljust(shape.get("minLength", 0), ".")
            return longer[: shape.get("maxLength", len(longer))]


def _spoken(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_spoken(one) for one in cast("list[object]", value))
    if isinstance(value, dict):
        return ", ".join(_spoken(one) for one in cast("dict[str, object]", value).values())
    return str(value)


def conversation(system: str, shortened: Shortened, before: Prefix) -> tuple[Turn, ...]:
    """The whole prompt: `before`, the agent's notes, and the messages."""
    messages = shortened.messages
    left_out = f"[{shortened.left_out} earlier messages left out]" if shortened.left_out else ""
    notes = "\n".join(part for part in (clip(system.strip(), SYSTEM_LIMIT), left_out) if part)
    if not before.turns:
        head = (Turn("system", notes),) if notes else ()
        return tuple(_defused(turn) for turn in (*head, *(_plain(one) for one in messages)))
    turns = list(before.turns)
    if notes:
        turns += [
            Turn("user", f"Notes:\n{notes}"),
            Turn("assistant", reply(before.answer, {"text": "Understood."})),
        ]
    results = {one.call: one.text for one in messages if one.role == "tool"}
    for message in messages:
        match message.role:
            case "user":
                turns.append(Turn("user", message.text))
            case "assistant" if message.calls:
                # Parallel calls of a larger model are told one after the other: a small one has
                # only seen a call followed by its result.
                for call in message.calls:
                    turns.append(Turn("assistant", reply(call.name, _arguments(call))))
                    if call.call in results:
                        turns.append(Turn("user", _RESULT.format(results[call.call])))
            case "assistant":
                turns.append(Turn("assistant", reply(before.answer, {"text": message.text})))
            case "tool":
                pass  # told with its call
    return tuple(_defused(turn) for turn in turns)


def _defused(turn: Turn) -> Turn:
    # Chat templates are tokenised with their special tokens on: a file that holds <|im_end|> could
    # otherwise speak as the user.
    return Turn(turn.role, turn.content.replace("<|", "< |"))


def _plain(message: Message) -> Turn:
    match message.role:
        case "tool":
            return Turn("user", f"Tool result:\n{message.text}")
        case "assistant":
            calls = [reply(call.name, _arguments(call)) for call in message.calls]
            return Turn("assistant", "\n".join(part for part in (message.text, *calls) if part))
        case "user":
            return Turn("user", message.text)


def _arguments(call: CallRequest) -> object:
    try:
        return json.loads(call.arguments)
    except ValueError:
        return {}


def may_call(messages: Sequence[Message]) -> bool:
    """Whether a tool may still be called in the running turn: once, then it must answer.

    A 0.5B model that may call again tends to repeat the same call for ever.
    """
    for message in reversed(messages):
        if message.role == "user":
            return True
        if message.role == "tool":
            return False
    return True
