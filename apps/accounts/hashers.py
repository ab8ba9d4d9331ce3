"""How passwords are stored."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id above OWASP's least (19 MiB twice over), at 32 MiB and one thread.

    Django's own figures take 100 MiB and eight threads: a burst of log-ins would starve the pages of a small machine.
    """

    time_cost = 2
    memory_cost = 32 * 1024  # KiB
    parallelism = 1
