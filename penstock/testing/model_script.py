r"""The script of a scripted model: which prompt is answered how, and which one fails how.

A `Script` is an ordered tuple of `Rule`s and a default answer. The first rule that matches a request decides:

    Script(
        rules=(
            Rule(match="lost card", then=Behaviour(status=500), times=1),      # fails once per prompt, then is fine
            Rule(match="", share=0.05, then=Behaviour(status=429, retry_after=2), times=1),   # 5 % of all prompts
            Rule(match=re.compile(r"\bslow\b"), then=Behaviour(latency=30)),
            Rule(match="nonsense", then=Behaviour(answer="not the JSON that was asked for")),
        ),
        answer=lambda system, user: "fine",
    )

Rules with `times` make sequences: a 500 once, then a 429 once, then the answer. The same as JSON, in a file; its list
of rules may also be sent to a running server (`PUT /control/rules`):

    {"answer": "fine",
     "rules": [{"match": "lost card", "status": 500, "times": 1},
               {"pattern": "\\bslow\\b", "latency": 30},
               {"match": "order", "calls": {"look_up": {"order": "A1"}}}]}
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from penstock.errors import PenstockError

Answer: TypeAlias = str | Callable[[str, str], str]
"""A text, or a function (system message, last user message) -> text. It must be quick, and equal for equal prompts."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request as a script sees it: its system messages, its last user message, and what makes it distinct.

    `tools_answered`: results of tool calls follow the last user message.
    """

    system: str
    user: str
    digest: bytes
    tools_answered: bool = False


def prompt_of(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """The prompt in `messages` of a chat request; two are the same prompt when all their messages are."""
    system = "\n".join(_text(message) for message in messages if message.get("role") in {"system", "developer"})
    spoken = [_text(message) for message in messages if message.get("role") == "user"]
    written = json.dumps(messages, sort_keys=True).encode()
    roles = [message.get("role") for message in messages]
    answered = "tool" in roles[len(roles) - roles[::-1].index("user") :] if "user" in roles else "tool" in roles
    digest = hashlib.blake2b(written, digest_size=16).digest()
    return Prompt(system, spoken[-1] if spoken else "", digest, answered)


def _text(message: Mapping[str, Any]) -> str:
    """A message's text: its content, or the text parts of it."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool, as (name, value) pairs of its arguments."""

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the server does with a request; without any key it answers as it would have anyway."""

    answer: Answer | None = None  # None: the script's own
    status: int = 200  # other than 200: an error body in the shape of the API's
    retry_after: float | str | None = None  # seconds or an HTTP date, as the Retry-After header
    latency: float | None = None  # seconds before the answer; None: the server's
    hang: bool = False  # no answer ever; the connection stays open until the client leaves
    drop: bool = False  # the connection is closed without an answer
    malformed: bool = False  # status 200, and a body that breaks off in the middle of its JSON
    calls: tuple[ToolCall, ...] = ()  # tools to call first, where the request offers them and none has answered yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests that match, and what is done with them.

    `match` is looked for in the last user message: a text, upper and lower case alike ('' stands in every one), or
    a pattern. `system` must stand in the system message. `times`: the rule applies only to the first so many requests
    *of each distinct prompt* that reach it. `share`: it applies only to this part of all distinct prompts, 0 to 1,
    always the same ones.
    """

    match: str | re.Pattern[str] = ""
    then: Behaviour = Behaviour()
    times: int | None = None
    share: float = 1.0
    system: str = ""

    def fits(self, prompt: Prompt) -> bool:
        """Does the rule speak of this prompt, however often it was sent?"""
        if self.system not in prompt.system:
            return False
        if self.share < 1.0 and int.from_bytes(prompt.digest[:4], "big") >= self.share * 2**32:
            return False
        if isinstance(self.match, str):
            return self.match.lower() in prompt.user.lower()
        return self.match.search(prompt.user) is not None


