"""Tables, rows of pictures and remarks of a page, as HTML.

Names and captions are plain text here and are escaped; wide tables scroll within the page.
"""

from stylegan_culture.reports.parts.document import image
from stylegan_culture.reports.parts.text import escaped

BROAD = 4  # columns up to which intervals stand beside their figures; then below them
HOT = 0.75  # share of the heat from which figures are white: dark ones would lack contrast


def figures_table(columns: list, rows: list, caption: str) -> str:
    """A table of figures with their intervals, "value (low to high)".

    Args:
        columns: `(heading, show)`, where `show` makes a text of a number.
        rows: `(name, cells)`; a cell is a number, `(value, low, high)`, a text, or None for none.
        caption: what the figures are; it stands over the table.
    """
    heads = "".join(f'<th scope="col">{escaped(heading)}</th>' for heading, _ in columns)
    body = []
    for name, cells in rows:
        own = "".join(
            f"<td>{_figure(cell, show)}</td>"
            for cell, (_, show) in zip(cells, columns, strict=True)
        )
        body.append(f'<tr><th scope="row">{escaped(name)}</th>{own}</tr>')
    kind = "figures broad" if len(columns) > BROAD else "figures"
    return _scrolled(
        caption,
        f'<table class="{kind}"><caption>{escaped(caption)}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table>",
    )


def heat_table(rows, columns, values, show, caption: str, heat=None, what: str = "") -> str:
    """A matrix whose cells are the warmer the greater their value.

    Args:
        rows: names of the rows.
        columns: names of the columns.
        values: for each row its cells: a number, `(number, note)` with what pointing at it tells,
            or None for an empty one.
        show: number to text.
        caption: stands over the table.
        heat: number to a share of the heat, 0 and more; by default that of the greatest number.
        what: what is measured, where the caption leaves that to the text beside it.
    """
    given = [cell[0] if isinstance(cell, tuple) else cell for row in values for cell in row]
    greatest = max([value for value in given if value is not None], default=0.0) or 1.0
    heat = heat or (lambda value: max(0.0, value / greatest))
    body = []
    for name, row in zip(rows, values, strict=True):
        cells = "".join(_warm(cell, show, heat) for cell in row)
        body.append(f'<tr><th scope="row">{escaped(name)}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col"><span>{escaped(name)}</span></th>' for name in columns)
    unseen = f'<span class="hidden">: {escaped(what)}</span>' if what else ""
    return _scrolled(
        f"{what}, {caption[:1].lower()}{caption[1:]}" if what else caption,
        f'<table class="heat"><caption>{escaped(caption)}{unseen}'
        f"</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>",
    )


def strip(pictures: list, broad: bool = False) -> str:
    """`Shown` in a row, each with its caption below; the row breaks where the page is narrow.

    `broad` gives each twice the width, for pictures that are two side by side.
    """
    tiles = "".join(
        f"<figure>{image(one, one.caption)}<figcaption>{escaped(one.caption)}</figcaption></figure>"
        for one in pictures
    )
    return f'<div class="tiles{" broad" if broad else ""}">{tiles}</div>'


def picture_table(columns: list, rows: list, caption: str) -> str:
    """Rows `(name, [Shown, ...])` of pictures under the names of their columns."""
    heads = "".join(f'<th scope="col">{escaped(name)}</th>' for name in columns)
    body = []
    for name, pictures in rows:
        cells = "".join(f"<td>{image(one, one.caption)}</td>" for one in pictures)
        body.append(f'<tr><th scope="row">{escaped(name)}</th>{cells}</tr>')
    return _scrolled(
        caption,
        f'<table class="gallery"><caption>{escaped(caption)}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table>",
    )


def remark(heading: str, text: str) -> str:
    """A box of plain text that qualifies what stands beside it; no part of the page's outline."""
    return (
        f'<aside class="remark"><p><strong>{escaped(heading)}</strong></p>'
        f"<p>{escaped(text)}</p></aside>"
    )


def columns_of(texts: list) -> str:
    """`(heading, text)` side by side, for what a page does not say and how it was made."""
    inner = "".join(
        f"<div><h3>{escaped(heading)}</h3><p>{escaped(text)}</p></div>" for heading, text in texts
    )
    return f'<div class="columns">{inner}</div>'


def facts(pairs: dict) -> str:
    """Names and texts as a list of definitions."""
    return (
        "<dl>"
        + "".join(f"<dt>{escaped(key)}</dt><dd>{escaped(text)}</dd>" for key, text in pairs.items())
        + "</dl>"
    )


def closing(limits: list, made: dict, file: str) -> str:
    """The end of a page: what its figures do not say, as `(heading, text)`, how it was made, as of
    `facts`, and the name of the file beside it that has every number."""
    return (
        '<section class="limits" aria-labelledby="limits">'
        f'<h2 id="limits">What these figures do not say</h2>{columns_of(limits)}'
        '</section><section aria-labelledby="method"><h2 id="method">How it was made</h2>'
        f"{facts(made)}<p>Every number is in <code>{escaped(file)}</code> beside this page.</p>"
        "</section>"
    )


def _figure(cell, show) -> str:
    if cell is None:
        return '<span aria-label="none">\N{EN DASH}</span>'
    if isinstance(cell, str):
        return escaped(cell)
    if isinstance(cell, (tuple, list)):
        value, low, high = (escaped(show(part)) for part in cell)
        return f"{value} <small>({low} to {high})</small>"
    return escaped(show(cell))


def _warm(cell, show, heat) -> str:
    if cell is None:
        return '<td class="self"></td>'
    value, note = cell if isinstance(cell, tuple) else (cell, "")
    share = heat(value)
    hot = ' class="hot"' if share > HOT else ""
    told = f' title="{escaped(note)}"' if note else ""
    return f'<td{hot} style="--v:{min(1.0, share):.3f}"{told}>{escaped(show(value))}</td>'


def _scrolled(label: str, table: str) -> str:
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escaped(label)}">'
        f"{table}</div>"
    )
