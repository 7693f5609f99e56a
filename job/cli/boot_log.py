"""What a provider says of a pod that has not begun to run, read beside everything else: an answer takes seconds."""

import threading
import time

from infra.pods import Provider, ProviderError, TellsBoot

PAUSE_SECONDS = 10.0
LONGEST_LINE = 200


class BootLog:
    """Asks again and again, for as long as somebody wants to know."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider if isinstance(provider, TellsBoot) else None
        self.line = ""
        """The last line of it."""
        self._pod = ""
        self._asked = -PAUSE_SECONDS
        self._thread: threading.Thread | None = None

    def want(self, pod_id: str) -> str:
        """The last line as far as it is known; asks for more in the background."""
        if pod_id != self._pod:
            self._pod, self.line, self._asked = pod_id, "", -PAUSE_SECONDS
        busy = self._thread is not None and self._thread.is_alive()
        if self.provider is not None and not busy and time.monotonic() - self._asked >= PAUSE_SECONDS:
            self._asked = time.monotonic()
            self._thread = threading.Thread(target=self._ask, args=(self.provider, pod_id), daemon=True)
            self._thread.start()
        return self.line

    def _ask(self, provider: TellsBoot, pod_id: str) -> None:
        try:
            lines = b"".join(provider.boot_log(pod_id)).decode(errors="replace").split("\n")
        except ProviderError:
            return  # the look at the pod says it better
        said = ["".join(each for each in line if each.isprintable()).strip() for line in lines]
        self.line = next((line for line in reversed(said) if line), self.line)[:LONGEST_LINE]
