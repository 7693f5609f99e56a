"""Whose pods a provider lists: an absence is proof only for the account that launched the pod."""

from infra.pods import CannotTell, ProviderError, TellsAccount
from job.record.documents import Claim


def account_of(provider: object) -> str | None:
    """The account whose pods the provider lists; None where nobody says. Raises ProviderError without an answer."""
    return provider.account() if isinstance(provider, TellsAccount) else None


def account_if_told(provider: object) -> str | None:
    """The same of a launch that must not fail for it."""
    try:
        return account_of(provider)
    except ProviderError:
        return None


def is_own(provider: object, claim: Claim | None) -> bool:
    """Whether the provider certainly would list the pod of a claim."""
    return claim is not None and claim.account is not None and account_of(provider) == claim.account


def check_account(provider: object, claim: Claim | None, run_id: str) -> None:
    """Make sure that it is not another account's pod that the provider does not list.

    Raises:
        CannotTell: it is.
        ProviderError: the provider gives no answer.
    """
    if claim is None or claim.account is None:
        return
    asked = account_of(provider)
    if asked is not None and asked != claim.account:
        raise CannotTell(
            f"{run_id}: pod {claim.pod_id} was started by the account {claim.account}, and this is {asked}, which does "
            "not see it: ask with the key (or the machine and $CODECJOB_HOME) that started it"
        )
