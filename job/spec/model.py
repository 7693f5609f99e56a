"""Model of job.yaml: every key with its type, its limits and its default."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from job.spec.quantities import Hours, Seconds, Usd
from job.verdict.checklist_spec import Checklist
from job.verdict.rules.recipes import RECIPES

NAME_PATTERN = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"


class _Part(BaseModel):
    # YAML knows .inf: hours without an end would leave a pod running for ever.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TrainSpec(_Part):
    """The trainer's flags, under the trainer's own names. What is not given here is the trainer's default."""

    preset: str | None = Field(None, description="named settings for a rate: codec presets lists them")
    recipe: Literal["waveform", "perceptual"] | None = Field(
        None, description="waveform: L1 and VQ; perceptual: with mel spectra and discriminators"
    )
    quantizer_dropout: float | None = Field(
        None, ge=0, lt=1, description="share of crops decoded from their first stages only"
    )
    sample_rate: int | None = Field(None, ge=8000, le=96000, description="Hz")
    segment_length: int | None = Field(None, ge=1, description="samples of a training crop")
    batch_size: int | None = Field(None, ge=1, description="crops per step, on all GPUs together")
    num_epochs: int | None = Field(None, ge=1, description="passes over the duration of the audio")
    learning_rate: float | None = Field(None, gt=0, description="after the warm-up")
    warmup_steps: int | None = Field(None, ge=0, description="steps in which the rate rises")
    grad_clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    hidden_dim: int | None = Field(None, ge=1, description="width of the latent")
    strides: str | None = Field(None, pattern=r"^\d+(,\d+)*$", description="such as 2,2,2,2,5")
    num_quantizers: int | None = Field(None, ge=1, le=255, description="stages of the quantizer")
    mean_quantizers: int | None = Field(None, ge=0, description="stages of a frame on average; 0: all in every frame")
    codebook_size: int | None = Field(None, ge=2, description="codes of each stage")
    codebook_dim: int | None = Field(None, ge=1, description="dimension that the codes live in")
    transform: Literal["none", "mdct"] | None = Field(None, description="what the convolutions start from")
    commitment_weight: float | None = Field(None, ge=0, description="of the commitment error beside the L1 error")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="share of the codebooks' state kept at each step")
    validation_share: float | None = Field(None, gt=0, lt=1, description="share of the clips that is held out")
    validate_every: float | None = Field(
        None, ge=0, description="seconds of audio between validations inside an epoch; 0: at its end only"
    )
    keep_checkpoints: int | None = Field(None, ge=1, description="newest ones on the pod's disk; the store has `keep`")
    seed: int | None = Field(None, ge=0, description="of weights, split and crops")
    precision: Literal["auto", "bf16", "fp32"] | None = Field(None, description="auto: bf16 on GPUs that have it")
    compile: Literal["auto", "on", "off"] | None = Field(None, description="torch.compile; auto: on GPUs only")
    device: Literal["auto", "cpu", "cuda"] | None = Field(None, description="auto: a GPU where there is one")
    experiment_name: str | None = Field(None, description="for people and for wandb; default: the run's name")

    @field_validator("strides", mode="before")
    @classmethod
    def _strides_as_text(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list) else value

    def flags(self) -> list[str]:
        """The command line of these settings."""
        given = self.model_dump(exclude_none=True).items()
        return [word for name, value in given for word in (f"--{name}", f"{value}")]


class Watch(_Part):
    """How many seconds a part of a live run may be silent. Generous: a good run must never be taken for a dead one."""

    starting: Seconds = Field(3600.0, description="from the launch to the agent's first beat; the image is pulled")
    stuck: Seconds = Field(900.0, description="a pod whose container has not started: another machine is taken")
    agent: Seconds = Field(900.0, description="between two beats of the agent")
    silent: Seconds = Field(
        300.0,
        description="between two beats of the training loop; 2 times that if it validates or saves, 6 if it prepares",
    )
    overdue: float = Field(5.0, gt=1, description="a validation is overdue after this many expected epoch times")


