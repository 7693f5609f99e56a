"""What each sign usually means and what to try: the second half of its sentence. docs/bad-signs.md says more."""

HINTS = {
    # The table.
    "loss": "Usually the learning rate or commitment_weight is too high; try a third of the learning rate.",
    "l1_ratio": "Usually nothing has been learnt yet; try more steps or a lower learning rate.",
    "snr_db": (
        "Usually the run has not learnt yet, or blows up; look at the correlation, then try more steps or a lower "
        "learning rate."
    ),
    "amplitude": (
        "Usually a decoder that knows too little falls silent: a symptom, so look at the correlation first; try what "
        "helps the SNR, not a gain."
    ),
    "mel_distance": "Usually the spectrum is not learnt yet; try more steps or a lower learning rate.",
    "perplexity": "Usually codebooks have collapsed; try a lower ema_decay or a lower learning rate.",
    "improvement": "Usually the learning rate is too high or epochs are too short; try a lower rate or more patience.",
    # Hard faults.
    "non_finite": "Usually the learning rate is too high or has no warm-up; try a third of it and more warmup_steps.",
    "dead_codebooks": (
        "Usually codebooks were not initialised from data, or the encoder runs away from them; try a higher "
        "commitment_weight or a lower learning rate."
    ),
    "blow_up": "Usually the learning rate is too high; try a third of it.",
    # Causes in training rows.
    "exploding_loss": "Usually the learning rate is too high or its warm-up too short; try a third of it.",
    "exploding_gradient": "Usually the learning rate is too high or grad_clip is off; try a third of the rate.",
    "frozen_loss": (
        "Usually a NaN that is replaced by a constant while its batch is skipped; look for clips or code that make NaN."
    ),
    "vanished_gradient": (
        "Usually the graph is cut (a detach, frozen parameters, weights of zero); try one step with anomaly detection."
    ),
    "starved_gpu": (
        "Usually whole files are decoded for each crop, or the pod lacks cores; try decoding once into a packed cache."
    ),
    # Causes in validation rows.
    "zero_correlation": (
        "Usually nothing of the input reaches the output (dead codebooks, scrambled axes, far too few steps); try more "
        "steps and look at code use."
    ),
    "silent_plateau": "Usually the decoder is still silent; try more steps, a shorter warm-up or another rate.",
    "codebook_collapse": "Usually the encoder left the codes behind; try a lower ema_decay or a lower learning rate.",
    "gain_fault": "Usually a gain is applied twice or not at all; compare the levels before and after the model.",
    "inverted": "Usually a flipped sign in the data, a loss or a metric; compare a clip with its decoded samples.",
    "dc_shift": "Usually the output runs into an offset, or the clips have one; try a lower rate or remove it.",
    "misalignment": "Usually the padding of a strided layer delays the output; compare an impulse with its decoding.",
    "skipped_steps": "Usually batches are skipped unseen, or steps count otherwise; look for a NaN that is caught.",
    "trivial": "Usually the target is the input or held-out clips were learnt from; listen, and look at the split.",
    "few_crops": "Usually too few clips are held out; try a larger validation_share or more clips.",
    # The adversarial part.
    "dead_discriminator": "Usually the discriminator gets no gradient or too low a rate; try its rate and its update.",
    "adversarial_explosion": (
        "Usually the adversarial weight is too high for a discriminator that begins untrained; try a lower weight or a "
        "later, slower start."
    ),
}
