"""One runner for one DATA_DIR."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from akashml.runner.errors import StartError


def take(data_dir: Path) -> IO[str]:
    """Make `data_dir` ours until this process ends, however it ends; keep the result. Raises StartError when it is another's."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (data_dir / "runner.lock").open("a+")
    except OSError as error:
        raise StartError(f"DATA_DIR={data_dir} cannot be used: {error.strerror}. Set DATA_DIR to a folder that you may write to.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "?"
        file.close()
        raise StartError(
            f"DATA_DIR={data_dir} is in use by a running instance (process {holder}): stop that one, or set DATA_DIR and PORT to others."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
