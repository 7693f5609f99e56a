"""The transform front: MDCT, a band envelope that is paid for, a step that follows it, range coding. No torch."""
