"""What the user got wrong, as opposed to what we got wrong."""


class UserError(ValueError):
    """A mistake of the user's; the message is one line: what, where, how to mend it."""


class AudioError(UserError):
    """A folder or a clip that cannot be trained on."""
