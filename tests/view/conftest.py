"""Servers of a small study with images, and of one whose every name is hostile."""

import threading

import pytest
from small_study import HOSTILE, make_study

from phenolens.view import ViewServer, open_study


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("hostile"), HOSTILE)


def served(study):
    """Yield a server of a study that answers."""
    with ViewServer(study) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def server(folder):
    yield from served(open_study(folder))


@pytest.fixture(scope="session")
def hostile_server(hostile_folder):
    yield from served(open_study(hostile_folder))
