"""Where one running instance keeps its state: folders under DATA_DIR, and the development secrets in it.

Settings, the runner and the tests all ask here, so that `DATA_DIR=… manage.py` finds the servers that `make run` started.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# A unix socket path holds 107 bytes; Postgres names its socket `.s.PGSQL.5432` inside the folder.
SOCKET_PATH_LIMIT = 107
LONGEST_SOCKET_NAME = len("/.s.PGSQL.5432.lock")
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True)
class Instance:
    """The places of one instance. `data_dir` is absolute."""

    data_dir: Path

    @property
    def socket_dir(self) -> Path:
        """Short enough for a unix socket, and plain enough to stand in an address (`unix://…`) as it is.

        Where DATA_DIR is neither, the sockets get a folder of their own under the temporary directory.
        """
        inside = self.data_dir / "run"
        if len(os.fsencode(inside)) + LONGEST_SOCKET_NAME <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(inside)):
            return inside
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"akashml-{os.getuid()}-{digest}"

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def valkey_socket(self) -> Path:
        return self.socket_dir / "valkey.sock"

    @property
    def mail_dir(self) -> Path:
        return self.data_dir / "mail"

    @property
    def database_url(self) -> str:
        return f"postgresql://akashml@:5432/akashml?host={quote(str(self.socket_dir), safe='')}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.valkey_socket}"

    def secret(self, name: str, size: int = 48) -> str:
        """A development secret of `size` random bytes that stays the same for this DATA_DIR; made at first use."""
        path = self._secret_file(name)
        # A link from a temporary name makes the first writer win, whoever else starts at the same time.
        if not path.exists():
            temporary = self._temporary_secret(secrets.token_urlsafe(size))
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass  # another process wrote it first: use theirs
            finally:
                os.unlink(temporary)
        return path.read_text().strip()

    def remember(self, name: str, value: str) -> None:
        """Keep a secret that was made elsewhere, in place of an earlier one of that name."""
        os.replace(self._temporary_secret(value), self._secret_file(name))

    def recall(self, name: str) -> str:
        """What was kept under that name; empty when nothing was."""
        path = self._secret_file(name)
        return path.read_text().strip() if path.exists() else ""

    def _secret_file(self, name: str) -> Path:
        folder = self.data_dir / "secrets"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / name

    def _temporary_secret(self, value: str) -> str:
        handle, path = tempfile.mkstemp(dir=self.data_dir / "secrets")  # mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(value)
        return path
