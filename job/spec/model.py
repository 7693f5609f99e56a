"""job.yaml: what a run is asked to be, checked before anything is spent."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from job.errors import UsageError
from job.nearest import did_you_mean
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
    num_quantizers: int | None = Field(None, ge=1, description="stages of the quantizer")
    mean_quantizers: int | None = Field(None, ge=0, description="stages of a frame on average; 0: all in every frame")
    codebook_size: int | None = Field(None, ge=2, description="codes of each stage")
    codebook_dim: int | None = Field(None, ge=1, description="dimension that the codes live in")
    transform: Literal["none", "mdct"] | None = Field(None, description="what the convolutions start from")
    commitment_weight: float | None = Field(None, ge=0, description="of the commitment error beside the L1 error")
    ema_decay: float | None = Field(None, gt=0, lt=1, description="share of the codebooks' state kept at each step")
    validation_share: float | None = Field(None, gt=0, lt=1, description="share of the clips that is held out")
    keep_checkpoints: int | None = Field(None, ge=1, description="newest ones on the pod's disk; the store has `keep`")
    seed: int | None = Field(None, ge=0, description="of weights, split and crops")
    precision: Literal["auto", "bf16", "fp32"] | None = Field(None, description="auto: bf16 on GPUs that have it")
    compile: Literal["auto", "on", "off"] | None = Field(None, description="torch.compile; auto: on GPUs only")
    device: Literal["auto", "cpu", "cuda"] | None = Field(None, description="auto: a GPU where there is one")
    use_wandb: bool | None = Field(None, description="the same as `wandb: true`")
    wandb_mode: Literal["online", "offline", "disabled"] | None = Field(None, description="the same as wandb.mode")
    experiment_name: str | None = Field(None, description="for people and for wandb; default: the run's name")

    @field_validator("strides", mode="before")
    @classmethod
    def _strides_as_text(cls, value: Any) -> Any:
        return ",".join(map(str, value)) if isinstance(value, list) else value

    def flags(self) -> list[str]:
        """The command line of these settings."""
        flags: list[str] = []
        for name, value in self.model_dump(exclude_none=True).items():
            if isinstance(value, bool):
                flags += [f"--{name}"] * value
            else:
                flags += [f"--{name}", f"{value}"]
        return flags


class Watch(_Part):
    """How many seconds a part of a live run may be silent. Generous: a good run must never be taken for a dead one."""

    starting: float = Field(3600.0, gt=0, description="from the launch to the agent's first beat; the image is pulled")
    stuck: float = Field(
        900.0, gt=0, description="a pod whose container has not begun to run: another machine is taken"
    )
    agent: float = Field(900.0, gt=0, description="between two beats of the agent")
    preparing: float = Field(1800.0, gt=0, description="between two beats of the training loop while it prepares")
    compiling: float = Field(1800.0, gt=0, description="the same while it compiles")
    training: float = Field(300.0, gt=0, description="the same while it trains")
    validating: float = Field(600.0, gt=0, description="the same while it validates")
    saving: float = Field(600.0, gt=0, description="the same while it saves, and after the last epoch")
    overdue: float = Field(5.0, gt=1, description="a validation is overdue after this many expected epoch times")
    overdue_least: float = Field(1800.0, gt=0, description="and never before this many seconds")
    polls: int = Field(3, ge=2, description="looks that must all find the same silence")
    poll_seconds: float = Field(5.0, gt=0, description="between two of the watchdog's looks")


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
    """Who is told of a run's turns (job/watch/notify.py). Holds no secret: specs are kept in the record."""

    command: str | None = Field(None, min_length=1, description="shell command; gets the message on its stdin")
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
    """Where Weights & Biases keeps the run (job/wandb_run.py). Holds no key: specs are kept in the record."""

    mode: Literal["online", "offline", "disabled"] | None = Field(
        None, description="default: online where anything of this section is given, or train.use_wandb"
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
    max_price_per_hour: float | None = Field(None, gt=0, description="USD for all GPUs of all nodes together")
    pod: PodSpec = Field(default_factory=lambda: PodSpec.model_validate({}), description="what else the machine needs")
    store: str | None = Field(None, description="where the run's record lives; default: codecjob's own folder")
    access: AccessSpec = Field(
        default_factory=lambda: AccessSpec.model_validate({}),
        description="how a pod on another machine reaches the store",
    )
    max_hours: float = Field(24.0, gt=0, description="the pod is ended after this long, whatever it does")
    max_cost: float | None = Field(None, gt=0, description="USD for all attempts together; the run is ended there")
    watch: Watch = Field(
        default_factory=lambda: Watch.model_validate({}), description="seconds that a part of a live run may be silent"
    )
    keep: KeepSpec = Field(
        default_factory=lambda: KeepSpec.model_validate({}), description="which checkpoints stay in the store"
    )
    notify: NotifySpec = Field(
        default_factory=lambda: NotifySpec.model_validate({}),
        description="who is told of a verdict, an abort, the end",
    )
    wandb: WandbSpec = Field(
        default_factory=lambda: WandbSpec.model_validate({}), description="the run in Weights & Biases"
    )
    train: TrainSpec = Field(
        default_factory=lambda: TrainSpec.model_validate({}),
        description="the trainer's flags; not given: the trainer's default",
    )
    checklist: Checklist = Field(
        default_factory=lambda: Checklist.model_validate({}), description="how the run is judged"
    )

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

    @model_validator(mode="before")
    @classmethod
    def _one_meaning_of_wandb(cls, data: Any) -> Any:
        """`wandb` and the trainer's two flags say the same: whichever is given sets the other."""
        if not isinstance(data, dict):
            return data
        section, train = data.get("wandb", {"mode": None}), data.get("train", {})
        section = {"mode": "online"} if section is True else {"mode": "disabled"} if section is False else section
        if not (isinstance(section, dict) and isinstance(train, dict)):
            return data
        asked = not section or any(value not in (None, [], ()) for value in section.values())
        mode, flag = section.get("mode"), train.get("wandb_mode")
        if not asked and train.get("use_wandb") is not True:
            return {**data, "wandb": section}
        mode = mode or flag or "online"
        if asked and mode != "disabled" and train.get("use_wandb") is False:
            raise ValueError("wandb asks for Weights & Biases and train.use_wandb: false does not: keep one")
        if flag not in (None, mode):
            raise ValueError(f"wandb.mode: {mode} and train.wandb_mode: {flag} contradict each other: keep one")
        wanted = mode != "disabled" or train.get("use_wandb") is True
        flags = {"use_wandb": True, "wandb_mode": mode} if wanted else {}
        return {**data, "wandb": {**section, "mode": mode}, "train": {**train, **flags}}

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


def load_spec(path: Path, overrides: Iterable[str] = ()) -> JobSpec:
    """Reads and checks a spec file, with ``key.sub=value`` laid over it.

    Raises:
        UsageError: the file is missing, is not YAML, or does not fit the model; one line for each problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        missing = "; `codecjob init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise UsageError(f"{path}: cannot read the spec: {reason}{missing}") from error
    document = _parse_yaml(text, str(path))
    if not isinstance(document, dict):
        raise UsageError(f"{path}: a spec is a mapping such as 'name: my-run'; see `codecjob schema`")
    for override in overrides:
        _lay_over(document, override)
    spec = check_spec(document, str(path))
    folder = path.resolve().parent
    changes: dict[str, Any] = {"data": (folder / spec.data.expanduser()).resolve()}
    if spec.store is not None and "://" not in spec.store:
        changes["store"] = str((folder / Path(spec.store).expanduser()).resolve())
    return spec.model_copy(update=changes)


def check_spec(document: Mapping[str, Any], where: str) -> JobSpec:
    """Validates a spec that is already a mapping.

    Raises:
        UsageError: one line for each problem, each naming ``where`` and the key.
    """
    try:
        return JobSpec.model_validate(document)
    except ValidationError as error:
        raise UsageError("\n".join(f"{where}: {_in_words(problem)}" for problem in error.errors())) from None


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"{where}{place}: not valid YAML: {problem}") from error
    except ValueError as error:  # such as a date in month 13
        raise UsageError(f"{where}: not valid YAML: {error}") from error


def _lay_over(document: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not re.fullmatch(r"\w+(\.\w+)*", key):
        raise UsageError(f"--set {override}: write it as key=value, such as --set train.num_epochs=3")
    *parents, last = key.split(".")
    place = document
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {override}: {parent} is not a mapping")
        place = inner
    place[last] = _parse_yaml(value, f"--set {override}")


def _in_words(problem: ErrorDetails) -> str:
    path = [str(part) for part in problem["loc"] if part != "[key]"]
    key = ".".join(path)
    if problem["type"] == "extra_forbidden":
        return f"unknown key{did_you_mean(path[-1], _known_keys(path[:-1]))}" + (f" (in {key})" if path[:-1] else "")
    if problem["type"] == "missing":
        return f"{key} is missing"
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {said}" if key else said
    if problem["type"] == "string_pattern_mismatch" and key == "name":
        said = "should be 1 to 40 lower-case letters, digits and dashes"
    return f"{key}: {said}, not {problem['input']!r}"


def _known_keys(path: list[str]) -> list[str]:
    model: Any = JobSpec.model_json_schema()
    definitions = model["$defs"]
    for part in path:
        model = model.get("properties", {}).get(part) or model.get("additionalProperties", {})
        options = [option for option in model.get("anyOf", [model]) if "$ref" in option]
        if options:
            model = definitions[options[0]["$ref"].removeprefix("#/$defs/")]
    return list(model.get("properties", {}))
