"""RunPod's OpenAPI document as a judge of requests and answers."""

import json
import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

VARIABLE = "CODECJOB_RUNPOD_OPENAPI"
ROOT = Path(__file__).parents[3]
BASE = "urn:runpod"
# What RunPod has announced and this version of its document does not have yet.
LATER = {"cmd": {"type": "array", "items": {"type": "string"}}, "entrypoint": {"type": "array"}}


def openapi_path() -> Path:
    """Where the document lies: it is the vendor's and no part of the project."""
    beside = ROOT.parent / "shared" / "reference" / "runpod-v2-openapi.json"
    return Path(os.environ.get(VARIABLE) or beside)


class Contract:
    """Finds what is wrong with a request or an answer, in words."""

    def __init__(self, document: Mapping[str, Any], takes_cmd: bool = False) -> None:
        self.document = deepcopy(dict(document))
        if takes_cmd:
            self.document["components"]["schemas"]["BaseContainerConfig"]["properties"] |= LATER
        resource = Resource(contents=self.document, specification=DRAFT202012)
        self.registry = Registry().with_resource(BASE, resource)
        self.validators: dict[str, jsonschema.Draft202012Validator] = {}

    @classmethod
    def read(cls, takes_cmd: bool = False) -> "Contract":
        """The vendor's own. Raises FileNotFoundError where it is absent."""
        return cls(json.loads(openapi_path().read_text(encoding="utf-8")), takes_cmd)

    def request_errors(self, method: str, template: str, query: Mapping[str, str], body: Any) -> list[str]:
        """Of a path's template such as /v2/pods/{id}. Unknown query parameters are ignored, as RunPod does."""
        operation = self._operation(method, template)
        errors: list[str] = []
        for number, raw in enumerate(operation.get("parameters", [])):
            parameter = self._resolve(raw)
            if parameter["in"] == "query" and parameter["name"] in query:
                here = f"#/paths/{_escape(template)}/{method.lower()}/parameters/{number}"
                value = _typed(query[parameter["name"]], self._resolve(parameter["schema"]))
                found = self._errors([], value, f"{BASE}{raw.get('$ref', here)}/schema")
                errors += [f"query {parameter['name']}: {error}" for error in found]
        if "requestBody" in operation:
            errors += self._errors([template, method.lower(), "requestBody", "content", "application/json"], body)
        elif body is not None:
            errors.append("$: this call takes no body")
        return errors

    def answer_errors(self, method: str, template: str, status: int, document: Any) -> list[str]:
        """Of an answer's status and JSON body (None: no body)."""
        responses = self._operation(method, template)["responses"]
        named = str(status) if str(status) in responses else "default"
        pointer = [template, method.lower(), "responses", named]
        content = self._resolve(responses[named]).get("content", {})
        if not content:
            return [] if document is None else [f"{status}: has a body and should have none"]
        kind = next(iter(content))
        if "json" not in kind:
            return []
        if "$ref" in responses[named]:
            pointer = []
            reference = f"{BASE}{responses[named]['$ref']}/content/{_escape(kind)}/schema"
            return self._errors(pointer, document, reference)
        return self._errors([*pointer, "content", kind], document)

    def _errors(self, pointer: list[str], value: Any, reference: str = "") -> list[str]:
        reference = reference or f"{BASE}#/paths/{'/'.join(map(_escape, pointer))}/schema"
        if reference not in self.validators:
            self.validators[reference] = jsonschema.Draft202012Validator({"$ref": reference}, registry=self.registry)
        return [f"{error.json_path}: {error.message}" for error in self.validators[reference].iter_errors(value)]

    def _operation(self, method: str, template: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document["paths"][template][method.lower()]
        return found

    def _resolve(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in part:
            target: Any = self.document
            for name in part["$ref"].removeprefix("#/").split("/"):
                target = target[name.replace("~1", "/").replace("~0", "~")]
            part = target
        return part


def _typed(value: str, schema: Mapping[str, Any]) -> Any:
    if schema.get("type") == "integer":
        return int(value) if value.lstrip("-").isdecimal() else value
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(value, value)
    return value.split(",") if schema.get("type") == "array" else value


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
