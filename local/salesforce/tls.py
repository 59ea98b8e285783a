"""The server's certificate, from a CA of its own that clients are told to trust."""

import os
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the CA bundle for clients, the server's chain and its key."""

    ca: Path
    certificate: Path
    key: Path


def ensure_tls(state_dir: Path) -> TlsFiles:
    """The files in `tls/` of the state directory, made when they are not all there."""
    folder = state_dir / "tls"
    files = TlsFiles(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    if all(path.exists() for path in (files.ca, files.certificate, files.key)):
        return files
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="iDiscover local stack")
    server = authority.issue_cert("localhost", "127.0.0.1")
    _write(files.key, server.private_key_pem.bytes())
    _write(files.certificate, b"".join(blob.bytes() for blob in server.cert_chain_pems))
    # Last: clients wait for this one.
    _write(files.ca, authority.cert_pem.bytes(), 0o644)
    return files


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    partial = path.with_suffix(f"{path.suffix}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    partial.replace(path)
