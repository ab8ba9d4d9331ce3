#!/usr/bin/env python
"""Django's command line. `DATA_DIR=… manage.py COMMAND` talks to the instance that keeps its state there."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "akashml.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
