"""No statement without a test, no test that is not there, and the table as it would be made."""

import pytest

from tests.conformance.table import TABLE, Statement, exists, statements, table

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("statement", statements(), ids=lambda each: f"{each.number}")
def test_a_statement_is_shown_by_tests_that_exist(statement: Statement) -> None:
    assert statement.says
    assert statement.shown_by
    assert [test for test in statement.shown_by if not exists(test)] == []


@pytest.mark.parametrize("statement", statements(), ids=lambda each: f"{each.number}")
def test_a_statement_is_shown_over_both_rooms_or_says_why_not(statement: Statement) -> None:
    assert (len(statement.over) == 2) != bool(statement.alone)


def test_no_statement_is_there_twice() -> None:
    said = [each.says for each in statements()]
    assert len(set(said)) == len(said)


def test_the_table_is_up_to_date() -> None:
    assert TABLE.read_text() == table(), "python -m tests.conformance"


def test_what_is_not_there_is_seen() -> None:
    assert exists("conformance/test_table.py::test_what_is_not_there_is_seen")
    assert not exists("conformance/test_table.py::test_nothing")
    assert not exists("nowhere.py::test_nothing")
