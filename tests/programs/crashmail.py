"""A listener in the manner of superlance: told of an unexpected exit, it asks the daemon about it and writes a mail.

crashmail.py FILE
"""

import os
import sys

from supervisor import childutils


def main() -> None:
    rpc = childutils.getRPCInterface(os.environ)
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        pheaders, _ = childutils.eventdata(payload + "\n")
        if headers["eventname"] == "PROCESS_STATE_EXITED" and not int(pheaders["expected"]):
            info = rpc.supervisor.getProcessInfo("{groupname}:{processname}".format(**pheaders))
            with open(sys.argv[1], "a", encoding="utf-8") as file:
                file.write("{processname} exited unexpectedly from {from_state}".format(**pheaders))
                file.write(f" with {info['exitstatus']} (pid {pheaders['pid']})\n")
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
