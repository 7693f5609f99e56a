import pytest
import torch

from tests.bench.normalization import table
from tests.bench.normalization.peak import PEAK, by_peak
from tests.bench.normalization.trainings import Training

pytestmark = pytest.mark.slow


def test_every_signal_gets_the_peak_and_padding_does_not_count() -> None:
    x = torch.tensor([[[0.1, -0.5, 0.0]], [[0.01, 0.0, 9.0]]])
    y, gain = by_peak(x, torch.tensor([3, 2]))
    torch.testing.assert_close(y / gain, x)
    assert y[0].abs().max() == PEAK
    assert y[1, 0, :2].abs().max() == PEAK


def test_the_table_stands_beside_the_promise() -> None:
    rows = tuple({"epoch": epoch, "snr_db": 2.0 * epoch, "amplitude": 0.5, "correlation": 0.1} for epoch in range(6))
    better = tuple({**row, "snr_db": row["snr_db"] + 1} for row in rows)
    text = table.markdown([Training("level", 0, rows), Training("level", 1, better), Training("peak", 0, rows)], 5)
    assert "| 5 | +24 | 10.50 (10.00 to 11.00) | 10.00 (10.00 to 10.00) |" in text
