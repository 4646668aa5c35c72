"""`tethered.py COMMAND…`: replaces itself by COMMAND, which gets SIGTERM when the process that started it dies."""

from __future__ import annotations

import os
import signal
import sys

from shared.runtime.processes import die_with_parent

die_with_parent(signal.SIGTERM)
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is needed
