"""Where a person's keys are kept: the system's keyring, or one file of theirs."""
