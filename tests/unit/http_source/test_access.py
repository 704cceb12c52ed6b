"""Who may post: tokens, the Standard Webhooks signature, a code host's signature."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"text": "hi"}'


def post(desk, inbox, headers, body=BODY, method="POST", path="/tickets", **environ):
    async def scenario(app):
        async with app.gateway() as gateway:
            response = await gateway.http.request(method, path, content=body, headers=headers)
        return response, len(app.records())

    return desk(scenario, inbox, **environ)


TOKENS = 'tokens: { app: "${APP}", partner: "${PARTNER}" }, reply: [tickets.answered]'


@pytest.mark.parametrize("token", ["one", "two"])
def test_each_token_is_let_in(desk, token):
    response, written = post(desk, TOKENS, {"Authorization": f"Bearer {token}"}, APP="one", PARTNER="two")

    assert (response.status_code, written) == (202, 1)


@pytest.mark.parametrize("said", [None, "Bearer three", "Bearer ", "Bearer on", "Basic one", "one"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/tickets"), ("POST", "/tickets/batch"), ("GET", "/tickets/1")])
def test_nobody_else_is(desk, said, method, path):
    headers = {"Authorization": said} if said else {}
    response, written = post(desk, TOKENS, headers, method=method, path=path, APP="one", PARTNER="two")

    assert (response.status_code, written) == (401, 0)
    assert response.headers["www-authenticate"] == "Bearer"
    assert "one" not in response.json()["detail"].split()


def test_callers_do_not_share_idempotency_keys(desk):
    async def scenario(app):
        async with app.gateway() as gateway:
            return [
                (
                    await gateway.http.post(
                        "/tickets", json={}, headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
                    )
                ).json()["id"]
                for token in ("one", "two", "one")
            ]

    ids = desk(scenario, TOKENS, APP="one", PARTNER="two")

    assert ids[0] == ids[2] != ids[1]


def signed(body=BODY, at=1_700_000_000, secret=SECRET, id_="msg-1"):
    signature = Webhook(secret).sign(id_, datetime.fromtimestamp(at, UTC), body)
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": signature}


STANDARD = 'signing_secrets: { shop: "${SHOP}" }'


def test_a_standard_webhook_is_let_in_and_its_id_is_kept(desk):
    first, written = post(desk, STANDARD, signed(), SHOP=SECRET)
    again, _ = post(
        desk, STANDARD, {**signed(), "webhook-signature": f"v1,AAAA {signed()['webhook-signature']}"}, SHOP=SECRET
    )

    assert (first.status_code, written) == (202, 1)
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("other"),
        signed(at=1_700_000_000 - 301),
        signed(at=1_700_000_000 + 301),
        signed(secret="whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        {**signed(), "webhook-id": "msg-2"},
        {**signed(), "webhook-timestamp": "1700000001"},
        {**signed(), "webhook-timestamp": "soon"},
        {"webhook-signature": signed()["webhook-signature"]},
    ],
)
def test_a_wrong_signature_is_not(desk, headers):
    response, written = post(desk, STANDARD, headers, SHOP=SECRET)

    assert (response.status_code, written) == (401, 0)


HUB = 'signing_secrets: { old: "${OLD}", new: "${NEW}" }, signature_header: X-Hub-Signature-256'


@pytest.mark.parametrize(("secret", "prefix"), [("s1", "sha256="), ("s2", "sha256="), ("s1", "")])
def test_a_code_hosts_signature_is_let_in(desk, secret, prefix):
    digest = hmac.new(secret.encode(), BODY.encode(), hashlib.sha256).hexdigest()
    response, written = post(desk, HUB, {"X-Hub-Signature-256": f"{prefix}{digest}"}, OLD="s1", NEW="s2")

    assert (response.status_code, written) == (202, 1)


@pytest.mark.parametrize("said", ["", "sha256=", "sha256=00", "sha1=aa", "sha256=" + "é" * 64])
def test_a_wrong_code_hosts_signature_is_not(desk, said):
    response, written = post(desk, HUB, {"X-Hub-Signature-256": said.encode()}, OLD="s1", NEW="s2")

    assert (response.status_code, written) == (401, 0)
