"""Downloads from mirrors that behave and mirrors that do not. No test leaves this machine."""

import gzip
import os
import shutil
import socket
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from data_files import Server, redirect, send, sha256

from tinygrad_edu.data import DataError
from tinygrad_edu.data import download as downloads
from tinygrad_edu.data.download import download
from tinygrad_edu.data.files import check_hash

CONTENT = bytes(range(256)) * 1000
WRONG = b"not the file you are looking for"
check = partial(check_hash, expected=sha256(CONTENT))


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch):
    """No test remembers the silent hosts of another, and no proxy stands between the test and its server."""
    monkeypatch.setattr(downloads, "_silent_hosts", {})
    monkeypatch.setenv("NO_PROXY", "*")


def fetch(tmp_path, *urls, check=check, name="file.bin", **options):
    return download(name, urls, tmp_path / "set", check, progress=False, **options)


def refused(tmp_path, *urls, **options):
    """The message of a download that fails, which must leave nothing behind."""
    with pytest.raises(DataError) as caught:
        fetch(tmp_path, *urls, **options)
    assert left_behind(tmp_path) == []
    return str(caught.value)


def left_behind(tmp_path):
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def dead_url():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/file.bin"


def test_a_good_file_is_kept_under_its_name_alone(tmp_path):
    with Server({"/file.bin": CONTENT}) as server:
        path = fetch(tmp_path, server.url + "file.bin")
    assert path == tmp_path / "set" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert left_behind(tmp_path) == ["file.bin"]


def test_the_first_good_mirror_is_the_last_one_asked(tmp_path):
    with Server({"/1": 404, "/2": WRONG, "/3": CONTENT, "/4": CONTENT}) as server:
        path = fetch(tmp_path, *(f"{server.url}{k}" for k in (1, 2, 3, 4)))
        assert server.asked == ["/1", "/2", "/3"]
    assert path.read_bytes() == CONTENT
    assert left_behind(tmp_path) == ["file.bin"]


def test_a_dead_first_mirror_costs_nothing_but_a_moment(tmp_path):
    with Server({"/file.bin": CONTENT}) as server:
        path = fetch(tmp_path, dead_url(), server.url + "file.bin")
    assert path.read_bytes() == CONTENT


def test_all_mirrors_wrong(tmp_path):
    with Server({"/1": WRONG, "/2": 503}) as server:
        message = refused(tmp_path, server.url + "1", server.url + "2")
        assert f"{server.url}1\n    wrong checksum: expected sha256 {sha256(CONTENT)}, came {sha256(WRONG)}" in message
        assert f"{server.url}2\n    HTTP status 503" in message
    first_line = message.splitlines()[0]
    assert first_line == "could not download file.bin (127.0.0.1: wrong checksum; 127.0.0.1: HTTP status 503)"
    assert message.endswith(f"put it at {tmp_path / 'set' / 'file.bin'}")


def test_a_bad_download_leaves_the_old_file_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file.bin").write_bytes(b"old")
    with Server({"/1": WRONG}) as server, pytest.raises(DataError):
        fetch(tmp_path, server.url + "1")
    assert left_behind(tmp_path) == ["file.bin"]
    assert (tmp_path / "set" / "file.bin").read_bytes() == b"old"


def test_an_answer_that_breaks_off(tmp_path):
    routes = {"/file.bin": lambda handler: send(handler, CONTENT[:1000], declared=len(CONTENT))}
    with Server(routes) as server:
        refused(tmp_path, server.url + "file.bin")


def test_a_dead_port(tmp_path):
    url = dead_url()
    message = refused(tmp_path, url)
    assert "127.0.0.1: connection failed" in message.splitlines()[0]
    assert url in message


