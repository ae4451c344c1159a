"""What each worker of a training is told: the addresses of all of them, and its place among these."""

import json
import socket
import sys

import pytest

from tests.cluster.one_process import WorkerGroup


@pytest.mark.parametrize(("address", "host"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_each_worker_is_told_of_all_of_them_and_of_its_own_place(here, address, host, monkeypatch):
    families = []
    create_server = socket.create_server

    def noted(at, *, family):
        families.append(family)
        assert at == ("", 0)
        return create_server(at)

    monkeypatch.setattr(socket, "create_server", noted)
    here.address = address
    config = sys.modules["recsys_nn.cluster.addresses"].Addresses()
    group = WorkerGroup(3)
    config.backend_cls().on_start(group, config)
    told = [json.loads(each) for each in group.told]
    workers = told[0]["cluster"]["worker"]
    for worker in workers:
        start, _, port = worker.rpartition(":")
        assert start == host
        assert 1024 <= int(port) < 2**16
    expected = [{"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}} for rank in range(3)]
    assert told == expected
    assert families == [socket.AF_INET6 if ":" in address else socket.AF_INET] * 3
