"""Promise: with the settings of production, Django's own review of a deployment finds nothing to say."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.runner.test_a_bad_environment_is_named import PRODUCTION
from tests.servers import ROOT


def test_check_deploy_is_silent() -> None:
    secrets = {"SECRET_KEY": "".join(map(chr, range(48, 112))), "KEY_PEPPER": "p" * 40}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=os.environ | PRODUCTION | secrets,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
