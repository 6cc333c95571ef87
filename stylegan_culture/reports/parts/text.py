"""Texts of strangers in pages and in Markdown: shown as what they are, and never obeyed.

Names of cultures, files, titles, licences and versions come from tables, folders and models that
somebody else made. Every value that stands in a page goes through `escaped`, in Markdown through
`markdown` or `code`.
"""

import html

from stylegan_culture.config import visible


def escaped(value) -> str:
    """A value as text of HTML, also within an attribute's quotes."""
    return html.escape(visible(str(value)))
