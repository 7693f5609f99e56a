"""A trained model as a torch.export file: encoder and decoder, to be run without this package."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.export.pt2_archive._package import package_pt2

from codec.coding.trained import Trained
from codec.model.codec import Codec

FACTS = "codec.json"  # the name of what the file says of itself


class _Encoder(nn.Module):
    """Normalized audio [1, 1, frames * hop] -> codes [1, stages, frames]."""

    def __init__(self, model: Codec) -> None:
        super().__init__()
        self.model = model

    def forward(self, audio: Tensor) -> Tensor:
        return self.model.encode(audio)


class _Decoder(nn.Module):
    """Codes [1, stages, frames] -> audio [1, 1, frames * hop]."""

    def __init__(self, model: Codec) -> None:
        super().__init__()
        self.model = model

    def forward(self, codes: Tensor) -> Tensor:
        return self.model.decode(codes, codes.shape[-1] * self.model.config.hop)


def export(trained: Trained, path: Path) -> dict[str, Any]:
    """Write the programs `encoder` and `decoder` of any number of frames from 2 on, and return the facts beside them.

    Weights are folded, the gain and the stream are not part of it.
    """
    config = trained.model.config
    frames = Dim("frames", min=2)
    codes = torch.zeros(1, config.num_quantizers, 8, dtype=torch.int64)
    with torch.no_grad():
        encoder = torch.export.export(
            _Encoder(trained.model),
            (torch.zeros(1, 1, 8 * config.hop),),
            dynamic_shapes={"audio": {2: config.hop * frames}},
        )
        decoder = torch.export.export(_Decoder(trained.model), (codes,), dynamic_shapes={"codes": {2: frames}})
    facts = {
        "model": trained.id.hex(),
        "sample_rate": config.sample_rate,
        "hop": config.hop,
        "num_quantizers": config.num_quantizers,
        "codebook_size": config.codebook_size,
    }
    programs = {"encoder": encoder, "decoder": decoder}
    with path.open("wb") as file:
        package_pt2(file, exported_programs=programs, extra_files={FACTS: json.dumps(facts)})
    return facts
