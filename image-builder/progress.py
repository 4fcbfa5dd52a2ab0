# SPDX-License-Identifier: Apache-2.0
"""What the builder tells its reader: one line a step, with the time since it began."""

import sys
import time

START = time.monotonic()


def say(text):
    elapsed = int(time.monotonic() - START)
    print(f"[{elapsed // 60:2d}:{elapsed % 60:02d}] {text}", file=sys.stderr, flush=True)
