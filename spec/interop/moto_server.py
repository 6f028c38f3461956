"""A moto server on a free port of the loopback interface, until standard input ends or its time is over.

Usage: moto_server.py FILE      (FILE gets the port)
"""

import os
import sys
import threading

from moto.server import ThreadedMotoServer

LIFETIME = 600  # seconds

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
with open(sys.argv[1] + ".new", "w", encoding="ascii") as file:
    file.write(f"{port}\n")
os.rename(sys.argv[1] + ".new", sys.argv[1])

ended = threading.Event()


def wait_for_the_end():
    sys.stdin.read()
    ended.set()


threading.Thread(target=wait_for_the_end, daemon=True).start()
ended.wait(LIFETIME)
os._exit(0)
