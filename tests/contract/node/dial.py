"""Standard input and output to an address and port: what ssh runs as ProxyCommand, inside the node's network."""

import os
import select
import socket
import sys


def main(address: str, port: int) -> None:
    connection = socket.create_connection((address, port), timeout=10)
    connection.settimeout(None)
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(connection, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                data = os.read(0, 65536)
                if not data:
                    return
                connection.sendall(data)
            else:
                data = connection.recv(65536)
                if not data:
                    return
                while data:
                    data = data[os.write(1, data) :]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
