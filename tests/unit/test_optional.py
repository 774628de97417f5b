"""The sentence at the end of a test run that skipped tests."""

from tests import optional
from tests.optional import AZURE, BROWSER, CONTAINERS, EXPORTS


def test_nothing_is_said_when_no_test_was_skipped() -> None:
    assert optional.sentence([]) == ""


def test_the_sentence_counts_each_group_and_names_one_command() -> None:
    reasons = [EXPORTS.what, *[BROWSER.what] * 3, AZURE.what]
    assert optional.sentence(reasons) == (
        "Not tested here: Azure storage (1), the marts on real exports (1) and the report in a browser (3). "
        "Add this with: make test-tools test FITABASE_2016_04=FOLDER"
    )
    assert optional.sentence([CONTAINERS.what]).endswith("make test-container")


def test_an_unknown_reason_is_listed_too() -> None:
    assert optional.sentence(["another reason"]) == "Not tested here: another reason (1)."
