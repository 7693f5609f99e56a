"""Histories of runs: the real code of launch, agent, supervisor, watchdog, reconcile and resume in a small world.

Only what lies outside is played: the provider, the store, the clock, and the trainer's process.
"""

import contextlib
import errno
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from fakes.memory_store import MemoryStore
from fakes.rented_pods import Container, Plan, Rented, RentedPods
from fakes.world import EPOCH, Process, World
from infra import background
from infra.pods import PROVIDERS, WORKSPACE_VARIABLE, ProviderKind
from infra.store import StoreFull, Unavailable
from job import speech
from job.dataset.manifest import Manifest
from job.errors import UsageError
from job.pod import (
    agent,
    checkpoint_uploader,
    claim,
    conclusion,
    member,
    record_sync,
    self_termination,
    supervisor,
    training,
    worker_node,
)
from job.pod import lost_node as nodes
from job.pod.trainer import LOST_OTHERS, STOPPED_ON_REQUEST
from job.record import store_id
from job.record.documents import Submission
from job.record.no_answer import NO_ANSWER, RECORD_AWAY
from job.record.run import Run
from job.record.store_clock import check_clock
from job.run import launch, termination
from job.run.offers import look_for
from job.run.pod_env import Place, PodEnv
from job.run.resume import resume
from job.spec.load import check_spec
from job.watch import reconcile, stop_without_record, watchdog
from job.watch.heartbeat import ALL, StoreClock

RUN_ID = "speech-20270115-080000-0000"
MAX_HOURS = 0.2
SPEC = {
    "name": "speech",
    "data": "/clips",
    "provider": RentedPods.name,
    "image": "me/codec:1",
    "gpu": ["L4", "A40"],
    "max_hours": MAX_HOURS,
    "watch": {"stuck": 200, "starting": 600, "agent": 150},
}
TRAINING_SECONDS = 150.0
CHECKPOINT_SECONDS = 60.0
STARTED_AGAIN = "has been started by somebody else"
# After the last deadline: the supervisor's grace, the agent's tries to end its pod, a restart, and tries again.
GRACE_SECONDS = 900.0
WATCH_SECONDS = 60.0

Act = Literal["submit", "resume", "stop", "reconcile", "terminate orphans", "watch"]


@dataclass(frozen=True)
class Action:
    """What a person or cron does."""

    at: float
    act: Act
    dies_at: int | None = None
    """The call to the outside at which the process is killed."""
    stranger: bool = False
    """With another account's key, which lists none of the pods."""


@dataclass(frozen=True)
class Clocks:
    """Seconds by which the clocks of the machines are ahead of the world's."""

    client: float = 0.0
    watchdog: float = 0.0
    pod: float = 0.0
    store: float = 0.0

    def of(self, act: Act) -> float:
        """Of the machine on which somebody acts: who submits or resumes is refused when his clock is wrong."""
        if act in ("submit", "resume"):
            return self.store
        return self.watchdog if act == "watch" else self.client


@dataclass
class History:
    """Everything that happens to one run, in seconds since the beginning."""

    actions: list[Action] = field(default_factory=lambda: [Action(0.0, "submit")])
    plan: Plan = field(default_factory=Plan)
    store_away: list[tuple[float, float]] = field(default_factory=list)
    """(begin, length) of the store's outages. A write that begins in one may have worked."""
    nodes: int = 1
    clocks: Clocks = field(default_factory=Clocks)
    store_full: list[tuple[float, float]] = field(default_factory=list)
    """(begin, length) of the times in which the store can be read and takes no write."""
    hostile: list[tuple[float, str, bytes]] = field(default_factory=list)
    """(when, name, bytes) of what a pod writes into its own part of the record, where its credentials let it."""
    mute: bool = False
    """Whatever a process prints fails, as on a full disk."""
    vanish_at: float | None = None
    """All pods of this moment are lost by the vendor."""


