"""A stand-in for the Hugging Face hub: folders on disk, served on the loopback device as its client asks for them."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def hub_of(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve ``folder/ORGANISATION/MODEL/`` as repositories.

    A revision is any name; its commit is a digest of it. A repository called ``gated`` asks for terms to be accepted.

    Yields:
        The address, for ``HF_ENDPOINT``, and the paths that were asked for so far.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            parts = self.path.partition("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                self._describe(folder / parts[2] / parts[3], parts[5] if len(parts) > 5 else "main")
            elif len(parts) > 4 and parts[2] == "resolve":
                self._send(folder.joinpath(*parts[:2], *parts[4:]), parts[3])
            else:
                self._answer(404)

        def log_message(self, *_args: object) -> None:
            pass

        def _describe(self, repo: Path, revision: str) -> None:
            if repo.name == "gated":
                self._answer(403, {"X-Error-Code": "GatedRepo"})
            elif not repo.is_dir():
                self._answer(401, {"X-Error-Code": "RepoNotFound"})
            elif revision.startswith("no-"):
                self._answer(404, {"X-Error-Code": "RevisionNotFound"})
            else:
                files = [path.relative_to(repo).as_posix() for path in repo.rglob("*") if path.is_file()]
                described = {
                    "id": f"{repo.parent.name}/{repo.name}",
                    "sha": commit_of(revision),
                    "siblings": [{"rfilename": name} for name in sorted(files)],
                }
                self._answer(200, {"Content-Type": "application/json"}, json.dumps(described).encode())

        def _send(self, path: Path, revision: str) -> None:
            if not path.is_file():
                self._answer(404, {"X-Error-Code": "EntryNotFound"})
                return
            content = path.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            self._answer(200, {"ETag": f'"{etag}"', "X-Repo-Commit": commit_of(revision)}, content)

        def _answer(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def commit_of(revision: str) -> str:
    """The commit that a revision stands for; that of a commit is itself."""
    return revision if len(revision) == 40 else hashlib.sha1(revision.encode()).hexdigest()
