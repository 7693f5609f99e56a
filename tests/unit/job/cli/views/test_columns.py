from rich.text import Text

from job.cli.views.columns import packed

FACTS = [Text(fact) for fact in ("epoch 12/100", "loss 0.432", "SNR 12.2 dB (epoch 11)", "UNDECIDED", "2.1 h left")]


def test_facts_share_lines_and_are_not_torn() -> None:
    lines = [line.plain for line in packed(FACTS, 40, indent=0)]
    assert lines == ["epoch 12/100  loss 0.432", "SNR 12.2 dB (epoch 11)  UNDECIDED", "2.1 h left"]
    assert [line.plain for line in packed(FACTS, 200, indent=0)] == ["  ".join(fact.plain for fact in FACTS)]