class Full(io.TextIOBase):
    """A log on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


class Story:
    """One history being told, and what it came to."""

    def __init__(self, history: History, folder: Path) -> None:
        self.history = history
        self.folder = folder
        self.world = World()
        self.store = MemoryStore("story", lambda: self.world.now + history.clocks.store)
        self.store.before = self._before
        self.store.after = self._after
        self.provider = RentedPods(self.world, history.plan, self._run_agent)
        self.provider.on_launch = self._check_launch
        self.provider.end_pod = self._end_pod
        self.provider.pod_clock_ahead = history.clocks.pod
        self.trainings: list[Trainer] = []
        self.beside: list[BesideTrainer] = []
        """What trains in the nodes beside the first."""
        self.troubles: list[str] = []
        self.calls: dict[str, int] = {}
        """Of each kind of process, the most calls to the outside that one of them has made."""
        self.processes: list[Process] = []
        self.stops_unrecorded = 0
        """How often a run was stopped without its record."""
        self.healed = False
        self.run = Run(self.store, RUN_ID)
        self.spec = check_spec(SPEC | {"nodes": history.nodes}, "story")
        empty = Manifest(sample_rate=16000, shards=(), clips=())
        self.store.put("datasets/none/manifest.json", empty.model_dump_json().encode())

    def tell(self) -> None:
        """Everything, until all deadlines are over and a watchdog has looked often enough after that."""
        with self._on_stage():
            try:
                self._play()
            finally:
                self.world.end()
        for actor in self.world.actors:
            kind = actor.process.kind
            self.calls[kind] = max(self.calls.get(kind, 0), actor.process.calls)
            unforeseen = actor.error is not None and not isinstance(actor.error, (*NO_ANSWER, UsageError))
            if unforeseen:
                self.troubles.append(f"{kind} crashed: {actor.error!r}")

    def _play(self) -> None:
        for action in self.history.actions:
            process = Process(action.act, action.dies_at)
            process.clock_ahead = self.history.clocks.of(action.act)
            process.stranger = action.stranger
            self.world.spawn(process, self._target(action.act), EPOCH + action.at)
        if self.history.hostile:
            self.world.spawn(Process("hostile"), self._be_hostile)
        if self.history.vanish_at is not None:
            self.world.spawn(Process("vendor"), self._vanish, EPOCH + self.history.vanish_at)
        last = max(action.at for action in self.history.actions)
        self.world.run(EPOCH + last + 1000.0)
        self.healed = True
        self.provider.healthy_from = self.world.now
        # A watchdog may have started an attempt of its own just before.
        self.world.run(self.world.now + MAX_HOURS * 3600 + GRACE_SECONDS)
        self._check_unwatched()
        for _ in range(3):
            process = Process("watch")
            process.clock_ahead = self.history.clocks.watchdog
            self.world.spawn(process, self._target("watch"))
            self.world.run(self.world.now + MAX_HOURS * 3600 + GRACE_SECONDS)
        self._check_watched()

    def _check_launch(self, rented: Rented) -> None:
        """A pod that no claim has named, since its launch gave no clear answer, may be there besides; no other."""
        for other in self.provider.billed():
            claim = self.store.objects.get(f"runs/{RUN_ID}/orders/{other.request.attempt}/claim.json")
            if claim is not None and other.id in claim[0].decode():
                self.troubles.append(f"{rented.id} is launched while {other.id} is the run's")

    def _check_unwatched(self) -> None:
        """Where pods may end themselves and begin to run at all, nobody has to watch."""
        if self.history.plan.refuses_self or self.history.nodes > 1:
            return
        left = [rented.id for rented in self.provider.billed() if not rented.stuck]
        if left:
            self.troubles.append(f"billed after the deadline, with nobody watching: {left}")

    def _check_watched(self) -> None:
        left = [rented.id for rented in self.provider.billed()]
        if left:
            self.troubles.append(f"billed at the end: {left}")
        for attempt in self.run.attempts() if self._submitted() else []:
            outcome = attempt.outcome()
            if attempt.claim() is not None and outcome is None:
                self.troubles.append(f"attempt {attempt.number} has a pod's claim and no outcome")
            if outcome is not None and outcome.cause is None:
                self.troubles.append(f"attempt {attempt.number} ended without a cause: {outcome.reason}")
            if outcome is not None and "crashed" in outcome.reason:
                self.troubles.append(f"attempt {attempt.number}: {outcome.reason}")
        made: dict[int, list[str]] = {}
        for rented in self.provider.pods.values():
            made.setdefault(rented.request.attempt, []).append(rented.id)
        self.troubles += [f"attempt {number} made {pods}" for number, pods in made.items() if len(pods) > 1]

    def _submitted(self) -> bool:
        return f"runs/{RUN_ID}/spec.json" in self.store.objects

    def _target(self, act: Act) -> Callable[[], Any]:
        def submit() -> None:
            submission = Submission(submitted=self.world.now, dataset="none", spec=self.spec.model_dump(mode="json"))
            self.run.create(submission)
            store_id.settle(self.store)
            ahead = check_clock(self.store)
            candidates = look_for(self.provider, self.spec).candidates
            planned = launch.plan(self.store, RUN_ID, 1, self.spec, candidates, ahead=ahead)
            launch.start(self.provider, self.run.attempt(1), planned)

        def stop() -> None:
            try:
                for attempt in self.run.attempts():
                    termination.end(self.provider, attempt, "stop requested", "by hand", "client", speech.tell)
            except RECORD_AWAY:
                seen = stop_without_record.look([self.store.url])
                if seen.run(RUN_ID, ()):
                    stop_without_record.end(seen, RUN_ID, speech.tell)
                    self.stops_unrecorded += 1

        def settle(terminate: bool) -> None:
            run_ids = [RUN_ID] if self._submitted() else []
            clock = StoreClock(self.store, "reconcile")
            reconcile.settle(self.store, self.provider, run_ids, terminate, clock, "client")

        def watch() -> None:
            clock = StoreClock(self.store, ALL)
            for _ in range(3):
                watchdog.look_after_all(self.store, clock, True, speech.tell)
                self.world.sleep(WATCH_SECONDS)

        return {
            "submit": submit,
            "resume": lambda: resume(self.run, self.provider, say=speech.tell),
            "stop": stop,
            "reconcile": lambda: settle(terminate=False),
            "terminate orphans": lambda: settle(terminate=True),
            "watch": watch,
        }[act]

    def _end_pod(self, container: Container) -> None:
        env = PodEnv.read({**container.env, WORKSPACE_VARIABLE: str(self.folder)})
        self_termination.close(env)
        self_termination.end(env, None)

    def _run_agent(self, container: Container) -> int:
        workspace = self.folder / f"{container.rented.id}-{container.rank}-{container.rented.starts}"
        workspace.mkdir()
        container.more_env = {WORKSPACE_VARIABLE: str(workspace)}
        env = PodEnv.read(container.env)
        if container.rank > 0:
            return self._run_node(container, env)
        worker = agent.Agent(env)

        def told() -> None:
            worker.told_at = worker.told_at or self.world.now

        container.told = told
        return agent.attend(worker)

    def _run_node(self, container: Container, env: PodEnv) -> int:
        worker = worker_node.Node(env)

        def told() -> None:
            worker.told_at = worker.told_at or self.world.now

        container.told = told
        return worker.work()

    def rented_of(self, process: Process) -> Rented:
        """The pod that a process runs in."""
        return next(rented for rented in self.provider.pods.values() if process in rented.processes)

    def _vanish(self) -> None:
        for rented in self.provider.billed():
            self.provider.remove(rented.id)

    def _be_hostile(self) -> None:
        for at, name, data in sorted(self.history.hostile):
            self.world.sleep(max(EPOCH + at - self.world.now, 0.0))
            for rented in self.provider.billed():
                key = f"runs/{RUN_ID}/attempts/{rented.request.attempt}/{name}"
                self.store.objects[key] = (data, self.world.now)

    def _full(self) -> bool:
        at = self.world.now - EPOCH
        return not self.healed and any(begin <= at < begin + length for begin, length in self.history.store_full)

    def _away(self) -> bool:
        at = self.world.now - EPOCH
        return not self.healed and any(begin <= at < begin + length for begin, length in self.history.store_away)

    def _before(self, method: str) -> None:
        if not hasattr(self.world.local, "actor"):
            return  # the test itself reads
        self.world.step()
        if self._away() and method not in ("put", "create"):
            raise Unavailable("the store does not answer")
        if self._full() and method in ("put", "create", "upload"):
            raise StoreFull("no space left on device")

    def _after(self, method: str) -> None:
        if hasattr(self.world.local, "actor") and self._away():
            raise Unavailable("the store does not answer")

    @contextlib.contextmanager
    def _on_stage(self) -> Iterator[None]:
        """The real modules with the world's clock and threads, and the played trainer, in longer steps of time."""
        heard = Full() if self.history.mute else io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(heard),
            contextlib.redirect_stderr(heard),
        ):
            for name, module in list(sys.modules.items()):
                if name.startswith("job.") and getattr(module, "time", None) is time:
                    patch.setattr(module, "time", self.world.time)
            patch.setattr(background, "threading", self.world.threading)
            patch.setattr(record_sync, "threading", self.world.threading)
            patch.setattr(checkpoint_uploader, "threading", self.world.threading)
            patch.setattr(training, "Trainer", lambda *given: Trainer(self, *given))
            patch.setattr(worker_node, "Trainer", lambda *given: BesideTrainer(self, *given))
            for module in (member, self_termination):
                patch.setattr(module, "open_store", lambda url: self.store)
            # Paid pods that are at home would want no bucket; nothing ends with its first process here.
            kind = ProviderKind(lambda: self.provider, "the fake", at_home=True, pulls_image=False)
            patch.setitem(PROVIDERS, RentedPods.name, kind)
            patch.setattr(stop_without_record, "PROVIDERS", (RentedPods.name,))
            patch.setattr(stop_without_record, "marks_at", lambda url: store_id.marks_of(self.store))
            patch.setattr(watchdog, "paid_providers", list)  # what the run names is asked
            patch.setattr(training, "TICK_SECONDS", 15.0)
            patch.setattr(claim, "POLL_SECONDS", 15.0)
            patch.setattr(worker_node, "TICK_SECONDS", 15.0)
            patch.setattr(nodes, "POLL_SECONDS", 5.0)
            patch.setattr(agent, "INSIST_PAUSE_SECONDS", 20.0)
            patch.setattr(conclusion, "INSIST_PAUSE_SECONDS", 20.0)
            patch.setattr(worker_node, "INSIST_PAUSE_SECONDS", 60.0)
            patch.setattr(record_sync, "ROUND_SECONDS", 15.0)
            patch.setattr(record_sync, "BEAT_SECONDS", 15.0)
            patch.setattr(supervisor, "POLL_SECONDS", 60.0)
            patch.setattr(termination, "POLL_SECONDS", 5.0)
            patch.setattr(termination, "BEAT_AGAIN_SECONDS", 20.0)  # a little more than a beat
            yield


