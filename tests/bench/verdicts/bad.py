"""Bad runs that are trained for real, each with one thing broken."""

from tests.bench.verdicts.case import Case, Shows, Training

# The table is bad at the first row that may decide: the first validation after an epoch.
FIRST = Shows(epoch=1)
NAN_ROW = Shows(epoch=0, metric="loss", test="not finite")
# Silence scores an L1 of 0.11 here; three rows, since one may be chance.
SATURATED = Shows("train", nth=3, epoch=0, metric="l1", test=">", limit=0.5)
FLAT = Shows("train", nth=10, epoch=0, metric="grad_norm", test="<", limit=1e-12)
DEAD = Shows("train", epoch=0, metric="dead_codebook_steps", test=">=", limit=100)
TEN_NAN_STEPS = Shows("train", epoch=0, metric="nonfinite_run", test=">=", limit=10)


def _bad(name: str, what: str, *shows: Shows, fault: str | None = None, **flags: object) -> Case:
    return Case(name, "bad", what, Training(flags, fault or name), shows or (FIRST,))


def _hidden(name: str, what: str) -> Case:
    return Case(name, "bad", what, Training({}, name))


BAD = [
    # What goes in.
    _bad(
        "nan_clip",
        "every third batch is not finite, as with a NaN in one clip; so are the codebooks that begin with it",
        NAN_ROW,
    ),
    _bad(
        "nan_clip_later",
        "every third batch is not finite, but the first one is; the tenth of them shows it",
        Shows("train", epoch=0, metric="nonfinite_steps", test=">=", limit=10),
    ),
    _bad("nan_from_step_30", "every batch is not finite from step 30 on", TEN_NAN_STEPS),
    _bad("silent_batches", "training hears silence only"),
    _bad("noise_batches", "training hears noise only"),
    _bad("quiet_batches", "training hears another level than validation"),
    # What is asked for.
    _bad("shuffled_targets", "each crop's target is another crop"),
    _bad("reversed_targets", "each crop's target is itself backwards"),
    _bad("wrong_sign", "the target is upside down"),
    _bad("random_sign", "the target is upside down half of the time"),
    _bad("late_by_a_hop", "the target is a hop of 8 samples late"),
    _bad("late_by_40", "the target is 40 samples late"),
    _bad("shifted_targets", "a DC offset of 0.2 on the target"),
    _bad("quiet_targets", "the target has 0.3 of its level"),
    # The way through the model.
    _bad("frozen_decoder", "the decoder learns nothing"),
    _bad("frozen_weights", "the optimizer never steps"),
    _bad("scrambled_axes", "the quantizer's output is reshaped where it should be transposed"),
    _bad("deaf_decoder", "nothing of the latents reaches the decoder"),
    _bad("constant_output", "the decoder says one number"),
    _bad("dc_output", "the output has a DC offset of 0.1"),
    _bad("quiet_output", "the output comes at 0.3 of its level"),
    _bad("loud_output", "the output comes at 3 times its level"),
    _bad("flipped_output", "the output is upside down"),
    _bad("late_output", "the output is a hop of 8 samples late"),
    _bad("input_as_output", "validation compares the input with itself"),
    _bad("nan_output", "one validation crop decodes to NaN", NAN_ROW),
    # The quantizer.
    _bad("codebooks_not_updated", "the codebooks stay where the untrained encoder was", FIRST, DEAD, num_epochs=4),
    _bad(
        "codebooks_from_zero",
        "EMA state from zero, dead codes never replaced: fault (a) of the lost runs",
        FIRST,
        DEAD,
        num_epochs=4,
    ),
    _bad("dead_codebooks", "codes far from the data from the first step on", FIRST, DEAD, num_epochs=4),
    _bad("one_code", "the first code is chosen for everything"),
    _bad("late_codebook_collapse", "after a good first epoch every code is the same", Shows(epoch=2)),
    # The optimizer.
    _bad("zero_gradient", "the gradient is cut off", FIRST, FLAT),
    _bad("gradient_ascent", "the update has the wrong sign", SATURATED),
    _bad("exploding_warmup", "the warm-up never stops", FIRST, SATURATED),
    _bad("rate_too_high", "a learning rate of 3", SATURATED, fault="none", learning_rate=3.0),
    _bad(
        "rate_rather_high",
        "a learning rate of 0.3 without clipping",
        SATURATED,
        fault="none",
        learning_rate=0.3,
        grad_clip=1e9,
    ),
    _bad("rate_too_low", "a learning rate of 1e-8", fault="none", learning_rate=1e-8),
    _bad("rate_decayed_to_nothing", "the rate has come to nothing by step 40"),
    _bad("infinite_loss", "the loss overflows from step 25 on", TEN_NAN_STEPS),
    _bad("hidden_nan", "a NaN is swallowed: loss 1.0, batch skipped", SATURATED),
    _bad(
        "skipped_batches",
        "from the second epoch on every batch is skipped, and the old loss is written again",
        Shows("train", nth=9, epoch=0, metric="loss", test="same"),
        num_epochs=20,
    ),
    _bad("late_blow_up", "the rate is a thousand times too high after two good epochs", SATURATED, num_epochs=4),
    _bad("late_collapse", "the output fades after two good epochs", Shows(epoch=3), num_epochs=4),
    _bad("late_nan_weights", "a weight becomes NaN in the third epoch", TEN_NAN_STEPS, num_epochs=4),
    # Bad runs that no row can show.
    _hidden(
        "padded_validation",
        "validation crops are three quarters zeros; the tests of validation find it, no row does",
    ),
    _hidden(
        "leaky_split",
        "validation clips are learned from; the tests of the split find it, no row does",
    ),
]
