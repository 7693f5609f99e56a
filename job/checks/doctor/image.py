"""The spec's image: whether its registry has it, and gives it to the pods."""

from collections.abc import Iterator

from job.checks.doctor.check import Patient
from job.checks.finding import Finding
from job.checks.preflight.image import about_image as look_at_image


def about_image(patient: Patient) -> Iterator[Finding]:
    """What a preflight says of it."""
    if patient.spec is not None:
        yield from look_at_image(patient.spec)[1]
