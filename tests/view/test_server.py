"""The server answers only its own reader, and serves only what the study names."""

import http.client
import io
import json
import socket
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from small_study import HOSTILE, N_SITES, SIDE, name_of_count

from phenolens.cli import main
from phenolens.core.errors import PhenolensError
from phenolens.datasets import read_manifest
from phenolens.view import ViewServer, open_study


def ask(server, path, *, method="GET", host=None, body=None, token=None):
    """Return status, headers and content of a request."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    headers = {} if host is None else {"Host": host}
    connection.request(method, f"/{server.token if token is None else token}/{path}", body=body, headers=headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.headers, content


def picture(server, path):
    status, headers, content = ask(server, path)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_page_and_its_files_are_served_with_a_strict_policy(server):
    for path in ("", "view.js", "view.css", "common.js", "report.css"):
        status, headers, content = ask(server, path)
        assert status == 200
        assert content
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_it_listens_to_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("token", ["", "x", "ü", "\x00"])
@pytest.mark.parametrize("path", ["", "start", "image/0?c=0,ffffff,0,9", "view.js"])
def test_nothing_is_answered_without_the_token(server, path, token):
    with socket.create_connection(server.server_address) as connection:
        target = f"/{token}/{path}".encode("latin-1")
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        reply = connection.makefile("rb").read()
    assert reply.split()[1] in (b"403", b"400")
    assert b"site0" not in reply


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "10.0.0.1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_name_of_this_machine_is_refused(server, host, method):
    assert ask(server, "start", host=host, method=method)[0] == 403


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1"])
def test_a_tunnel_may_have_another_port(server, host):
    assert ask(server, "start", host=host)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "../results.json",
        "..%2fresults.json",
        "static/../server.py",
        "image/../../../etc/passwd",
        "image/0/../../start",
        "/etc/passwd",
        "image/-1",
        "image/48",
        "image/0.png",
        "image/²",
        "site/99999999999999",
        "column/400",
        "map/2",
        "view.html",
        "nothing",
    ],
)
def test_only_what_the_study_names_is_served(server, path):
    status, _, content = ask(server, path.replace("²", "%C2%B2"))
    assert status == 404
    assert content == b"there is no such thing\n"


@pytest.mark.parametrize("query", ["c=9,ffffff,0,1", "c=0,red,0,1", "c=0,ffffff,nan,1", "side=4000", "contrast=eval"])
def test_odd_questions_are_refused(server, query):
    assert ask(server, f"image/0?{query}")[0] == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_not_there(server, method):
    assert ask(server, "start", method=method)[0] == 501


def test_only_the_export_takes_a_body(server):
    assert ask(server, "start", method="POST", body="0")[0] == 404


@pytest.mark.parametrize("body", ["", "[0]", "1.5", "-1", "48", "0,", "9" * 10_000, "none", "²".encode()])
def test_an_export_of_something_else_is_refused(server, body):
    assert ask(server, "export", method="POST", body=body)[0] == 400


def test_a_site_is_shown_at_full_resolution_with_the_contrast_that_is_asked_for(server):
    shown = picture(server, "image/3?c=1,ff8000,1000,1060")
    assert shown.shape == (SIDE, SIDE, 3)
    assert (shown == [round(255 / 2), 64, 0]).all()  # 1030 is half way
    assert picture(server, "image/3?c=1,ffffff,1000,1060&side=96").shape == (96, 96, 3)
    assert (picture(server, "image/3") == 0).all()
    dark, bright = picture(server, "image/3?contrast=extremes&c=0,ffffff,0,0")[..., 0].ravel()[[0, 1]]
    assert dark != bright


def test_a_site_without_a_readable_image_is_crossed_out_and_says_why(folder, tmp_path):
    image = folder.parent / "plates" / "images" / "47.tif"
    content = image.read_bytes()
    study = open_study(folder)
    with ViewServer(study) as server:
        image.write_bytes(b"broken")
        try:
            assert "47.tif" in server.answers.site(47)["problem"]
            assert server.answers.picture(47, {}).startswith(b"\x89PNG")
        finally:
            image.write_bytes(content)


def test_neighbours_of_each_encoder_say_what_they_share(server):
    found = json.loads(ask(server, "neighbours/7")[2])
    assert [each["encoder"] for each in found] == ["network", "counts"]
    sites = server.answers.study.sites
    for each in found:
        assert len(each["nearest"]) == 6
        for near in each["nearest"]:
            same = sites["perturbation"].iloc[near["site"]] == sites["perturbation"].iloc[7]
            assert ("perturbation" in near["shares"]) == same
            own_well = (sites[["plate", "well"]].iloc[near["site"]] == sites[["plate", "well"]].iloc[7]).all()
            assert not own_well


def test_a_selection_comes_back_as_the_manifest_that_it_is_of(hostile_server, hostile_folder, tmp_path):
    status, headers, content = ask(hostile_server, "export", method="POST", body="5,0,47")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    (tmp_path / "selection.csv").write_bytes(content)
    exported = read_manifest(tmp_path / "selection.csv")
    whole = read_manifest(hostile_folder.parent / "plates" / "manifest.csv")
    assert list(exported.table.index) == [f"site{i}{HOSTILE}" for i in (5, 0, 47)]
    others = [column for column in whole.table if column != "image"]
    assert exported.table[others].equals(whole.table.iloc[[5, 0, 47]][others])
    exported.check_files()


def test_without_images_the_selection_is_a_table_of_metadata(folder):
    study = open_study(folder / "embeddings")
    with ViewServer(study) as server:
        assert server.answers.start()["channels"] == []
        assert "image" not in server.answers.site(0)
        with pytest.raises(LookupError):
            server.answers.picture(0, {})


def test_hostile_names_are_plain_values(hostile_server):
    start = json.loads(ask(hostile_server, "start")[2])
    assert HOSTILE in start["name"]
    assert name_of_count(HOSTILE) in [column["name"] for column in start["columns"]]
    assert len(start["hover"]["site_id"]) == N_SITES
    assert ask(hostile_server, "start")[1]["Content-Type"] == "application/json"


def test_a_port_in_use_is_named_in_one_line(folder, server, capsys):
    port = server.server_address[1]
    with pytest.raises(PhenolensError, match=f"port {port} is in use; name another"):
        ViewServer(server.answers.study, port)
    with pytest.raises(SystemExit):
        main(["view", str(folder), "--no-browser", "--port", str(port)])
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"error: port {port} is in use; name another (--port), or none, and a free one is taken"


def test_a_folder_of_no_study_is_an_error_of_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["view", str(tmp_path), "--no-browser"])
    assert "holds neither a study (results.json) nor embeddings (*.h5ad); name the folder" in capsys.readouterr().err