@dataclass(frozen=True, slots=True)
class Script:
    """Ordered rules, and what is answered where none of them says something else."""

    rules: tuple[Rule, ...] = ()
    answer: Answer = "This is a scripted answer."

    def decide(self, prompt: Prompt, applied: Counter[tuple[Rule, bytes]]) -> Behaviour:
        """The behaviour for one request. `applied` counts each rule's uses per prompt, and is counted up."""
        for rule in self.rules:
            if not rule.fits(prompt):
                continue
            if rule.times is not None:
                if applied[rule, prompt.digest] >= rule.times:
                    continue
                applied[rule, prompt.digest] += 1
            return rule.then
        return Behaviour()

    def say(self, prompt: Prompt, behaviour: Behaviour) -> str:
        """The text of an answer."""
        answer = self.answer if behaviour.answer is None else behaviour.answer
        return answer if isinstance(answer, str) else answer(prompt.system, prompt.user)


_BEHAVIOUR: Final[Mapping[str, tuple[type, ...]]] = {
    "answer": (str,),
    "status": (int,),
    "retry_after": (int, float, str),
    "latency": (int, float),
    "hang": (bool,),
    "drop": (bool,),
    "malformed": (bool,),
    "calls": (dict,),
}
_RULE: Final[Mapping[str, tuple[type, ...]]] = {
    "match": (str,),
    "pattern": (str,),
    "system": (str,),
    "times": (int,),
    "share": (int, float),
}


def rule_from(said: Any) -> Rule:
    """One rule from its JSON object. Raises PenstockError."""
    known = {**_RULE, **_BEHAVIOUR}
    if not isinstance(said, dict):
        raise PenstockError(f"a rule must be an object, not {said!r}")
    for key, value in said.items():
        if key not in known:
            raise PenstockError(f"a rule has no key {key!r}", f"it may have {', '.join(known)}")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and bool not in known[key]):
            raise PenstockError(f"{key} of a rule cannot be {value!r}")
    if "match" in said and "pattern" in said:
        raise PenstockError("a rule has either match or pattern")
    try:
        match = re.compile(said["pattern"]) if "pattern" in said else said.get("match", "")
    except re.error as error:
        raise PenstockError(f"{said['pattern']!r} is no pattern: {error}") from error
    behaves = {key: value for key, value in said.items() if key in _BEHAVIOUR}
    if "calls" in behaves:
        behaves["calls"] = tuple(ToolCall(name, tuple(given.items())) for name, given in behaves["calls"].items())
    behaviour = Behaviour(**behaves)
    rest = {key: said[key] for key in ("system", "times", "share") if key in said}
    return Rule(match=match, then=behaviour, **rest)


def rules_from(said: Any) -> tuple[Rule, ...]:
    """Rules from a JSON list of objects. Raises PenstockError."""
    if not isinstance(said, list):
        raise PenstockError("rules must be a list of objects")
    return tuple(rule_from(entry) for entry in said)


def load_script(source: str) -> Script:
    """A script from a JSON file, or from `module:attribute`: a Script or an answer function. Raises PenstockError."""
    if not source.endswith(".json"):
        return _imported(source)
    try:
        said = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PenstockError(f"{source} cannot be read as a script: {error}") from error
    if not isinstance(said, dict) or not said.keys() <= {"rules", "answer"}:
        raise PenstockError(f"{source} is no script", 'a script is {"rules": [...], "answer": "..."}')
    return Script(rules_from(said.get("rules", [])), str(said.get("answer", Script().answer)))


def _imported(source: str) -> Script:
    """What `module:attribute` names, as a script."""
    module, _, attribute = source.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise PenstockError(f"{source} is no script: {error}", "name a .json file, or module:attribute") from error
    if isinstance(found, Script):
        return found
    if callable(found):
        return Script(answer=found)
    raise PenstockError(f"{source} is neither a Script nor an answer function")


def merged(scripts: Iterable[Script]) -> Script:
    """All rules in order; of the default answers the last that is not the usual one."""
    rules: tuple[Rule, ...] = ()
    answer = usual = Script().answer
    for script in scripts:
        rules += script.rules
        answer = answer if script.answer == usual else script.answer
    return Script(rules, answer)