class PodSpec(_Part):
    """What a pod needs beside its GPUs. A provider leaves aside what it has no notion of."""

    disk_gb: int = Field(40, ge=5, le=10_000, description="GB of disk; wiped with the pod")
    cloud: Literal["secure", "community"] | None = Field(None, description="which of the provider's pools; either")
    data_centers: tuple[str, ...] = Field((), description="the only ones to start in, in order of preference")
    network_volume: str | None = Field(None, min_length=1, description="id of a volume that is kept")
    registry: str | None = Field(None, min_length=1, description="the provider's id of a private registry's credential")
    min_cuda: str | None = Field(
        None, pattern=r"^\d+\.\d+$", description="CUDA that a host's driver must support; default: the image's label"
    )
    cpus: float | None = Field(None, gt=0, description="limit of a node")
    memory_gb: float | None = Field(None, gt=0, description="limit of a node")
    network: str | None = Field(None, min_length=1, description="network that a container joins, such as host")

    ssh: bool = Field(False, description="let people log in to a pod of runpod, if its image runs an sshd")

    @field_validator("data_centers", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class AccessSpec(_Part):
    """How a pod on another machine reaches the store. Holds no secret: specs are kept in the record."""

    role: str | None = Field(None, pattern=r"^arn:[^:]*:[^ ]{14,}$", description="ARN; the pod gets a session of it")
    runpod_secret: str | None = Field(
        None, pattern=r"^\w+$", description="the pod gets RunPod's secrets <this>_key_id and <this>_secret"
    )
    share_own_key: bool = Field(False, description="give a paid pod the client's own key if there is nothing better")

    @model_validator(mode="after")
    def _one_way(self) -> "AccessSpec":
        if self.role and self.runpod_secret:
            raise ValueError("role and runpod_secret are two ways: keep one")
        return self


class KeepSpec(_Part):
    """Checkpoints that stay in the store (job/record/retention.py); on the trainer's disk: `train.keep_checkpoints`."""

    last: int | None = Field(3, ge=1, description="the newest so many; null keeps every one")
    best: int = Field(1, ge=0, description="the so many with the highest SNR")
    every: int | None = Field(None, ge=1, description="one of every so many epochs")


class NotifySpec(_Part):
    """Who is notified of a run's events (job/watch/notify.py). Holds no secret: specs are kept in the record."""

    webhook: str | None = Field(None, description="${NAME}: the variable that holds the URL; the message is posted")

    @field_validator("webhook")
    @classmethod
    def _names_a_variable(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\$\{[A-Za-z_]\w*\}", value):  # not shown: it may be the secret
            raise ValueError(
                "a webhook's URL is a secret, and specs are kept in the record: "
                "put it into an environment variable of yours and write its name, such as ${CODECJOB_HOOK}"
            )
        return value


class WandbSpec(_Part):
    """Where Weights & Biases keeps the run. Holds no key: specs are kept in the record."""

    mode: Literal["online", "offline", "disabled"] | None = Field(
        None, description="default: online where anything of this section is given"
    )
    project: str | None = Field(
        None, pattern=r"^[^/\\#?%:\s]{1,128}$", description="default: $WANDB_PROJECT, else codecjob"
    )
    entity: str | None = Field(None, pattern=r"^[^/\\#?%:\s]+$", description="user or team; default: the key's own")
    tags: tuple[str, ...] = Field((), description="of the run, beside the one of its verdict")
    runpod_secret: str | None = Field(
        None, pattern=r"^\w+$", description="name of the secret of RunPod that holds the key, for its pods"
    )

    @property
    def on(self) -> bool:
        """Whether Weights & Biases is wanted."""
        return self.mode in ("online", "offline")

    def flags(self) -> list[str]:
        """The trainer's flags for it."""
        return ["--use_wandb", "--wandb_mode", str(self.mode)] if self.on else []

    @field_validator("tags", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("tags")
    @classmethod
    def _as_wandb_takes_them(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(0 < len(tag) <= 64 and "," not in tag for tag in value):
            raise ValueError("a tag has 1 to 64 characters and no comma")
        return value


class JobSpec(_Part):
    """A whole job. Relative folders are read from the folder of the spec file."""

    name: str = Field(pattern=f"^{NAME_PATTERN}$", description="lower-case letters, digits and dashes")
    data: Path = Field(description="folder of wav, flac, ogg or mp3 files")
    provider: str = Field("local", description="where the pod runs")
    image: str | None = Field(None, min_length=1, description="what the pod runs; default: the image pushed last")
    gpu: tuple[str, ...] = Field((), description="one name or several in order of preference; default: the cheapest")
    gpu_count: int | None = Field(None, ge=0, le=64, description="GPUs of a node; default: 1 where there are any")
    nodes: int = Field(1, ge=1, le=64, description="machines that train together")
    max_price_per_hour: Usd | None = Field(None, description="USD for all GPUs of all nodes together")
    pod: PodSpec = Field(PodSpec(), description="what else the machine needs")
    store: str | None = Field(None, description="where the run's record lives; default: codecjob's own folder")
    access: AccessSpec = Field(
        AccessSpec(),
        description="how a pod on another machine reaches the store",
    )
    max_hours: Hours = Field(24.0, description="the pod is ended after this long, whatever it does")
    max_cost: Usd | None = Field(None, description="USD for all attempts together; the run is ended there")
    watch: Watch = Field(Watch(), description="seconds that a part of a live run may be silent")
    keep: KeepSpec = Field(KeepSpec(), description="which checkpoints stay in the store")
    notify: NotifySpec = Field(
        NotifySpec(),
        description="who is notified of a verdict, an abort, the end",
    )
    wandb: WandbSpec = Field(WandbSpec(), description="the run in Weights & Biases")
    train: TrainSpec = Field(
        TrainSpec(),
        description="the trainer's flags; not given: the trainer's default",
    )
    checklist: Checklist = Field(Checklist(), description="how the run is judged")

    @model_validator(mode="before")
    @classmethod
    def _judged_by_the_trainers_recipe(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        train, checklist = data.get("train", {}), data.get("checklist", {})
        checklist = {"strict": True} if checklist == "strict" else checklist
        if not (isinstance(train, dict) and isinstance(checklist, dict)) or train.get("recipe") not in tuple(RECIPES):
            return data
        return {**data, "checklist": {"recipe": train["recipe"], **checklist}}

    @field_validator("wandb", mode="before")
    @classmethod
    def _wandb_is_on_where_anything_of_it_is_given(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return {"mode": "online" if value else "disabled"}
        if not isinstance(value, dict) or value.get("mode") is not None:
            return value
        given = not value or any(item not in (None, [], ()) for item in value.values())
        return {**value, "mode": "online"} if given else value

    @field_validator("gpu", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("gpu")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in value):
            raise ValueError("holds an empty name; `codecjob gpus` lists them")
        return value


def ranks_per_node(spec: JobSpec) -> int:
    """The training processes of a node: one for each GPU, and one where there is none."""
    return max(spec.gpu_count or 1, 1)
