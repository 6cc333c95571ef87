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
    """JSON as lines of Markdown."""
    content = json.dumps(value, indent=2, ensure_ascii=False)
    return "\n".join(["```json", *map(visible, content.split("\n")), "```"])


def code(value: object) -> str:
    """A value as code within a line of Markdown."""
    text = visible(str(value))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"