def test_a_name_that_does_not_exist(tmp_path, monkeypatch):
    def not_found(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    message = refused(tmp_path, "http://mirror.invalid/file.bin")
    assert "mirror.invalid: host name not found" in message.splitlines()[0]


def test_a_name_lookup_that_hangs_is_given_up(tmp_path, monkeypatch):
    # The look-up has no timeout of its own; without the waiting thread this test would take a minute.
    hang = threading.Event()

    def hanging(*_, **__):
        hang.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    monkeypatch.setattr(downloads, "FIRST_ANSWER", 0.2)
    started = time.monotonic()
    message = refused(tmp_path, "http://mirror.invalid/file.bin")
    assert time.monotonic() - started < 2
    assert "no answer within 0.2 s" in message
    hang.set()


@pytest.fixture
def silent():
    """Addresses that take the connection and then say nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers(tmp_path, monkeypatch, silent):
    monkeypatch.setattr(downloads, "FIRST_ANSWER", 0.2)
    started = time.monotonic()
    assert "127.0.0.1: no answer" in refused(tmp_path, f"http://{silent}/file.bin")
    assert time.monotonic() - started < 2


def test_a_silent_host_is_asked_once(tmp_path, monkeypatch, silent):
    monkeypatch.setattr(downloads, "FIRST_ANSWER", 0.2)
    refused(tmp_path, f"http://{silent}/1")
    started = time.monotonic()
    for k in range(20):
        message = refused(tmp_path, f"http://{silent}/{k}")
        assert "127.0.0.1: no answer" in message
        assert "(not asked again)" in message
    assert time.monotonic() - started < 0.2


def test_patience_is_shared_by_all_silent_hosts(tmp_path, monkeypatch, silent):
    # Twenty silent hosts, each worth 0.2 s of waiting, but 0.5 s for all of them together.
    monkeypatch.setattr(downloads, "FIRST_ANSWER", 0.2)
    monkeypatch.setattr(downloads, "PATIENCE", 0.5)
    port = silent.rpartition(":")[2]
    monkeypatch.setattr(socket, "getaddrinfo", _everything_is_here(int(port)))
    started = time.monotonic()
    message = refused(tmp_path, *(f"http://mirror{k}.invalid:{port}/file.bin" for k in range(20)))
    assert time.monotonic() - started < 2
    assert "mirror19.invalid: not asked, since other hosts gave no sign of life" in message


def _everything_is_here(port):
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    return lambda *_, **__: answer


def test_a_host_that_falls_silent_within_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "READ", 0.2)

    def stalls(handler):
        send(handler, CONTENT[:1000], declared=len(CONTENT))
        server.stop.wait(30)

    with Server({"/file.bin": stalls}) as server, Server({"/file.bin": CONTENT}) as mirror:
        started = time.monotonic()
        path = fetch(tmp_path, server.url + "file.bin", mirror.url + "file.bin")
        assert time.monotonic() - started < 5
        assert path.read_bytes() == CONTENT
        path.unlink()
        assert "no answer in time (not asked again)" in refused(tmp_path, server.url + "file.bin")
        assert server.asked == ["/file.bin"]


def test_a_missing_file_does_not_make_the_host_silent(tmp_path):
    with Server({"/1": 404, "/2": CONTENT}) as server:
        refused(tmp_path, server.url + "1")
        assert fetch(tmp_path, server.url + "2").exists()


# ---- answers without end, and addresses that lead elsewhere


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_that_is_too_large_is_not_read_to_its_end(tmp_path, declared):
    sent = []

    def endless(handler):
        handler.send_response(200)
        if declared:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        while not server.stop.is_set():
            sent.append(handler.wfile.write(CONTENT))

    with Server({"/file.bin": endless}) as server:
        message = refused(tmp_path, server.url + "file.bin", largest=len(CONTENT))
    assert "too large: it has more than the 256,000 bytes that the file may have" in message
    assert sum(sent) < 100 * len(CONTENT)  # what lies in buffers on the way


@pytest.mark.parametrize("where", ["in its head", "in its body"])
def test_an_answer_that_drips_is_given_up_after_the_whole_time(tmp_path, monkeypatch, where):
    monkeypatch.setattr(downloads, "SETTLING", 0.3)
    monkeypatch.setattr(downloads, "SLOWEST", 10**12)

    def drips(handler):
        if where == "in its body":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
        while not server.stop.wait(0.02):  # READ would never notice
            handler.wfile.write(b"x")

    with Server({"/file.bin": drips}) as server:
        started = time.monotonic()
        assert "no answer within 0.3 s" in refused(tmp_path, server.url + "file.bin")
        assert time.monotonic() - started < 5


def test_a_redirect_to_an_address_that_is_not_protected_is_not_followed(tmp_path):
    with Server({"/file.bin": CONTENT}) as other:
        for target in (other.url + "file.bin", "/elsewhere", "ftp://127.0.0.1/file.bin", "file:///etc/passwd"):
            with Server({"/file.bin": redirect(target), "/elsewhere": CONTENT}) as server:
                message = refused(tmp_path, server.url + "file.bin")
            assert "redirect refused: it leads to" in message
            assert "not protected by https" in message
        assert other.asked == []


def test_an_address_that_is_none_is_told(tmp_path):
    with Server({"/file.bin": redirect("https://[none")}) as server:
        assert "ValueError: Invalid IPv6 URL" in refused(tmp_path, server.url + "file.bin")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of our own for 127.0.0.1, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl, which makes the certificate, is not there")
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {path} -out {path}.crt"
    )
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def test_over_https_a_redirect_is_followed_to_https_alone(tmp_path, monkeypatch, certificate):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Server({"/plain": CONTENT}) as plain:
        routes = {"/1": redirect("/2"), "/2": CONTENT, "/3": redirect(plain.url + "plain"), "/4": redirect("/4")}
        with Server(routes, certificate) as server:
            assert fetch(tmp_path, server.url + "1").read_bytes() == CONTENT
            (tmp_path / "set" / "file.bin").unlink()
            assert "not protected by https" in refused(tmp_path, server.url + "3")
            assert "redirect refused: more than 5 in a row" in refused(tmp_path, server.url + "4")
        assert plain.asked == []


def test_a_server_whose_certificate_nobody_knows_is_not_believed(tmp_path, certificate):
    with Server({"/file.bin": CONTENT}, certificate) as server:
        assert "no secure connection" in refused(tmp_path, server.url + "file.bin")


def test_a_link_planted_at_the_temporary_name_is_not_followed(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / f".file.bin.{os.getpid()}.part").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_bytes(b"mine")
    with Server({"/file.bin": CONTENT}) as server:
        path = fetch(tmp_path, server.url + "file.bin")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not path.is_symlink()


def test_ctrl_c_leaves_nothing(tmp_path):
    def interrupted(path):
        assert path.exists()
        raise KeyboardInterrupt

    with Server({"/file.bin": CONTENT}) as server, pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, server.url + "file.bin", check=interrupted)
    assert left_behind(tmp_path) == []


def test_a_destination_that_cannot_be_written(tmp_path):
    (tmp_path / "set").write_bytes(b"a file where the folder should be")
    with Server({"/file.bin": CONTENT}) as server, pytest.raises(DataError, match="could not write"):
        fetch(tmp_path, server.url + "file.bin")
    assert left_behind(tmp_path) == ["set"]


def test_a_gz_arrives_packed(tmp_path):
    # Some servers label a .gz file as a packed transfer of the file within, which clients then unpack on the way.
    packed = gzip.compress(CONTENT)

    def route(handler):
        if handler.headers["Accept-Encoding"] == "identity":
            return send(handler, packed)
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        return handler.wfile.write(packed)

    with Server({"/file.gz": route}) as server:
        path = fetch(tmp_path, server.url + "file.gz", check=partial(check, unpack=True), name="file.gz")
    assert path.read_bytes() == packed


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_shown_on_a_terminal_alone(tmp_path, capsys, monkeypatch, terminal):
    monkeypatch.setattr(downloads.sys.stderr, "isatty", lambda: terminal)
    with Server({"/file.bin": CONTENT}) as server:
        download("file.bin", [server.url + "file.bin"], tmp_path, check)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("file.bin" in err) == terminal
    assert ("100%" in err) == terminal
