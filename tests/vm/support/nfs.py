# SPDX-License-Identifier: Apache-2.0
"""An NFSv4 server on loopback, Debian's nfs-ganesha, unpacked and without rights: its files are in memory, up to 1 MiB each, and
gone with it. A guest reaches it through --guest-forward."""

import signal
import socket
import subprocess
import sys
import time

from . import clients

sys.path.insert(0, str(clients.TOP / "qemu"))
import node as qemu_node  # noqa: E402

GUEST_ADDRESS = "10.0.2.100"
EXPORT = "/x"

# Without a portmapper, Kerberos, the system's bus and a name service: NFSv4 over TCP alone, owners as numbers.
CONFIG = """
NFS_CORE_PARAM {{
	Plugins_Dir = "{root}/usr/lib/x86_64-linux-gnu/ganesha";
	Protocols = 4; Bind_addr = 127.0.0.1; NFS_Port = {port};
	Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false; allow_set_io_flusher_fail = true;
}}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSv4 {{ RecoveryBackend = fs; RecoveryRoot = "{folder}/recovery"; Graceless = true; Only_Numeric_Owners = true; UseGetpwnam = true; }}
MEM {{ Inode_Size = 1048576; }}
EXPORT {{
	Export_Id = 1; Path = {export}; Pseudo = {export}; Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
	Protocols = 4; Transports = TCP; FSAL {{ Name = MEM; }}
}}
"""


class Server:
    def __init__(self, folder):
        root = clients.packages("nfs")
        self.port = qemu_node.free_port()
        (folder / "recovery").mkdir(parents=True)
        (folder / "conf").write_text(CONFIG.format(root=root, port=self.port, folder=folder, export=EXPORT))
        loader, option, libraries, program = clients.command("ganesha.nfsd", "nfs")
        words = [loader, option, f"{libraries}:{root}/usr/lib/ganesha", program, "-F", "-x", "-f", folder / "conf", "-p", folder / "pid",
                 "-L", folder / "log"]  # fmt: skip
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._listens():
            assert time.monotonic() < deadline and self.process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError:
            return False

    @property
    def forward(self):
        return f"{GUEST_ADDRESS}:2049=127.0.0.1:{self.port}"

    def freeze(self):
        """Connections stay, and nothing is answered: a server whose network went."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.thaw()
        self.process.kill()
        self.process.wait()
