"""Tables as text (which is Markdown too). Pure."""

from .figures import Row, Spread, Table

_HEAD = ("", "min", "median", "max", "", "ratio: min", "median", "max", "to", "aim")


def as_text(table: Table) -> str:
    """A title, a note, and the rows in aligned columns; columns that stay empty are left out."""
    lines = [_HEAD, *(_cells(row) for row in table.rows)]
    used = [n for n in range(len(_HEAD)) if n == 0 or any(line[n] for line in lines[1:])]
    widths = {n: max(len(line[n]) for line in lines) for n in used}
    numbers = {1, 2, 3, 5, 6, 7}

    def one(line: tuple[str, ...]) -> str:
        cells = (
            line[n].rjust(widths[n]) if n in numbers else line[n].ljust(widths[n]) for n in used
        )
        return f"| {' | '.join(cells)} |"

    rule = "|".join("-" * (widths[n] + 1) + (":" if n in numbers else "-") for n in used)
    note = f"{table.note}\n\n" if table.note else ""
    body = "\n".join([one(lines[0]), f"|{rule}|", *(one(line) for line in lines[1:])])
    return f"### {table.title}\n\n{note}{body}\n"


def _cells(row: Row) -> tuple[str, ...]:
    ratio = _three(row.ratio) if row.ratio else ("", "", "")
    other = row.beside.name if row.beside else ""
    return (row.name, *_three(row.spread), row.unit, *ratio, other, row.verdict)


def _three(spread: Spread) -> tuple[str, str, str]:
    return _number(spread.least), _number(spread.median), _number(spread.greatest)


def _number(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
