"""All cases of the bench."""

from tests.bench.verdicts.bad import BAD
from tests.bench.verdicts.case import Case
from tests.bench.verdicts.good import GOOD
from tests.bench.verdicts.made import MADE

CASES: dict[str, Case] = {case.name: case for case in (*BAD, *GOOD, *MADE)}
