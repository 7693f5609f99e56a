"""What the fake has to rent."""

from dataclasses import dataclass, field
from typing import Any

CUDA = "13.0"


@dataclass
class Gpu:
    """One kind of GPU: USD an hour for one, by cloud, and the stock by cloud and data center."""

    id: str
    name: str
    memory: int
    prices: dict[str, float]
    stock: dict[str, dict[str, str]] = field(default_factory=dict)
    most: int = 8
    manufacturer: str = "NVIDIA"

    def free(self, cloud: str, count: int) -> dict[str, str]:
        """Data centers with so many of it, and how much there is."""
        centers = self.stock.get(cloud, {}) if count <= self.most else {}
        return {place: level for place, level in centers.items() if level != "NONE"}

    def document(self, cloud: str, count: int, with_stock: bool) -> dict[str, Any]:
        """As in the catalog."""
        document: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "pool": None,
            "manufacturer": self.manufacturer,
            "memory": self.memory,
            "secure": "SECURE" in self.prices,
            "community": "COMMUNITY" in self.prices,
            "price": {pool: self.prices.get(pool.upper(), 0.0) for pool in ("secure", "community")},
            "maxCount": {pool: self.most * (pool.upper() in self.prices) for pool in ("secure", "community")},
        }
        if with_stock:
            free = self.free(cloud, count)
            order = ("HIGH", "MEDIUM", "LOW")
            document["availability"] = min(free.values(), key=order.index, default="NONE")
            if free:
                if cloud != "COMMUNITY":  # other people's machines are in no data center
                    document["dataCenters"] = [{"id": id, "name": id, "availability": free[id]} for id in sorted(free)]
                document["cudaVersions"] = [{"version": CUDA, "available": True}]
        return document


def slices() -> list[Gpu]:
    """Rows that the vendor lists beside whole GPUs: parts of one, cheaper than it."""
    server = "NVIDIA RTX PRO 6000 Blackwell Server Edition"
    return [
        Gpu(server, "RTX PRO 6000", 96, {"SECURE": 2.0}, {"SECURE": {"EU-RO-1": "LOW"}}),
        Gpu(f"{server} MIG 1g.24gb", "RTX PRO 6000 MIG", 24, {"SECURE": 0.6}, {"SECURE": {"EU-RO-1": "HIGH"}}, 56),
        Gpu("NVIDIA B300 SXM6 AC MIG 1g.34gb", "B300 MIG", 34, {"SECURE": 0.5}, {"SECURE": {"EU-RO-1": "HIGH"}}, 56),
    ]


def default_gpus() -> list[Gpu]:
    """Enough kinds to choose from; prices are made up, near those of 2026."""
    return [
        Gpu(
            "NVIDIA GeForce RTX 4090",
            "RTX 4090",
            24,
            {"SECURE": 0.69, "COMMUNITY": 0.34},
            {"SECURE": {"EU-RO-1": "LOW", "US-KS-2": "HIGH"}, "COMMUNITY": {"": "MEDIUM"}},
        ),
        Gpu("NVIDIA RTX A4000", "RTX A4000", 16, {"SECURE": 0.25, "COMMUNITY": 0.17}, {"SECURE": {"EU-RO-1": "LOW"}}),
        Gpu(
            "NVIDIA H100 80GB HBM3",
            "H100 SXM",
            80,
            {"SECURE": 2.99},
            {"SECURE": {"US-KS-2": "LOW", "EU-RO-1": "NONE"}},
        ),
        Gpu("AMD Instinct MI300X OAM", "MI300X", 192, {"SECURE": 0.1}, {"SECURE": {"EU-RO-1": "HIGH"}}, 8, "AMD"),
    ]
