"""What each sign usually means and what to try: the second half of its sentence. docs/bad-signs.md says more."""

HINTS = {
    # The table.
    "loss": "Usually codebooks are far from the latents, or the loss has another scale; compare vq with latent_power.",
    "l1_ratio": "Usually nothing has been learnt yet; try more steps or a lower learning rate.",
    "snr_db": (
        "Usually the output is worse than silence: sign, delay or scale; listen to one batch's input, target and "
        "output, then try a lower learning rate."
    ),
    "amplitude": (
        "Usually a decoder that learns too little falls silent: a symptom; check that the weights of each part move "
        "from step to step, then raise the rate or the steps, not the gain."
    ),
    "mel_distance": "Usually the spectrum is not learnt yet; try more steps or a lower learning rate.",
    "perplexity": "Usually codebooks have collapsed; try a lower ema_decay or a lower learning rate.",
    "improvement": "Usually the learning rate is too high or too low; try a third of it, then three times it.",
    # Hard faults.
    "non_finite": (
        "Usually a clip with NaN, or a logarithm or division of zero in loss or decoder; find the first batch that is "
        "not finite, then look at the learning rate."
    ),
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
    "no_learning_rate": (
        "Usually a schedule that never warms up or has decayed to nothing; print the rate of each step of the plan."
    ),
    "rate_above_setting": "Usually a schedule that multiplies without end; print the rate of each step of the plan.",
    "training_plateau": (
        "Usually nothing of the input reaches the output, or the weights do not move; overfit one batch and compare "
        "its input, target and output."
    ),
    "lossy_training": "Usually a clip with NaN or silence in some batches; find the clips of a batch that is lost.",
    # Causes in validation rows.
    "zero_correlation": (
        "Usually nothing of the input reaches the output (dead codebooks, scrambled axes, a cut graph), or targets are "
        "not their inputs; overfit one batch and compare its input, target and output."
    ),
    "silent_plateau": (
        "Usually input and target do not belong together (order, sign, delay, noise), or nothing of the codes reaches "
        "the decoder; overfit one batch and compare its input, target and output."
    ),
    "codebook_collapse": "Usually the encoder left the codes behind; try a lower ema_decay or a lower learning rate.",
    "dead_stages": (
        "Usually later stages get no residual, or their dead codes are not replaced; re-seed dead codes from data, or "
        "train fewer stages."
    ),
    "missed_codes": (
        "Usually codebooks are not updated, or the encoder runs away from them; check that codes move from step to "
        "step, then try a higher commitment_weight."
    ),
    "bypassed_codes": (
        "Usually the quantizer is bypassed, or validation compares the input with itself; decode from the codes alone "
        "and listen."
    ),
    "lost_progress": (
        "Usually the learning rate is too high for what was learnt, or weights were damaged; resume from the best "
        "checkpoint at a third of the rate."
    ),
    "unmoved": (
        "Usually the optimizer does not step, its rate is nothing, or parameters are frozen; compare the weights "
        "before and after a step."
    ),
    "empty_training": "Usually training reads silence, or one batch for ever; listen to the clips of two batches.",
    "unlike_training": (
        "Usually training hears another level or other audio than validation; listen to a batch of both and compare "
        "their levels."
    ),
    "gain_fault": "Usually a gain is applied twice or not at all; compare the levels before and after the model.",
    "inverted": "Usually a flipped sign in the data, a loss or a metric; compare a clip with its decoded samples.",
    "dc_shift": (
        "Usually the output runs into an offset (a bias, a last layer that is dead or saturated), or targets have one; "
        "remove it from the clips and look at the last layer."
    ),
    "misalignment": (
        "Usually the padding of a strided layer, or the target's crop, delays; compare an impulse with its decoding."
    ),
    "skipped_steps": "Usually batches are skipped unseen, or steps count otherwise; look for a NaN that is caught.",
    "trivial": "Usually the target is the input or held-out clips were learnt from; listen, and look at the split.",
    "few_crops": "Usually too few clips are held out; try a larger validation_share or more clips.",
    "overfitting": "Usually there is too little audio for the model; try more audio or fewer epochs.",
    "worst_crops": "Usually some clips are noisy or at another level; listen to the worst of the samples.",
    "clipped": "Usually the output is too loud for its last layer; try a lower level (RMS) of the clips.",
    "high_band": "Usually the loss does not weigh high frequencies; try recipe perceptual, or more steps.",
    "loud": "Usually the decoder is still noisy; listen to the samples, and try more steps.",
    # The adversarial part.
    "dead_discriminator": "Usually the discriminator gets no gradient or too low a rate; try its rate and its update.",
    "adversarial_explosion": (
        "Usually the adversarial weight is too high for a discriminator that begins untrained; try a lower weight or a "
        "later, slower start."
    ),
}

# In place of the sign's own, where the rows say more.
GRADIENT_GREW = (
    "Usually the learning rate is too high or has no warm-up, for the gradient grew before; try a third of it and more "
    "warmup_steps."
)
GRADIENT_WAS_USUAL = (
    "Usually a batch, the loss or a weight, for the gradient was usual before; look at the first such step with "
    "anomaly detection."
)
WRONG_WAY = (
    "Usually the update or the loss has the wrong sign, for nothing was ever learnt at a usual rate; check that one "
    "step lowers the loss of its own batch."
)
