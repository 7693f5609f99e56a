"""By which recipe other people's rows are judged: figures of a discriminator or of mel spectra prove `perceptual`."""

from job.verdict.checklist_spec import Checklist
from job.verdict.row_table import RowTable
from job.verdict.rules.adversarial import FIELDS

PROVING = (*FIELDS, "mel_loss")


def proof_of_perceptual(table: RowTable) -> str | None:
    """Return the metric that proves a training with mel or adversarial losses, None where no row has one."""
    for kind in ("train", "validation"):
        for name in PROVING:
            # Zeros are what is logged before the discriminator takes part.
            if name in table.names(kind) and any(value for value in table.column(name, kind)):
                return name
    return None


def fitting(checklist: Checklist, table: RowTable) -> tuple[Checklist, str]:
    """Return the checklist that fits the rows, and why.

    A checklist with limits of its own is never replaced; only the usual limits of `waveform` are.
    """
    proof = proof_of_perceptual(table)
    if checklist.recipe != "waveform" or proof is None:
        return checklist, ""
    usual = Checklist.for_recipe("waveform")
    if (checklist.signs, checklist.improvement, checklist.causes) != (usual.signs, usual.improvement, usual.causes):
        return checklist, f"the rows have {proof}, which a training of this recipe has not: see `recipe` in the spec"
    kept = checklist.model_dump(include={"epoch", "min_steps", "faults"})
    return Checklist.model_validate({"recipe": "perceptual", **kept}), f"the rows have {proof}"
