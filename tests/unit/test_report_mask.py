"""User ids in texts are masked as well by those that are suspects as by all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.report.pseudonym import Mask, Suspects

LETTERS = st.text(alphabet="01aAßẞİ_-. ", max_size=12)


def masked(text: str, *user_ids: str) -> str:
    suspects = Suspects(max(map(len, user_ids), default=0))
    assert suspects(text) == text
    return Mask(user_id for user_id in user_ids if user_id in suspects)(text)


@given(text=LETTERS, user_ids=st.lists(LETTERS.filter(bool), max_size=5))
def test_the_suspects_are_enough(text: str, user_ids: list[str]) -> None:
    assert masked(text, *user_ids) == Mask(user_ids)(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("daily_0001503960366.csv", "daily_***.csv"),
        ("STRASSE 7.csv", "*** 7.csv"),
        ("15039603660.csv", "15039603660.csv"),
        ("p-01_x", "***_x"),
        ("", ""),
    ],
)
def test_user_ids_are_masked(text: str, wanted: str) -> None:
    assert masked(text, "1503960366", "straße", "P-01", "somebody else") == wanted