class Trainer:
    """What the agent sees of a trainer's process: its beat, its checkpoints, its end."""

    def __init__(
        self, story: Story, spec: Any, run_id: str, data: Path, folder: Path, log: Path, place: Place | None
    ) -> None:
        self.story = story
        self.process = story.world.me().process
        self.folder = folder
        self.patience = 0.0
        self.asked = False
        self.ended = False
        self.began = story.world.now
        self.saved = 0
        self.log = log
        self.failed = False
        self.rented = story.rented_of(self.process)
        self.met: list[BesideTrainer] = []
        """The others, once all have come."""
        folder.mkdir(parents=True, exist_ok=True)
        if any(other.lives() for other in story.trainings):
            story.troubles.append(f"two pods train one run at {story.world.now - EPOCH:.0f} s")
        story.trainings.append(self)

    def lives(self) -> bool:
        return not self.ended and not self.process.dead

    def exit_code(self) -> int | None:
        if len(self.met) < self.rented.nodes - 1 and not self._meet():
            self.began = self.story.world.now
            return None
        if not all(other.process_lives() for other in self.met):
            self.ended = self.failed = True
            with self.log.open("a") as log:
                log.write("error: rank 0 has lost the others: Connection closed by peer\n")
            return LOST_OTHERS
        trained = self.story.world.now - self.began
        over = trained >= TRAINING_SECONDS
        if self.asked or over or trained >= (self.saved + 1) * CHECKPOINT_SECONDS:
            self._save()
        progress = {"step": int(trained), "epoch": 1, "phase": "training", "time": self.story.world.wall_clock()}
        (self.folder / "progress.json").write_text(json.dumps(progress))
        self.ended = self.asked or over
        if not self.ended:
            return None
        return STOPPED_ON_REQUEST if self.asked else 0

    def _meet(self) -> bool:
        here = [other for other in self.story.beside if other.rented is self.rented and other.lives()]
        if len(here) < self.rented.nodes - 1 and not self.asked:
            return False
        self.met = here
        for other in here:
            other.first = self
        return True

    def ask_to_stop(self, reason: str) -> None:
        self.asked = True

    def wake_and_dump(self) -> int:
        return 0

    def press(self) -> str | None:
        return None

    def _save(self) -> None:
        self.saved += 1
        newest = max((int(path.name) for path in (self.folder / "checkpoints").glob("[0-9]*")), default=0)
        whole = self.folder / "checkpoints" / f"{newest + 1:08d}"
        whole.mkdir(parents=True)
        (whole / "manifest.json").write_text(json.dumps({"step": newest + 1, "finite": True, "files": {}}))


