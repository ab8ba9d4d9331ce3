"""Promise: without Valkey pages work as ever; without Postgres they say that they cannot be served right now, and come back by themselves."""

from __future__ import annotations

import httpx

from apps.dashboard.errors import PROBLEMS
from tests.browser.session import session_cookie
from tests.gateway.processes import gateways_running
from tests.gateway.waiting import wait_for
from tests.people import new_customer
from tests.servers import OwnServer

PAGES = ("/", "/dashboard", "/settings/profile", "/settings/api-keys", "/palette")


def test_without_valkey(own_valkey: OwnServer) -> None:
    user = new_customer().user
    with gateways_running(1, SERVE="pages", REDIS_URL=own_valkey.url) as [process]:
        cookie = session_cookie(user, process.port)
        with httpx.Client(base_url=process.url, cookies={cookie["name"]: cookie["value"]}, timeout=20) as client:
            assert client.get("/settings/profile").status_code == 200
            own_valkey.kill()
            assert {address: client.get(address).status_code for address in PAGES} == dict.fromkeys(PAGES, 200)
        with httpx.Client(base_url=process.url, timeout=20) as stranger:
            assert stranger.get("/accounts/login/").status_code == 200
            form = {"login": user.email, "password": "wrong", "csrfmiddlewaretoken": stranger.cookies["csrftoken"]}
            assert "not correct" in stranger.post("/accounts/login/", data=form).text


def test_without_postgres(own_postgres: OwnServer) -> None:
    with (
        gateways_running(1, SERVE="pages", DATABASE_URL=own_postgres.url) as [process],
        httpx.Client(base_url=process.url, timeout=20) as client,
    ):
        log_in = client.get("/accounts/login/")
        form = {"login": "a@example.com", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert log_in.status_code == 200
        assert client.get("/").status_code == 200
        own_postgres.kill()
        assert client.get("/").status_code == 200
        assert client.get("/nothing").status_code == 404
        refused = client.post("/accounts/login/", data=form)
        assert refused.status_code == 503
        assert PROBLEMS[503].title in refused.text
        assert refused.headers["retry-after"]
        assert refused.headers["x-request-id"] in refused.text
        own_postgres.start()
        wait_for(lambda: client.post("/accounts/login/", data=form).status_code == 200, 20, "the log-in to come back")
