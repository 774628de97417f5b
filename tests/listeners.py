"""Local servers that receive alerts; they accept and refuse the same requests as the real services."""

import asyncio
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from email.message import Message

PASSWORD = "hush-hush/p@ss"


@dataclass
class Request:
    """A request that was received."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """A response, sent after a delay."""

    status: int = 200
    body: Any = "ok"
    after: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class Service:
    """Sends the given answers in turn and repeats the last one; subclasses answer like a real service."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer()]
        self.requests: list[Request] = []
        self.url = ""

    def bodies(self, path: str) -> list[bytes]:
        return [request.body for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer:  # noqa: ARG002
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, service: Service, *args: Any) -> None:
        self._service = service
        super().__init__(*args)

    def _take(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), headers, body)
        self._service.requests.append(request)
        answer = self._service.answer(request)
        time.sleep(answer.after)
        content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = _take  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or reject our certificate: some tests do that on purpose."""


@contextmanager
def serve(service: Service, context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Run a service on a free port, with TLS if there is a context."""
    with _Server(("127.0.0.1", 0), partial(_Handler, service)) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        service.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
        thread.start()
        yield service
        server.shutdown()
        thread.join()


class GitHubService(Service):
    """The issues of one repository, behind the REST API of GitHub."""

    repository = "acme/wearables"
    token = "ghp_planted-token-1"

    def __init__(self, *, may_label: bool = True) -> None:
        super().__init__()
        self.issues: list[dict[str, Any]] = []
        self.comments: dict[int, list[str]] = {}
        self._may_label = may_label

    def open_titles(self) -> list[str]:
        return [issue["title"] for issue in self.issues if issue["state"] == "open"]

    def answer(self, request: Request) -> Answer:  # noqa: PLR0911
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Answer(401, {"message": "Bad credentials"})
        path = re.fullmatch(rf"/repos/{self.repository}/issues(?:/(\d+)(/comments)?)?", request.path)
        if path is None or request.headers.get("accept") != "application/vnd.github+json":
            return Answer(404, {"message": "Not Found"})
        number, is_comment = int(path[1] or 0), bool(path[2])
        if request.method == "GET":
            return self._list(request)
        if request.method == "POST" and not number:
            return self._create(request.json)
        if request.method == "POST" and is_comment:
            self.comments[number].append(request.json["body"])
            return Answer(201, {"id": len(self.comments[number]), "body": request.json["body"]})
        if request.method == "PATCH":
            issue = self.issues[number - 1]
            issue.update(request.json)
            return Answer(200, issue)
        return Answer(405, {"message": "Method Not Allowed"})

    def _list(self, request: Request) -> Answer:
        labels = set(filter(None, request.query.get("labels", "").split(",")))
        found = [
            issue
            for issue in reversed(self.issues)
            if issue["state"] == request.query.get("state", "open")
            and labels <= {label["name"] for label in issue["labels"]}
        ]
        size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        return Answer(200, found[(page - 1) * size : page * size])

    def _create(self, fields: dict[str, Any]) -> Answer:
        if not fields.get("title"):
            return Answer(422, {"message": "Validation Failed"})
        number = len(self.issues) + 1
        # like GitHub: labels of a user who may not set them are dropped silently
        labels = [{"name": name} for name in fields.get("labels", [])] if self._may_label else []
        issue = {"number": number, "title": fields["title"], "body": fields.get("body"), "state": "open"}
        self.issues.append({**issue, "labels": labels})
        self.comments[number] = []
        return Answer(201, self.issues[-1])


class PushgatewayService(Service):
    """The groups of metrics of a Pushgateway."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[str, dict[str, dict[tuple[tuple[str, str], ...], float]]] = {}

    def answer(self, request: Request) -> Answer:
        group = re.fullmatch(r"/metrics/(job(?:@base64)?/[^/]+(?:/[^/]+/[^/]+)*)", request.path)
        if group is None:
            return Answer(404, "page not found")
        if not request.headers["content-type"].startswith("text/plain") or not request.body.endswith(b"\n"):
            return Answer(400, "text format parsing error")
        families = list(text_string_to_metric_families(request.body.decode()))
        if any(sample.timestamp is not None for family in families for sample in family.samples):
            return Answer(400, "pushed metrics must not have timestamps")
        pushed = {
            family.name: {tuple(sorted(sample.labels.items())): sample.value for sample in family.samples}
            for family in families
        }
        # PUT replaces the group, POST the metrics of the same name
        before = {} if request.method == "PUT" else self.groups.get(group[1], {})
        self.groups[group[1]] = {**before, **pushed}
        return Answer(200, "")


class MailService:
    """A mail server that stores what it receives."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        self.logins: list[str] = []
        self.port = 0
        self.refuses = ""
        self.refused_recipients: set[str] = set()

    # the library defines the names and signatures
    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refused_recipients:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuses:
            return self.refuses
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def authenticate(self, *call: Any) -> AuthResult:
        data = call[-1]
        is_right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        if is_right:
            self.logins.append(data.login.decode())
        return AuthResult(success=is_right, handled=is_right)


@contextmanager
def serve_mail(
    context: ssl.SSLContext | None = None, *, implicit: bool = False, asks: bool = False
) -> Iterator[MailService]:
    """Run a mail server: with implicit TLS, with STARTTLS if there is only a context, or unencrypted."""
    service, loop, is_ready = MailService(), asyncio.new_event_loop(), threading.Event()

    def protocol() -> SMTP:
        starttls = None if implicit else context
        return SMTP(
            service,
            hostname="mail.example.org",
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=service.authenticate if asks else None,
            auth_required=asks,
            # the library counts only STARTTLS as encryption
            auth_require_tls=not implicit,
        )

    async def start() -> None:
        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if implicit else None)
        service.port = server.sockets[0].getsockname()[1]
        is_ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert is_ready.wait(5)
    yield service
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