class BesideTrainer:
    """The same in a node beside the first: it ends with the first one's, well or not."""

    def __init__(
        self, story: Story, spec: Any, run_id: str, data: Path, folder: Path, log: Path, place: Place | None
    ) -> None:
        self.owner = story.world.me().process
        self.rented = story.rented_of(self.owner)
        self.log = log
        self.first: Trainer | None = None
        self.asked_at: float | None = None
        self.code: int | None = None
        self.process = self  # what a node ends at last
        story.beside.append(self)

    def process_lives(self) -> bool:
        return not self.owner.dead and self.code in (None, 0, STOPPED_ON_REQUEST)

    def lives(self) -> bool:
        return self.process_lives() and self.code is None

    def exit_code(self) -> int | None:
        if self.code is None and self.first is not None:
            if self.first.ended and not self.first.failed:
                self.code = STOPPED_ON_REQUEST if self.first.asked else 0
            elif not self.first.lives():
                self.code = LOST_OTHERS
                with self.log.open("a") as log:
                    log.write("error: rank 1 has lost the others: Connection closed by peer\n")
        return self.code

    def ask_to_stop(self, reason: str) -> None:
        self.asked_at = 0.0
        if self.first is not None and self.first.lives():
            self.first.asked = True  # all agree on it through an exchange that they make anyway
        else:
            self.code = STOPPED_ON_REQUEST

    def terminate(self) -> None:
        self.code = -15 if self.code is None else self.code

    kill = terminate


def told(history: History) -> Story:
    """The story of a history, told to its end."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        story = Story(history, Path(folder))
        story.tell()
    return story
