# mypy: ignore-errors
"""Other tools' stoppers on validation rows. Runs in an environment of its own: it imports nothing of this project.

stdin: {"teachers": [rows of runs that went well], "cases": {name: rows}}, a row being {"loss", "snr_db"} with null for
what is missing. stdout: {tool: {name: index of the row at which it stops, or null}}; a tool that is not installed has
null instead of an object.
"""

import contextlib
import importlib.metadata
import json
import logging
import math
import sys
import warnings

MODES = {"loss": "min", "snr_db": "max"}


def early_stopping(metric):
    """Lightning's EarlyStopping(patience=3, check_finite=True), asked as its Trainer asks it."""
    import torch
    from lightning.pytorch.callbacks import EarlyStopping

    def stops(rows, _):
        stopper = EarlyStopping(metric, patience=3, check_finite=True, mode=MODES[metric])
        for number, value in values(rows, metric):
            if stopper._evaluate_stopping_criteria(torch.tensor(value))[0]:
                return number
        return None

    return stops


def optuna_pruner(make, metric):
    """A pruner, asked after each row, beside trials that went well."""
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)

    def stops(rows, teachers):
        direction = "minimize" if MODES[metric] == "min" else "maximize"
        study = optuna.create_study(direction=direction, pruner=make(optuna))
        for teacher in teachers:
            told = values(teacher, metric)
            if told:
                study.add_trial(
                    optuna.trial.create_trial(
                        value=told[-1][1] if math.isfinite(told[-1][1]) else 1e9, intermediate_values=dict(told)
                    )
                )
        trial = study.ask()
        for number, value in values(rows, metric):
            trial.report(value, number)
            if trial.should_prune():
                return number
        return None

    return stops


def ray_plateau(metric):
    """Ray Tune's TrialPlateauStopper with its defaults."""
    from ray.tune.stopper import TrialPlateauStopper

    def stops(rows, _):
        stopper = TrialPlateauStopper(metric, mode=MODES[metric])
        for number, value in values(rows, metric):
            if stopper("trial", {metric: value}):
                return number
        return None

    return stops


def ray_stop(metric, limit):
    """Ray Tune's stop={metric: limit}: stops once the metric is at or above the limit."""
    from ray.tune.experiment import Trial

    def stops(rows, _):
        trial = Trial("codec", stopping_criterion={metric: limit}, stub=True)
        for number, value in values(rows, metric):
            if trial.should_stop({metric: value}):
                return number
        return None

    return stops


def values(rows, metric):
    """(index, value) of the rows that have the metric."""
    return [(number, row[metric]) for number, row in enumerate(rows) if row[metric] is not None]


TOOLS = {
    "Lightning EarlyStopping(loss, patience=3)": ("lightning", lambda: early_stopping("loss")),
    "Lightning EarlyStopping(snr_db, patience=3)": ("lightning", lambda: early_stopping("snr_db")),
    "Optuna MedianPruner(loss)": ("optuna", lambda: optuna_pruner(lambda o: o.pruners.MedianPruner(), "loss")),
    "Optuna MedianPruner(snr_db)": ("optuna", lambda: optuna_pruner(lambda o: o.pruners.MedianPruner(), "snr_db")),
    "Optuna PatientPruner(None, 3)(snr_db)": (
        "optuna",
        lambda: optuna_pruner(lambda o: o.pruners.PatientPruner(None, 3), "snr_db"),
    ),
    "Ray TrialPlateauStopper(snr_db)": ("ray", lambda: ray_plateau("snr_db")),
    "Ray TrialPlateauStopper(loss)": ("ray", lambda: ray_plateau("loss")),
    "Ray stop={loss: 1.0}": ("ray", lambda: ray_stop("loss", 1.0)),
}


def main():
    """Answers the question on stdin."""
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    answer = {}
    with contextlib.redirect_stdout(sys.stderr):
        for name, (package, make) in TOOLS.items():
            try:
                stops, version = make(), importlib.metadata.version(package)
            except ImportError:
                answer[name] = None
                continue
            found = {case: stops(rows, asked["teachers"]) for case, rows in asked["cases"].items()}
            answer[f"{name}, {package} {version}"] = found
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
