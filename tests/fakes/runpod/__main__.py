"""The fake for a person: PYTHONPATH=tests python -m fakes.runpod --port 8123."""

import argparse
import json
import sys
import threading
from dataclasses import asdict

from fakes.runpod.account import Account
from fakes.runpod.api import Api
from fakes.runpod.contract import Contract, openapi_path
from fakes.runpod.faults import Fault
from fakes.runpod.pods import Paper, Runner
from fakes.runpod.server import FAULTS, serving

EXAMPLE = {name: value for name, value in asdict(Fault("POST", "/pods", after=True)).items() if value is not None}


def main() -> None:
    """Serves until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A RunPod that costs nothing, on this machine.")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--containers", action="store_true", help="pods are containers of the local Docker engine")
    parser.add_argument("--balance", type=float, help="USD that the account has")
    options = parser.parse_args()
    runner: Runner = Paper(start_seconds=5.0)
    if options.containers:
        from fakes.runpod.containers import Containers

        runner = Containers()
    try:
        contract = Contract.read(takes_cmd=True)
    except FileNotFoundError:
        sys.exit(f"needs RunPod's OpenAPI document: put it at {openapi_path()}, or name it in CODECJOB_RUNPOD_OPENAPI")
    account = Account(runner, balance=options.balance)
    with serving(Api(account, contract), options.port) as server:
        root = server.url.removesuffix("/v2")
        print(f"export CODECJOB_RUNPOD_URL={server.url} RUNPOD_API_KEY={account.key}")  # noqa: T201
        print(f"# faults: curl -d '{json.dumps([EXAMPLE])}' {root}{FAULTS}", flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
