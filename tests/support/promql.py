"""Which metrics and labels a PromQL expression names; no parser, but enough for ours."""

import re
from typing import Final

_KEYWORDS: Final = frozenset(
    {
        *("by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool"),
        *("and", "or", "unless", "inf", "nan"),
    }
)
_TOKEN: Final = re.compile(
    r'"(?:\\.|[^"\\])*"|\[[^\]]*\]|\{[^}]*\}|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<other>.)',
    re.DOTALL,
)
_MATCHER: Final = re.compile(r'([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"((?:\\.|[^"\\])*)"')
_GROUPING: Final = re.compile(
    r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", re.IGNORECASE
)

#: A matcher: label, operator, value.
Matcher = tuple[str, str, str]


def selectors(expression: str) -> list[tuple[str, list[Matcher]]]:
    """Return each metric that is selected, with the matchers of its labels."""
    bare = _GROUPING.sub(" ", re.sub(r"\boffset\s+\w+", " ", expression))
    tokens = [match for match in _TOKEN.finditer(bare) if match[0].strip()]
    found: list[tuple[str, list[Matcher]]] = []
    for index, token in enumerate(tokens):
        name = token["name"]
        after = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        if name is None or name.lower() in _KEYWORDS or after == "(":
            continue
        if re.fullmatch(r"e\d+|[smhdwy]", name):  # of a number
            continue
        matchers = _MATCHER.findall(after) if after.startswith("{") else []
        found.append((name, [(label, how, value) for label, how, value in matchers]))
    return found


def grouping_labels(expression: str) -> set[str]:
    """Return the labels that results are grouped or matched by."""
    return {
        label.strip()
        for match in _GROUPING.finditer(expression)
        for label in match[2].split(",")
        if label.strip()
    }
