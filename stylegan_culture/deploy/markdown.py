"""Texts of strangers in Markdown: shown as what they are, and never obeyed."""

import json
import re

from stylegan_culture.config import visible

# What may begin a link, an image, emphasis, code, HTML, a formula or a cell of a table anywhere.
_INLINE = re.compile(r"[\\`*\[\]<>|&~$@]|(?<![^\W_])_|_(?![^\W_])|(?<=\w):(?=//)|(?i:(?<=www))\.")
_AT_THE_START = re.compile(r"^([#+=-]|[0-9]+(?=[.)]))")


def markdown(value: object) -> str:
    """A value as plain text of Markdown, also at the start of a line and in a table's cell."""
    text = _INLINE.sub(r"\\\g<0>", visible(str(value)))
    return _AT_THE_START.sub(_harmless, text)


def _harmless(match: re.Match) -> str:
    """`1` of `1.` cannot be escaped, what follows it can; and so it is with nothing else."""
    return f"{match[0]}\\" if match[0].isdigit() else f"\\{match[0]}"


def json_block(value: object) -> str:
    """JSON as lines of Markdown: one for each object or list that holds no other but lists of
    numbers."""
    return "\n".join(["```json", *map(visible, _laid_out(value).split("\n")), "```"])


def _numbers(value: dict | list) -> bool:
    """Whether it is empty, or a list of numbers."""
    return not value or (
        isinstance(value, list) and all(isinstance(one, (int, float)) for one in value)
    )


def _laid_out(value: object, margin: str = "") -> str:
    named = isinstance(value, dict)
    items = list(value.items() if named else enumerate(value) if isinstance(value, list) else ())
    if not any(isinstance(one, (dict, list)) and not _numbers(one) for _, one in items):
        return json.dumps(value, ensure_ascii=False)
    inner = margin + "  "
    names = (json.dumps(name, ensure_ascii=False) + ": " if named else "" for name, _ in items)
    rest = (_laid_out(one, inner) for _, one in items)
    lines = ",\n".join(inner + name + one for name, one in zip(names, rest, strict=True))
    return f"{'{' if named else '['}\n{lines}\n{margin}{'}' if named else ']'}"


def code(value: object) -> str:
    """A value as code within a line of Markdown."""
    text = visible(str(value))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"
