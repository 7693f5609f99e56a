import pytest

from infra.pods import PROVIDERS, ProviderError, open_provider


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_known_provider_opens_under_its_name(name: str) -> None:
    assert open_provider(name).name == name


def test_an_unknown_provider_names_the_nearest_and_all() -> None:
    with pytest.raises(ProviderError, match=r"unknown provider 'locl'; did you mean 'local'[?] known: local"):
        open_provider("locl")
    with pytest.raises(ProviderError, match=r"unknown provider 'mainframe'; known: local"):
        open_provider("mainframe")
