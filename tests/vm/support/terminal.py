# SPDX-License-Identifier: Apache-2.0
"""A docker client under a terminal of its own, as at a person's desk."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time


class Terminal:
    """Used in a `with`, which ends the client. What the screen got is collected in .seen."""

    def __init__(self, node, *args, rows=24, columns=80):
        self.fd, client = os.openpty()
        self.seen = ""
        self.resize(rows, columns)
        words = [*node.docker_words, *map(str, args)]
        self.process = subprocess.Popen(words, env=node.docker_env(), stdin=client, stdout=client, stderr=client, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip
        os.close(client)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.fd)

    def resize(self, rows, columns):
        """The client hears of it by SIGWINCH."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def _more(self, timeout):
        """False when the client has closed the terminal, or nothing came in time."""
        if not select.select([self.fd], [], [], max(timeout, 0))[0]:
            return False
        with contextlib.suppress(OSError):  # EIO: the client's end is closed
            data = os.read(self.fd, 65536)
            self.seen += data.decode("utf-8", "replace")
            return bool(data)
        return False

    def until(self, text, timeout=40):
        """Reads until @text is on the screen, which is then what comes after it."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert self._more(deadline - time.monotonic()), f"no {text!r} in {self.seen!r}"
        self.seen = self.seen.partition(text)[2]

    def ended(self, timeout=40):
        """The client's exit status, once it has ended by itself; all it said is in .seen."""
        deadline = time.monotonic() + timeout
        while self._more(deadline - time.monotonic()):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 1))
