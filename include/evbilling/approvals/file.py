"""Approval policies as a CSV file, a policy a line: checked as a whole, every problem reported at once."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from evbilling.approvals.policy import COLUMNS, Policy, parse_policy
from evbilling.errors import BadInput
from evbilling.problems import Problem, Problems


def read_policies(path: Path) -> list[Policy]:
    """The policies in the CSV file at `path`, in its order; a column that isn't there is empty.

    Raises `BadInput` with line, column and reason of every problem: none of the policies is taken then.
    """
    problems, found = Problems(), list[Policy]()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"can't be read: {error.strerror}", where=str(path), fix="check the file's name") from None
    except UnicodeDecodeError:
        raise BadInput("is not UTF-8", where=str(path), fix="save the file as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            problems.add(Problem(str(path), f"isn't one column of {', '.join(COLUMNS)}", "line 1", repr(name)))
    for row in reader:
        line = f"line {reader.line_num}"
        if len(row) != len(header):
            problems.add(Problem(str(path), f"has {len(row)} fields where the header has {len(header)}", line))
            continue
        policy, errors = parse_policy(dict(zip(header, row, strict=True)))
        for name, reason in errors.items():
            problems.add(Problem(str(path), reason, line, name))
        found += [policy] if policy else []
    problems.raise_any()
    if not found:
        raise BadInput("has no policy", where=str(path), fix=f"give a header ({', '.join(COLUMNS)}) and a line")
    return found
