"""Leads *.salesforce.com to the simulator; Python imports it where this folder is on PYTHONPATH."""

import os
import socket

_resolve = socket.getaddrinfo


def _getaddrinfo(host, port, *arguments, **options):
    if isinstance(host, str) and host.endswith(".salesforce.com"):
        host, port = "127.0.0.1", int(os.environ["SIMULATOR_PORT"])
    return _resolve(host, port, *arguments, **options)


socket.getaddrinfo = _getaddrinfo
