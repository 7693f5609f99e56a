import pytest

from job.verdict.readers.vocabulary import ALIASES, meaning


@pytest.mark.parametrize(
    ("name", "ours", "phase"),
    [
        ("val_loss", "loss", "validation"),
        ("val/snr", "snr_db", "validation"),
        ("eval_loss", "loss", "validation"),
        ("Loss", "loss", None),
        ("SNR_dB", "snr_db", None),
        ("Validation SNR (dB)", "snr_db", "validation"),
        ("valLoss", "loss", "validation"),
        ("test.si-sdr", "si_sdr_db", "validation"),
        ("train_loss_step", "loss", "train"),
        ("train_loss_epoch", "loss", "train"),
        ("epoch_loss", "loss", None),
        ("loss/train", "loss", "train"),
        ("lr-AdamW", "lr", None),
        ("learning_rate", "lr", None),
        ("trainer/global_step", "step", None),
        ("_step", "step", None),
        ("_timestamp", "time", None),
        ("current_epoch", "epoch", None),
        ("adv/feat_loss", "feature_loss", None),
        ("Gen Loss Total", "gen_loss", None),
        ("Mel-Spec. Error", "mel_distance", None),
        ("vq/commitment_loss", "vq", None),
        ("train_snr_db", "train_snr_db", None),
    ],
)
def test_usual_names(name: str, ours: str, phase: str | None) -> None:
    found = meaning(name)
    assert found is not None
    assert (found.ours, found.phase) == (ours, phase)


OTHERS = (
    "best_snr best/val_loss lr_d lr-disc step_time epoch_time eval_runtime gpu_usage sdr x loss_weight snr_target "
    "samples_per_second dead steps_per_epoch max_epochs std"
)


@pytest.mark.parametrize("name", [*OTHERS.split(), ""])
def test_other_names_mean_nothing(name: str) -> None:
    assert meaning(name) is None


@pytest.mark.parametrize("name", ["amplitude_pct", "val/amplitude (%)", "amp percent", "Amplitude %"])
def test_a_percentage_by_its_name(name: str) -> None:
    found = meaning(name)
    assert found is not None
    assert (found.ours, found.percent) == ("amplitude", True)


@pytest.mark.parametrize("name", ["perplexity_3", "val/ppl/q3", "codebook_perplexity.3", "perplexity_codebook_3"])
def test_a_figure_of_one_stage(name: str) -> None:
    found = meaning(name)
    assert found is not None
    assert (found.ours, found.stage) == ("perplexity", 3)


@pytest.mark.parametrize("ours", ALIASES)
def test_our_own_names_mean_themselves(ours: str) -> None:
    found = meaning(ours)
    assert found is not None
    assert (found.ours, found.phase, found.percent, found.stage) == (ours, None, False, None)
