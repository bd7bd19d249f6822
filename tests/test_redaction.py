"""Redaction: no planted secret in any byte, every other byte as it was, nothing that is no secret touched.

All keys in here are made up. They are put together at run time so that scanners leave the file alone.
"""

# ruff: noqa: ISC003 - tables read best one a line; every secret in here is made up
from __future__ import annotations

import base64
import json
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_f3dx import _redaction_shapes
from pytest_f3dx._model import Failure, Request, Response, header
from pytest_f3dx._redaction import Redactor, environment_values
from pytest_f3dx._redaction_names import field_meaning, parameter_meaning
from pytest_f3dx._redaction_shapes import (
    _WORD,
    SHAPES,
    Shape,
    _Hints,
    _shape,
    shape_matches,
    table_finds,
)

URL = "https://api.example.com/v1/chat"
JSON = (("content-type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
MULTIPART = (("Content-Type", 'multipart/form-data; boundary="b0undary"'),)

A = "a1B2c3D4e5F6g7H8i9J0"  # 20 characters of everything
HEX = "0123456789abcdef" * 2
PASSWORD = "correct-horse-42"
OPENAI = "sk-" + "proj-" + A * 3
PEM = (
    "-----BEGIN RSA "
    + "PRIVATE KEY-----\n"
    + f"{A * 3}\n{A * 3}/+==\n" * 3
    + "-----END RSA "
    + "PRIVATE KEY-----"
)
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0." + A
TELEGRAM = "123456789:" + "AA" + A + A[:13]


def body_of(redacted: Request | Response) -> str:
    """Return a body as text."""
    return redacted.body.decode()


def sent(
    body: str | bytes, headers: tuple[tuple[str, str], ...] = JSON, *, redactor: Redactor | None = None
) -> str:
    """Return the body of a redacted request."""
    raw = body.encode() if isinstance(body, str) else body
    return body_of((redactor or Redactor()).request(Request("POST", URL, headers, raw)))


def uri(url: str) -> str:
    """Return the redacted address of a request."""
    return Redactor().request(Request("GET", url)).uri


SHAPED = {
    "openai-key": [
        OPENAI,
        "sk-" + A * 2 + "a1B2c3D4",
        "sk-" + "svcacct-" + A,
        "sk-" + "proj-" + "A" * 40,
        "sk-" + HEX,
    ],
    "secret-key": ["sk-" + "lf-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"],
    "anthropic-key": ["sk-" + "ant-api03-" + A * 4 + "-AA"],
    "openrouter-key": ["sk-" + "or-v1-" + HEX * 2],
    "google-key": ["AI" + "za" + A + A[:15]],
    "google-oauth-token": ["ya" + "29." + A * 2],
    "google-refresh-token": ["1" + "//0" + A * 2],
    "google-client-secret": ["GOC" + "SPX-" + A + "a1B2c3D4"],
    "aws-access-key-id": ["AK" + "IAIOSFODNN7EXAMPLE", "AS" + "IAIOSFODNN7EXAMPLE"],
    "github-token": [f"gh{kind}_" + A + A[:16] for kind in "pousr"] + ["github" + "_pat_" + A * 3],
    "gitlab-token": ["gl" + "pat-" + A],
    "slack-token": [
        "xo" + "xb-123456789012-123456789012-" + A,
        "xo" + "xp-1-" + A,
        "xa" + "pp-1-A012-123-" + HEX,
    ],
    "slack-webhook": [f"T0000000{n}/B00000000/" + A for n in range(2)],
    "discord-webhook": [A * 3],
    "teams-webhook": [f"{HEX}@{HEX}/IncomingWebhook/{HEX}/{HEX}"],
    "huggingface-token": ["hf" + "_" + A + A[:14]],
    "groq-key": ["gs" + "k_" + A * 2 + A[:12]],
    "replicate-token": ["r8" + "_" + A + A[:17]],
    "perplexity-key": ["pp" + "lx-" + A * 2],
    "xai-key": ["xa" + "i-" + A * 4],
    "nvidia-key": ["nv" + "api-" + A * 3],
    "cerebras-key": ["cs" + "k-" + HEX + "0123"],
    "tavily-key": ["tv" + "ly-dev-" + A, "tv" + "ly-" + A],
    "langsmith-key": ["ls" + "v2_pt_" + HEX + "_0123456789"],
    "npm-token": ["np" + "m_" + A + A[:16]],
    "pypi-token": ["py" + "pi-AgEIcHlwaS5vcmc" + A * 3],
    "sendgrid-key": ["S" + "G." + A + "ab." + A * 2 + "abc"],
    "stripe-key": ["sk" + "_live_" + A, "rk" + "_test_" + A],
    "webhook-secret": ["wh" + "sec_" + A * 2],
    "digitalocean-token": ["do" + "p_v1_" + HEX * 2],
    "twilio-key": ["SK" + HEX],
    "telegram-token": [TELEGRAM],
    "jwt": [JWT, "eyJ" + A + ".." + A + "." + A + "." + A],
    "private-key": [PEM, PEM.replace("RSA ", ""), PEM.replace("RSA ", "OPENSSH "), PEM[:120]],
    "account-key": [A * 4 + "=="],
}
AROUND = {
    "slack-webhook": "https://hooks.slack.com/services/{}",
    "discord-webhook": "https://discord.com/api/webhooks/123456789012345678/{}",
    "teams-webhook": "https://acme.webhook.office.com/webhookb2/{}",
    "account-key": "DefaultEndpointsProtocol=https;AccountKey={};EndpointSuffix=core.windows.net",
}
SHAPED_CASES = [
    pytest.param(name, value, id=f"{name}-{n}")
    for name, values in SHAPED.items()
    for n, value in enumerate(values)
]


def test_every_shape_of_the_table_has_an_example() -> None:
    """A shape without an example here is a shape that nobody has seen work."""
    by_check = {"bearer", "basic-auth"}
    assert {shape.name for shape in SHAPES} - by_check == set(SHAPED)


@pytest.mark.parametrize(("name", "value"), SHAPED_CASES)
@pytest.mark.parametrize(
    "form",
    ["{}", "my key is {}, keep it", "line\n{}\nline", "({})", "x={}&y=1", "'{}'", "<a b='{}'/>", "key:{}."],
)
def test_a_shape_is_found_wherever_it_stands(name: str, value: str, form: str) -> None:
    """Text around a key does not hide it, and stays as it was."""
    around = AROUND.get(name, "{}")
    text = form.format(around.format(value))
    marked = form.format(around.format(f"[redacted:{name}]"))
    assert Redactor().text(text) == marked


@pytest.mark.parametrize(("name", "value"), SHAPED_CASES)
def test_a_shape_is_found_in_a_json_prompt_after_an_escape(name: str, value: str) -> None:
    r"""The ``n`` of ``\n`` before a key is not a letter of a word; a PEM block has its line ends escaped."""
    around = AROUND.get(name, "{}")
    prompt = "Use this key:\n{}\nThanks: ä €"
    body = {"messages": [{"role": "user", "content": prompt.format(around.format(value))}], "max_tokens": 5}
    after = {
        "messages": [{"role": "user", "content": prompt.format(around.format(f"[redacted:{name}]"))}],
        "max_tokens": 5,
    }
    for options in ({}, {"ensure_ascii": False, "indent": 2}, {"separators": (",", ":")}):
        assert sent(json.dumps(body, **options)) == json.dumps(after, **options)


P = PASSWORD
Place = tuple[str, str, str]
# id, text with {} for the secret, name in the placeholder
JSON_PLACES: list[Place] = [
    ("snake", '{"access_token": "{}", "n": 1.00}', "access-token"),
    ("camel", '{"accessToken":"{}"}', "access-token"),
    ("kebab", '{"access-token" : "{}"}', "access-token"),
    ("pascal", '{"AccessToken":"{}"}', "access-token"),
    ("upper", '{"ACCESS_TOKEN":"{}"}', "access-token"),
    ("acronym", '{"APIKey":"{}"}', "api-key"),
    ("dotted", '{"spring.datasource.password":"{}"}', "spring-datasource-password"),
    ("numbered", '{"password1":"{}"}', "password"),
    ("confirmation", '{"password_confirmation":"{}"}', "password-confirmation"),
    ("new token", '{"new_token":"{}"}', "new-token"),
    ("private token", '{"private_token":"{}"}', "private-token"),
    ("client secret", '{"client_secret":"{}"}', "client-secret"),
    ("provider key", '{"OPENAI_KEY":"{}"}', "openai-key"),
    ("aws secret", '{"aws_secret_access_key":"{}"}', "aws-secret-access-key"),
    ("header name", '{"headers": {"Authorization": "{}", "X-Api-Version": "1"}}', "authorization"),
    ("scheme stays", '{"headers": {"Authorization": "Bearer {}"}}', "authorization"),
    ("set cookie", '{"set-cookie": "{}"}', "set-cookie"),
    ("wrapped", '{"client_secret": {"value": "{}", "expires_at": 1}}', "client-secret"),
    ("verification code", '{"verification_code": "{}"}', "verification-code"),
    ("bare token", '{"token": "{}", "expires": 5}', "token"),
    ("bare auth", '{"auth": "{}"}', "auth"),
    ("nested", '{"a": [{"b": {"c": [[{"db_password": "{}"}]]}}]}', "db-password"),
    ("array", '{"api_keys": [ "{}" , null, true, ""]}', "api-keys"),
    ("array of arrays", '{"passwords": [["{}"], {"hint": "first pet", "n": [1]}]}', "passwords"),
    ("white space", '{\r\n\t"password"\n:\n\t"{}"\r\n}', "password"),
    ("escaped key", '{"pass\\u0077ord": "{}"}', "password"),
    ("escapes beside", '{"x": "\\u00e9\\"}", "password": "{}", "y": "\\\\"}', "password"),
    ("cut off", '{"password": "{}', "password"),
    ("cut off at line", '{"password": "{}\nnext', "password"),
    ("ndjson", '{"a": 1}\n{"password": "{}"}\n{"b": 2}\n', "password"),
    ("sse", 'event: m\r\ndata: {"secret":"{}"}\r\n\r\n: comment\r\ndata: [DONE]\r\n\r\n', "secret"),
    ("error body", '{"error": {"code": "invalid_api_key", "api_key": "{}"}}', "api-key"),
    ("json in a string", '{"arguments": "{\\"user\\": \\"bob\\", \\"password\\": \\"{}\\"}"}', "password"),
    (
        "json in json in a string",
        '{"a": "{\\"b\\": \\"{\\\\\\"api_key\\\\\\": \\\\\\"{}\\\\\\"}\\"}"}',
        "api-key",
    ),
    ("cut off json in a string", '{"delta": "{\\"password\\": \\"{}", "n": 1}', "password"),
    ("pretty json in a string", '{"a": "{\\n  \\"password\\":\\n \\"{}\\"\\n}"}', "password"),
    ("array in a string", '{"a": "{\\"passwords\\": [\\"{}\\", \\"\\"]}"}', "passwords"),
    ("prompt that quotes json", 'Call it so: {"password": "{}"} and wait.', "password"),
    ("signed link", '{"url": "https://x.blob.example/i.png?se=2026&sig={}&sp=r"}', "sig"),
    (
        "signed link, escaped",
        '{"url": "https://x.example/i?se=2026\\u0026X-Amz-Signature={}"}',
        "x-amz-signature",
    ),
    ("signed link, html", '<a href="https://x.example/i?se=1&amp;access_token={}">', "access-token"),
    ("bearer in text", '{"error": "bad header Authorization: Bearer {}"}', "bearer"),
    ("bearer after a line end", '{"content": "Authorization:\\nBearer {}\\n"}', "bearer"),
    ("bearer, encoded", "x=1%20Bearer%20{}%20", "bearer"),
    ("env line", '{"content": "export ACME_API_KEY={}\\nrun"}', "acme-api-key"),
    ("env line, quoted", "ACME_PASSWORD='{}'\n", "acme-password"),
    ("header line", "X-Api-Key: {}\r\nAccept: */*", "x-api-key"),
    ("header line in JSON", '{"content": "curl\\nx-auth-token: {}\\n"}', "x-auth-token"),
    ("yaml line", "db_password: '{}'\n", "db-password"),
    ("element", "<a><Password>{}</Password></a>", "password"),
    ("element with namespace and attributes", '<ns:SecretKey a="1">{}</ns:SecretKey>', "secret-key"),
    ("element in JSON", '{"xml": "<apiKey>{}<\\/apiKey>"}', "api-key"),
    ("hidden field", '<input name="csrf_token" type="hidden" value="{}">', "csrf-token"),
    ("hidden field, value first", "<input value='{}' name='csrf_token'/>", "csrf-token"),
    ("hidden field in JSON", '{"html": "<meta name=\\"csrf-token\\" content=\\"{}\\">"}', "csrf-token"),
    ("name and value", '{"name": "X-Api-Key", "value": "{}"}', "x-api-key"),
    (
        "key and value in a string",
        '{"a": "[{\\"key\\": \\"DB_PASSWORD\\", \\"value\\": \\"{}\\"}]"}',
        "db-password",
    ),
]


@pytest.mark.parametrize(
    ("text", "name"), [place[1:] for place in JSON_PLACES], ids=[place[0] for place in JSON_PLACES]
)
def test_a_named_leaf_is_replaced_and_nothing_else(text: str, name: str) -> None:
    """The secret is gone from requests and responses, and every other byte is as it was."""
    planted, expected = text.replace("{}", P), text.replace("{}", f"[redacted:{name}]")
    assert sent(planted) == expected
    assert body_of(Redactor().response(Response(200, "OK", JSON, planted.encode()))) == expected


def test_the_values_of_names_keep_their_identity_through_escapes_and_encodings() -> None:
    """One value is one placeholder, escaped in JSON, raw in UTF-8, encoded in a form or a URL."""
    redactor = Redactor()
    value = 'gehäuse "7"\\'
    assert sent(json.dumps({"password": value}), redactor=redactor) == '{"password": "[redacted:password]"}'
    assert (
        sent(json.dumps({"secret": value}, ensure_ascii=False), redactor=redactor)
        == '{"secret": "[redacted:password]"}'
    )
    inner = json.dumps({"arguments": json.dumps({"password": value})})
    assert "[redacted:password]" in sent(inner, redactor=redactor)
    assert sent(f"password={quote(value)}", FORM, redactor=redactor) == "password=[redacted:password]"
    url = redactor.request(Request("GET", f"{URL}?token={quote(value)}")).uri
    assert url == f"{URL}?token=[redacted:password]"


def test_a_number_becomes_a_string() -> None:
    """JSON stays JSON when a number was the secret, in a string too."""
    assert sent('{"otp": 123456, "n": 1e5}') == '{"otp": "[redacted:otp]", "n": 1e5}'
    assert sent('{"a": "{\\"otp\\": 123456}"}') == '{"a": "{\\"otp\\": \\"[redacted:otp]\\"}"}'
    assert json.loads(sent('{"passwords": [1234, 5678,"x y"]}')) == {
        "passwords": ["[redacted:passwords]", "[redacted:passwords-2]", "[redacted:passwords-3]"]
    }


def test_broken_escapes_do_not_break_redaction() -> None:
    """An invalid escape in a value or a key is taken raw."""
    assert sent('{"password": "a\\x41-\\ud800"}') == '{"password": "[redacted:password]"}'
    assert sent('{"pass\\xword": "kept"}') == '{"pass\\xword": "kept"}'
    assert sent('{"a": \\\\"password\\\\": \\\\"kept\\\\"}') == '{"a": \\\\"password\\\\": \\\\"kept\\\\"}'


SURVIVORS: dict[str, str] = {
    "schema": '{"properties": {"password": {"type": "string", "minLength": 8}}, "required": ["password", "api_key"]}',
    "schema in a string": '{"a": "{\\"password\\": {\\"type\\": \\"string\\"}}"}',
    "null, bool, empty": '{"password": null, "secret": true, "api_key": "", "token": false, "api_keys": [], "jwt":{}}',
    "cut off key": '{"password":',
    "counts": '{"max_tokens": 5, "usage": {"total_tokens": 9, "prompt_tokens": 4, "completion_tokens_details": {"n": 1}}}',
    "more counts": '{"token_count": 3, "tokenCount": 7, "maxOutputTokens": 8, "n_tokens": 1, "tokens": [15043, 29991]}',
    "pages": '{"next_page_token": "CAUQAA12345", "nextPageToken": "a1b2c3d4e5", "continuation_token": "x1"}',
    "tokenizer": '{"tokenizer": "cl100k_base", "eos_token": "</s>", "pad_token": "[PAD]", "tokens": ["Hel", "lo"]}',
    "logprobs": '{"token": "Certainly-42", "logprob": -0.1, "bytes": [1], "top_logprobs": [{"token": "h4ck3r", "logprob": 1}]}',
    "streamed tokens": '{"token": " wonderful"}{"token": "Certainly"}{"token": "internationalization"}{"token": 2003}',
    "score": '{"score": 0.9, "token": "x1y2z3w4", "token_str": "paris"}',
    "pairs": '{"key": "a1b2c3d4e5f6g7h8i9", "value": "b1b2c3d4e5f6g7h8i9"}',
    "keys": '{"primary_key": "id", "cache_key": "a1b2c3d4e5", "prompt_cache_key": "u-1", "public_key": "a1b2", "keyType": "x"}',
    "secret's name": '{"secret_name": "prod/db", "secretArn": "arn:aws:x", "password_hint": "pet", "token_type": "Bearer"}',
    "signature": '{"type": "thinking", "signature": "ErUBCkYIARgCIkCepoF8CXqdCGI7O1AAkEcxvta5WeUn1g3tOa=="}',
    "encrypted": '{"encrypted_content": "gAAAAABp-rIaNe6WknTMnPCTW6JIYUOsrQbNUvTkE_mV0UapEU"}',
    "tags": "<password>two words</password> <password></password> <token>Hello</token> <input name='q' value='a1b2'> a < b",
    "fields without a value": "<input name='password'><input value='x1'><input name='csrf_token' value=''>",
    "name and other value": '{"name": "password", "value": {"type": "string"}} {"name": "city", "value": "a1b2"} {"a": 1, "value": 2}',
    "broken name and value": '{"a": \\\\"name\\\\": "password", "value": "kept"}',
    "lines": "token: Hello-World-again, key: 123456789012 password: correct-horse-battery 9key: a1b2c3d4e5f6g7 ukey:a1b2c3d4e5f6",
    "codes": '{"code": "invalid_api_key", "session_id": "63cfe7fe-a032-4384-a2f0-6521125afc17", "country_code": "DE"}',
    "ids": "chatcmpl-9a8B7c6D5e4F3g2H1i0J req_01VVUWcAUP5Q8x4z9dr6ktGD msg_01ABcdEFghIJklMNopQRstUV call_a1B2c3D4e5F6g7H8",
    "more ids": "resp_68a1b2c3d4e5f60718293a4b5c6d7e8f90 file-a1B2c3D4e5F6g7H8i9J0 toolu_01A09q90qw90lq917835lq9 rs_0123456789",
    "hashes": f'{HEX * 2} sha256:{HEX * 2} 27b520a6-c6ee-41f3-a95d-0e9c5a411ca3 {HEX}{"0" * 8} W/"{HEX}"',
    "phones": "+49 (0)89 1234567, 555-0100-123456, 4111 1111 1111 1111, 192.168.100.200:8080, 10:AAB",
    "models": "gpt-4o-mini-2024-07-18 claude-3-5-sonnet-20241022 hf_hub:timm/vit_base sk-learn task-based risk-free disk-image-backup-2024",
    "words with sk-": "a sk-learn-based-classifier, flask-sqlalchemy-extension-2024-10, sk-short, sk-1234",
    "prose": "The password must have 8 letters. Bearer authentication-mechanisms, Basic Programming, basic authentication.",
    "masked": '{"password": "********", "api_key": "<API_KEY>", "token": "{{token}}", "secret": "${SECRET}", "pwd": "string"}',
    "cleaned by others": '{"authorization": "**REDACTED**", "jwt": "[FILTERED]", "passwd": "xxxx", "api_key": "$OPENAI_API_KEY"}',
    "masked in text": "Incorrect API key provided: sk-abcd****************wxyz.",
    "addresses": "mailto:a@b.example ssh://git@github.com/x git@host:22 http://u:password@host/ http://{u}:{p}@h http://u:***@h",
    "plain links": '"https://x.example/a?page=2&tokens=5&q=token&key=short&code=DE&state=a1b2c3d4e5f6g7h8i9j0#frag"',
    "code": "API_KEY=os.environ['X'] SECRET=get_secret(1) TOKEN=${TOKEN} API_KEY=your-api-key-here",
    "cache keys": "CACHE_KEY=v1-linux-py311 SORT_KEY=a1b2c3d4e5 100%25 of 20%",
    "masked by others, with a scheme": '{"authorization": "Basic <BASIC_AUTH>", "proxy_authorization": "Bearer ***"}',
    "pem in prose": "A file that begins with -----BEGIN PRIVATE KEY----- is secret. So is -----BEGIN RSA PRIVATE KEY-----.",
    "public pem": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "json segments": "eyJhbGciOiJIUzI1NiJ9 eyJwYWdlIjogMn0=.txt",
    "placeholder like a key": "[redacted:sk-" + "a" * 30 + "]",
    "placeholder": '{"password": "[redacted:password]", "a": "Bearer [redacted:bearer-2]", "b": "u:%5Bredacted%3Auserinfo%5D@h"}',
}


@pytest.mark.parametrize("text", SURVIVORS.values(), ids=SURVIVORS.keys())
def test_what_is_no_secret_survives(text: str) -> None:
    """The very same bytes object comes back."""
    body = text.encode()
    assert Redactor().request(Request("POST", URL, JSON, body)).body is body
    assert Redactor().response(Response(200, "", JSON, body)).body is body


def test_base64_of_an_image_survives() -> None:
    """Megabytes of base64, both alphabets, hold nothing."""
    raw = bytes((i * i * 31 + i * 7 + (i >> 3)) & 255 for i in range(300_000))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        body = b'{"image_url": "data:image/png;base64,' + encode(raw) + b'"}'
        assert Redactor().request(Request("POST", URL, JSON, body)).body is body


ADDRESSES = {
    "key": ("https://x.example/v1?alt=sse&key={}&z=%20", "key", A),
    "api_key": ("https://x.example/?api_key={}", "api-key", P),
    "apikey": ("https://x.example/?apikey={}", "apikey", P),
    "api-key": ("https://x.example/?api-key={}", "api-key", P),
    "token": ("https://x.example/?token={}", "token", "short"),
    "access_token": ("https://x.example/a;b?access_token={}#f", "access-token", P),
    "sig": ("https://x.example/?sv=1&sig={}", "sig", quote(A + "/+=", safe="")),
    "signature": ("https://x.example/?Signature={}", "signature", A),
    "amz signature": ("https://x.example/?X-Amz-Signature={}&X-Amz-Date=20260101", "x-amz-signature", HEX),
    "amz credential": (
        "https://x.example/?X-Amz-Credential={}",
        "x-amz-credential",
        "AK" + "IAIOSFODNN7EXAMPLE%2F20260101",
    ),
    "amz token": ("https://x.example/?X-Amz-Security-Token={}", "x-amz-security-token", A * 2),
    "client_secret": ("https://x.example/?client_secret={}&client_id=web", "client-secret", P),
    "code": ("https://x.example/cb?code={}&state=xyz", "code", "4/0" + A),
    "nested name": ("https://x.example/?user[password]={}", "user-password", P),
    "encoded name": ("https://x.example/?api%5Fkey={}", "api-key", P),
    "fragment": ("https://x.example/cb#access_token={}&expires_in=3600", "access-token", P),
    "shape in query": ("https://x.example/?q=use+{}+now", "openai-key", OPENAI),
    "shape after escape": ("https://x.example/?q=use%20{}%20now", "openai-key", OPENAI),
    "path": ("https://api.telegram.org/bot{}/sendMessage", "telegram-token", TELEGRAM),
    "short path": ("https://api.telegram.org/bot{}/sendMessage", "telegram-token", "123:TOKEN"),
    "named segment": ("https://x.example/v1/access_token/{}/me?x=1", "access-token", A),
    "named segment, encoded": ("https://x.example/apikey/{}", "apikey", A + "%2F1"),
    "webhook": ("https://hooks.slack.com/services/{}", "slack-webhook", "T00000000/B00000000/" + A),
}


@pytest.mark.parametrize(("url", "name", "value"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_only_the_secret_part_of_an_address_changes(url: str, name: str, value: str) -> None:
    """Query, fragment and path of a request and of a redirect."""
    expected = url.format(f"[redacted:{name}]")
    assert uri(url.format(value)) == expected
    redirect = Response(
        302, headers=(("Location", url.format(value)), ("link", f'<{url.format(value)}>; rel="next"'))
    )
    headers = Redactor().response(redirect).headers
    assert headers[0] == ("Location", expected)
    if (
        "#" not in url and "%5F" not in url and "[" not in url
    ):  # a link header is text, read without a URL's structure
        assert value not in headers[1][1]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://bob:{P}@h.example:8443/p?a=1", "https://bob:{}@h.example:8443/p?a=1"),
        (f"https://{P}@h.example/p", "https://{}@h.example/p"),
        (f"https://{P}:@h.example/p", "https://{}:@h.example/p"),
        (f"https://:{P}@h.example", "https://:{}@h.example"),
        (f"https://b%40b:p%3A{P}@h.example/a@b", "https://b%40b:{}@h.example/a@b"),
    ],
)
def test_userinfo_is_replaced_so_that_the_url_still_parses(url: str, expected: str) -> None:
    """Brackets in a userinfo make urlsplit of Python 3.11 fail, so the placeholder is percent-encoded there."""
    redacted = uri(url)
    assert redacted == expected.format("%5Bredacted%3Auserinfo%5D")
    assert urlsplit(redacted).hostname == "h.example"
    assert uri(redacted) == redacted
    assert (
        Redactor().text(f"see postgres://bob:{P}@db/x") == "see postgres://bob:%5Bredacted%3Auserinfo%5D@db/x"
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/a%2Fb/?page=2&key=name&code=DE&tokens=5&state=abc",
        "https://x.example/v1/models/gpt-4o:generate?alt=sse&pageToken=a1b2c3d4",
        "http://127.0.0.1:8080",
        "https://x.example/?key=folder/object-1.png",
        "https://git@h.example/users/me@example.com?at=a@b",
        "https://x.example/api_keys/key_a1B2c3D4e5F6g7H8i9J0/token/my-short-token-1",
        "https://x.example/v1/secret/27b520a6-c6ee-41f3-a95d-0e9c5a411ca3/models/a1B2c3D4e5F6g7H8i9J0",
        "https://x.example/token/aaaaaaaaaaaaaaaaaaaaaaaa/1-a/2",
        "https://x.example/---/a1B2c3D4e5F6g7H8i9J0",
    ],
)
def test_an_address_without_a_secret_stays(url: str) -> None:
    """Spelling and all; a user name alone is replaced, for tokens are given so."""
    assert uri(url) == (url.replace("//git@", "//%5Bredacted%3Auserinfo%5D@"))


FORMS = [
    (f"grant_type=password&username=bob&password={P}&scope=a+b", "password", P),
    (f"client_secret={P}", "client-secret", P),
    (f"grant_type=authorization_code&code=4%2F0{A}", "code", f"4%2F0{A}"),
    (f"user[password]={P}&x=", "user-password", P),
    (f"text=my+key+is+{OPENAI}", "openai-key", OPENAI),
    (f"csrfmiddlewaretoken={A}", "csrfmiddlewaretoken", A),
    (f"refresh_token={A}&max_tokens=5", "refresh-token", A),
]


@pytest.mark.parametrize(("text", "name", "raw"), FORMS)
def test_form_fields_go_by_name(text: str, name: str, raw: str) -> None:
    """Only the value of the field changes."""
    assert sent(text, FORM) == text.replace(raw, f"[redacted:{name}]")


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Build a body of parts with the boundary of `MULTIPART`."""
    return (
        b"".join(b"--b0undary\r\n%s\r\n\r\n%s\r\n" % (head.encode(), data) for head, data in parts)
        + b"--b0undary--\r\n"
    )


def test_multipart_parts_go_by_name_and_by_shape() -> None:
    """A field, a quoted and a bare name, and a key within a file; other parts stay to the byte."""
    image = bytes(range(256))

    def build(secret: str, key: str) -> bytes:
        return multipart(
            ('Content-Disposition: form-data; name="purpose"', b"batch"),
            ('Content-Disposition: form-data; name="api_key"', secret.encode()),
            ("content-disposition: form-data; name=client_secret", secret.encode()),
            (
                'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain',
                f"k {key}".encode(),
            ),
            ('Content-Disposition: form-data; name="image"; filename="i.bin"', image),
            ('Content-Disposition: form-data; name="key"', b"uploads/2026/a1b2c3d4e5f6.png"),
            ("Content-Type: text/plain", b"no name"),
        )

    request = Redactor().request(Request("POST", URL, MULTIPART, build(P, OPENAI)))
    assert request.body == build("[redacted:api-key]", "[redacted:openai-key]")


def test_a_multipart_body_that_is_none_is_searched_for_shapes() -> None:
    """No boundary, a part without an end of its head, no part at all."""
    bare = (("content-type", "multipart/form-data"),)
    assert sent(f"{OPENAI}", bare) == "[redacted:openai-key]"
    broken = '--b0undary\r\nContent-Disposition: form-data; name="password"\r\n--b0undary--'
    assert sent(broken, MULTIPART) == broken


def test_request_headers_are_kept_by_an_allow_list() -> None:
    """What changes the answer stays; credentials, telemetry and transport go."""
    headers = (
        ("Host", "api.example.com"),
        ("Authorization", "Bearer " + OPENAI),
        ("x-api-key", P),
        ("Cookie", f"session={P}"),
        ("User-Agent", "OpenAI/Python 3.54.0"),
        ("x-stainless-package-version", "3.54.0"),
        ("x-fern-sdk-version", "7.3.1"),
        ("x-goog-api-client", "google-genai-sdk/3.4.0"),
        ("amz-sdk-invocation-id", "1fa20e40"),
        ("Content-Length", "5"),
        ("Content-Type", "application/json"),
        ("Accept", "text/event-stream"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "tools-2024"),
        ("OpenAI-Beta", "assistants=v2"),
        ("X-Amz-Target", "DynamoDB_20120810.GetItem"),
        ("x-goog-upload-command", "start"),
        ("X-Custom", "1"),
    )
    kept = Redactor().request(Request("POST", URL, headers)).headers
    assert kept == headers[10:-1]


def test_kept_headers_stay_but_not_the_value_of_a_credential() -> None:
    """`keep_headers` works in both directions and never lets a credential through."""
    redactor = Redactor(keep_headers=("X-Custom", "authorization", "cookie", "x-api-key", "Date", "x-token"))
    headers = (
        ("x-custom", f"a {OPENAI}"),
        ("Authorization", f"Bearer {P}"),
        ("X-Api-Key", P),
        ("Cookie", f'a={A}; b="{HEX}"; c='),
        ("x-token", "[redacted:token]"),
    )
    assert redactor.request(Request("GET", URL, headers)).headers == (
        ("x-custom", "a [redacted:openai-key]"),
        ("Authorization", "Bearer [redacted:authorization]"),
        ("X-Api-Key", "[redacted:authorization]"),  # the same value under a second name keeps its first
        ("Cookie", "a=[redacted:cookie]; b=[redacted:cookie-2]; c="),
        ("x-token", "[redacted:token]"),
    )
    assert redactor.response(Response(200, headers=(("Date", "now"), ("Age", "1")))).headers == (
        ("Date", "now"),
    )


DROPPED = [
    "date",
    "age",
    "expires",
    "server",
    "via",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "alt-svc",
    "nel",
    "report-to",
    "strict-transport-security",
    "server-timing",
    "cf-ray",
    "cf-cache-status",
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "x-amz-cf-id",
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
    "openai-processing-ms",
    "x-ratelimit-limit-requests",
    "anthropic-ratelimit-tokens-reset",
    "ratelimit-remaining",
    "x-rate-limit-limit",
    "x-envoy-upstream-service-time",
    "x-served-by",
    "x-timer",
    "x-kong-request-id",
    "mistral-correlation-id",
    "x-cloud-trace-context",
    "traceparent",
    "x-runtime",
    "x-github-request-id",
    "content-security-policy",
    "access-control-allow-origin",
    "x-frame-options",
    "apim-request-id",
    "x-guploader-uploadid",
]
KEPT = [
    "content-type",
    "content-encoding",
    "retry-after",
    "retry-after-ms",
    "etag",
    "last-modified",
    "www-authenticate",
    "proxy-authenticate",
    "location",
    "link",
    "vary",
    "cache-control",
    "openai-version",
    "openai-model",
    "x-should-retry",
    "content-disposition",
    "accept-ranges",
    "allow",
    "x-goog-upload-status",
    "mcp-session-id",
    "num_tokens",
    "x-oauth-scopes",
]


def test_response_headers_are_dropped_by_a_deny_list() -> None:
    """Noise and identities go; everything else stays in order, repeated names too."""
    headers = tuple((name.title(), "v1") for name in [*DROPPED, *KEPT, "link"])
    kept = Redactor().response(Response(200, headers=headers)).headers
    assert [name.lower() for name, _ in kept] == [*KEPT, "link"]


def test_the_length_of_an_answer_to_head_is_kept() -> None:
    """There is no body to make it from again."""
    response = Response(200, headers=(("Content-Length", "42"),))
    assert Redactor().response(response, method="HEAD").headers == response.headers


def test_a_cookie_keeps_its_name_and_attributes() -> None:
    """The value goes; cookies of delivery networks go whole; several in one header are seen."""
    headers = (
        ("Set-Cookie", f"session={A}; Path=/; HttpOnly; Expires=Thu, 01 Jan 2027 00:00:00 GMT"),
        ("set-cookie", f"__cf_bm={A}; path=/; HttpOnly"),
        ("set-cookie", f"_cfuvid={A}; path=/"),
        ("set-cookie", f"a={HEX}; Expires=Thu, 01 Jan 2027 00:00:00 GMT; Path=/, b={P}; Secure"),
        ("set-cookie", "gone=; Max-Age=0"),
    )
    assert Redactor().response(Response(200, headers=headers)).headers == (
        ("Set-Cookie", "session=[redacted:cookie]; Path=/; HttpOnly; Expires=Thu, 01 Jan 2027 00:00:00 GMT"),
        (
            "set-cookie",
            "a=[redacted:cookie-2]; Expires=Thu, 01 Jan 2027 00:00:00 GMT; Path=/, b=[redacted:cookie-3]; Secure",
        ),
        ("set-cookie", "gone=; Max-Age=0"),
    )


def test_a_credential_in_a_response_header_keeps_its_name() -> None:
    """A login that answers with a header still replays."""
    response = Redactor().response(
        Response(200, headers=(("X-Subject-Token", P), ("x-note", "Basic wrong-horse-43")))
    )
    assert response.headers[0] == ("X-Subject-Token", "[redacted:x-subject-token]")
    assert response.headers[1] == ("x-note", "Basic wrong-horse-43")  # not base64 of user and password


def test_basic_credentials_in_a_text_are_found_by_what_they_decode_to() -> None:
    """`Basic` and a word is prose; `Basic` and ``user:password`` in base64 is not."""
    value = base64.b64encode(b"bob:hunter2").decode()
    assert Redactor().text(f"sent Basic {value}.") == "sent Basic [redacted:basic-auth]."
    assert Redactor().text("Basic abcdefghi, Basic /////w==") == "Basic abcdefghi, Basic /////w=="


def test_a_failure_and_a_reason_are_redacted() -> None:
    """The text of a transport error may hold the address."""
    failure = Failure("httpx.ReadTimeout", f"GET https://x.example/?api_key={P} timed out, {OPENAI}")
    response = Redactor().response(Response(0, f"no {OPENAI}", failure=failure))
    assert response.failure == Failure(
        "httpx.ReadTimeout",
        "GET https://x.example/?api_key=[redacted:api-key] timed out, [redacted:openai-key]",
    )
    assert response.reason == "no [redacted:openai-key]"


def test_distinct_values_are_numbered_and_the_same_value_is_not() -> None:
    """In order of first appearance, across requests and responses."""
    redactor = Redactor()
    assert sent('{"password": "a-1"}', redactor=redactor) == '{"password": "[redacted:password]"}'
    assert sent('{"password": "b-1"}', redactor=redactor) == '{"password": "[redacted:password-2]"}'
    response = redactor.response(
        Response(200, "", JSON, b'{"password": "b-1", "pwd": "a-1", "secret": "c-1"}')
    )
    assert (
        response.body
        == b'{"password": "[redacted:password-2]", "pwd": "[redacted:password]", "secret": "[redacted:secret]"}'
    )


def test_placeholders_that_are_there_keep_their_numbers() -> None:
    """A replayed placeholder that comes back stays itself, and a new value does not take its number."""
    redactor = Redactor()
    redactor.observe(
        Response(200, "", (("x-token", "[redacted:token-4]"),), b'{"password": "[redacted:password-2]"}')
    )
    assert (
        sent('{"password": "[redacted:password-2]"}', redactor=redactor)
        == '{"password": "[redacted:password-2]"}'
    )
    assert sent('{"password": "new-1"}', redactor=redactor) == '{"password": "[redacted:password-3]"}'
    assert sent("token=new-2", FORM, redactor=redactor) == "token=[redacted:token-5]"
    redactor.observe(Response(204))


def test_a_placeholder_that_a_client_encoded_is_readable_again() -> None:
    """HTTP clients percent-encode brackets when they follow a redirect."""
    assert uri("https://x.example/f/%5Bredacted%3Ajwt-2%5D/?t=%5bredacted:token%5d") == (
        "https://x.example/f/[redacted:jwt-2]/?t=[redacted:token]"
    )
    assert uri("https://x.example/%5Bredacted%3A%5D%5B") == "https://x.example/%5Bredacted%3A%5D%5B"
    assert (
        uri("https://%5Bredacted%3Auserinfo%5D@x.example/%5B")
        == "https://%5Bredacted%3Auserinfo%5D@x.example/%5B"
    )
    assert uri("/relative/%5Bredacted%3Ajwt%5D") == "/relative/[redacted:jwt]"


def test_a_value_with_a_placeholder_in_it_is_replaced_whole() -> None:
    """What is beside a placeholder below a credential's name is still secret."""
    assert sent('{"password": "abc-[redacted:token]"}') == '{"password": "[redacted:password]"}'
    assert (
        sent('{"authorization": "Bearer [redacted:token]"}') == '{"authorization": "Bearer [redacted:token]"}'
    )


def test_a_secret_of_an_answer_is_found_wherever_it_is_sent_next() -> None:
    """A token of the first answer in path, query, text, JSON of the next request: replay sends the placeholder."""
    token = "Zx9/" + A
    redactor = Redactor()
    redactor.response(Response(200, "", JSON, json.dumps({"access_token": token}).encode()))
    mark = "[redacted:access-token]"
    request = Request(
        "POST",
        f"https://x.example/files/{quote(token, safe='')}?cursor={token}",
        JSON,
        f'{{"q": "{token}"}}'.encode(),
    )
    redacted = redactor.request(request)
    assert redacted.uri == f"https://x.example/files/{mark}?cursor={mark}"
    assert redacted.body == f'{{"q": "{mark}"}}'.encode()
    assert sent(f'{{"q": "x{token} {token}y"}}', redactor=redactor) == f'{{"q": "x{token} {token}y"}}'


def test_a_credential_of_a_dropped_header_is_found_in_a_body() -> None:
    """A server that echoes the key it got does not leak it."""
    redactor = Redactor()
    redactor.request(Request("GET", URL, (("authorization", f"Bearer {A}"), ("x-api-key", "short"))))
    response = redactor.response(Response(400, "", JSON, f'{{"error": "wrong key {A} (short)"}}'.encode()))
    assert response.body == b'{"error": "wrong key [redacted:authorization] (short)"}'


def test_only_so_many_values_are_kept_in_mind() -> None:
    """The oldest go first, so that a test with thousands of tokens stays fast."""
    redactor = Redactor()
    for n in range(400):
        sent(f'{{"password": "{A}{n:04}"}}', redactor=redactor)
    assert sent(f"{A}0399", redactor=redactor) == "[redacted:password-400]"
    assert sent(f"{A}0000", redactor=redactor) == f"{A}0000"


@pytest.mark.timeout(60)  # a guard against hanging: at quadratic cost the slowest took minutes, now a second
@pytest.mark.parametrize("piece", ["sk-", "eyJ", '"password":[', '"password":[[', "://", "<a ", "%3A"])
def test_hostile_repetitions_cost_no_more_than_their_length(piece: str) -> None:
    """What begins like a key or an array again and again is not read to its end each time."""
    hostile = piece * (60_000 // len(piece))
    assert sent(hostile).startswith(piece)


def test_key_behind_many_false_starts_is_found() -> None:
    """The pattern that looks at the start first finds what the fast one would."""
    assert sent(f"{'sk-' * 200}x {OPENAI}").endswith("[redacted:openai-key]")


def test_adjacent_keys_are_all_found() -> None:
    """What a replacement bares is looked at again, so redaction is idempotent."""
    text = f"{P}:x AK" + "IAIOSFODNN7EXAMPLE," + OPENAI + "/" + JWT
    once = Redactor().text(text)
    assert Redactor().text(once) == once
    assert OPENAI not in once
    assert JWT not in once
    token = "gh" + "p_" + A * 2
    redactor = Redactor()
    sent(json.dumps({"password": HEX}), redactor=redactor)
    assert redactor.text(f"{HEX}%{token}") == "[redacted:password]%[redacted:github-token]"


def test_threads_number_without_gaps() -> None:
    """Many threads, each with its own value: as many numbers, none twice."""
    redactor = Redactor()
    results: list[str] = []

    def work(n: int) -> None:
        results.append(sent(f'{{"password": "value-{n}"}}', redactor=redactor))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {'{"password": "[redacted:password]"}'} | {
        f'{{"password": "[redacted:password-{n}]"}}' for n in range(2, 17)
    }
    assert set(results) == expected


def test_no_digest_and_no_value_shows_in_what_is_returned() -> None:
    """Everything about a redacted exchange is printed and searched for every planted value."""
    redactor = Redactor()
    request = Request(
        "POST",
        f"https://bob:{P}1@x.example/bot{TELEGRAM}/?token={P}2",
        (("authorization", f"Bearer {P}3"), ("cookie", f"s={P}4"), *JSON),
        json.dumps({"password": f"{P}5", "text": OPENAI, "pem": PEM, "jwt": JWT}).encode(),
    )
    response = Response(
        200, "OK", (("set-cookie", f"s={P}6"), ("x-auth-token", f"{P}7"), *JSON), request.body
    )
    shown = f"{redactor.request(request)!r} {redactor.response(response)!r}"
    assert [secret for secret in (P, OPENAI, JWT, A, TELEGRAM) if secret in shown] == []


def test_long_value_of_an_unknown_key_is_a_secret() -> None:
    """As of a variable of the environment: any ``…_KEY`` if it is long and mixed."""
    assert Redactor().text(f"SORT_KEY={A}") == "SORT_KEY=[redacted:sort-key]"
    assert Redactor().text(f"SORT_KEY={'a-' * 12}") == f"SORT_KEY={'a-' * 12}"


def test_names_without_a_word_mean_nothing() -> None:
    """An empty name and one without a letter are no credentials."""
    assert field_meaning("--") is None
    assert parameter_meaning("") is None
    assert parameter_meaning("42") is None


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["password", "accessToken", "client-secret", "API_KEY", "x-api-key", "db_password", "refreshToken"]
)
# Long, so that a value does not occur by chance in what is around it.
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=30).map(
    lambda text: "#7Q" + text
)
FAST = settings(max_examples=60, deadline=None, derandomize=True)


@FAST
@given(
    value=JSON_VALUES,
    name=NAMES,
    secret=SECRETS,
    depth=st.sampled_from([0, 1, 2, 3]),
    ascii_only=st.booleans(),
)
@example(value={}, name="password", secret="#7Q\\", depth=2, ascii_only=False)
@example(value={}, name="password", secret='#7Q"\n\\"', depth=3, ascii_only=True)
def test_a_planted_value_is_gone_at_any_depth(
    value: object, name: str, secret: str, depth: int, *, ascii_only: bool
) -> None:
    """Any value, in JSON within JSON strings, is replaced and the rest parses to what it was."""

    def nested(inner: str) -> str:
        text = json.dumps({"around": value, name: inner, "after": [1.5, "x"]}, ensure_ascii=ascii_only)
        for _ in range(depth):
            text = json.dumps({"arguments": text}, ensure_ascii=ascii_only)
        return text

    redacted = sent(nested(secret))
    inner: Any = json.loads(redacted)
    for _ in range(depth):
        inner = json.loads(inner["arguments"])
    assert inner[name].startswith("[redacted:")
    assert inner["after"] == [1.5, "x"]
    assert json.dumps(secret)[1:-1] not in redacted


@FAST
@given(st.text() | JSON_VALUES.map(json.dumps), st.sampled_from([JSON, FORM, MULTIPART, ()]))
@example(f"a=1&password={P}&b={OPENAI}", FORM)
@example('{"password": "[redacted:password-7]", "pwd": "x y"}', JSON)
@example(f"%5Bredacted%3Ajwt%5DBearer {A}", JSON)
@example("https://u:hunter2-abc@h?https://u:hunter2-abc@h", FORM)
def test_redaction_is_idempotent(text: str, headers: tuple[tuple[str, str], ...]) -> None:
    """Redacting what is redacted changes nothing, with the same redactor and with a new one."""
    redactor = Redactor()
    body = text.encode("utf-8", "surrogatepass")
    request = Request("POST", f"{URL}?q={quote(body)}", headers, body)
    once = redactor.request(request)
    assert redactor.request(once) == once
    assert Redactor().request(once) == once


@FAST
@given(JSON_VALUES, st.binary())
def test_nothing_planted_nothing_changed(value: object, noise: bytes) -> None:
    """Random JSON and random bytes come back as the same object."""
    for body in (json.dumps(value).encode(), noise):
        assert Redactor().request(Request("POST", URL, JSON, body)).body is body


@FAST
@given(
    st.text(max_size=20),
    st.sampled_from([value for name in SHAPED if name not in AROUND for value in SHAPED[name]]),
)
def test_a_shape_is_gone_whatever_stands_before_it(before: str, value: str) -> None:
    """A line end or a blank before a key is enough to see it."""
    for text in (f"{before} {value}", f"{before}\n{value}", json.dumps(f"{before}\n{value}")):
        shown = sent(text.encode("utf-8", "surrogatepass"))
        assert value not in shown
        assert json.dumps(value)[1:-1] not in shown


CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
# Looked at one by one: what the authors left, or put in the place of what they removed.
FOUND_IN_CORPUS = {
    "access-key-id", "access-token", "api-key", "apikey", "assertion", "authorization", "client-secret", "cookie",
    "dd-api-key", "refresh-token", "secret-access-key", "session-token", "set-cookie",
    "x-amz-credential", "x-amz-security-token",
}  # fmt: skip


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public cassettes is not beside this checkout")
def test_the_corpus_has_few_finds_and_each_is_a_credential() -> None:
    """Whole public cassettes, read as JSON text in which bodies are strings: nothing but known kinds is found."""
    found: set[str] = set()
    for path in sorted(CORPUS.rglob("*")):
        if path.suffix in {".yaml", ".json", ".har"}:
            redactor = Redactor()
            redactor.request(Request("POST", URL, JSON, path.read_bytes()))
            found |= {re.sub(r"(-\d+)?\]$", "", text)[10:] for text in redactor._placeholders.values()}
    assert found <= FOUND_IN_CORPUS


def test_header_lookup_of_the_content_type_ignores_case() -> None:
    """The form of a body is told by its header in any spelling."""
    headers = (("CONTENT-TYPE", "APPLICATION/X-WWW-FORM-URLENCODED"),)
    assert header(headers, "content-type") is not None
    assert sent(f"password={P}", headers) == "password=[redacted:password]"


# -- values of the environment -----------------------------------------------------------------------


def test_credentials_of_an_environment_are_picked_by_name() -> None:
    """Variables named like a credential count if their value can be one; what only sounds alike does not."""
    environ = {
        "OPENAI_API_KEY": "not-a-real-key-77",
        "TENANT_TOKEN": "tk8Zq21x",
        "DB_PASSWORD": "hunter2hunter2",
        "SAME_SECRET": "tk8Zq21x",
        "DEPLOY_KEY": "v1-linux-py311",
        "SIGNING_KEY": "c0ffee5eed0123456789abcd",
        "OTHER_TOKEN": "test",
        "A_TOKEN": "authorization",
        "TOKEN": "/run/secrets/token1",
        "PROXY_PASSWORD": "http://u1:p1@host",
        "SSH_AUTH_SOCK": "/tmp/ssh-1/agent.1",
        "KEYBOARD_LAYOUT": "us-intl-8Zq21x",
        "PATH": "/usr/bin",
    }
    assert environment_values(environ) == {
        "openai-api-key": "not-a-real-key-77",
        "same-secret": "tk8Zq21x",
        "db-password": "hunter2hunter2",
        "signing-key": "c0ffee5eed0123456789abcd",
    }


@pytest.mark.parametrize(
    "body",
    [
        b"please use %s now",
        b'{"note": "the word is %s."}',
        b'data: {"delta": "%s"}\n\n',
        b"a=1&b=%s",
    ],
)
def test_value_of_the_environment_is_found_wherever_it_stands(body: bytes) -> None:
    """A secret without telling name or shape is redacted in bodies, URLs and kept headers, all else untouched."""
    redactor = Redactor(values={"tenant-token": "tk8Zq/21+x"}, keep_headers=("x-kept",))
    spelled = b"tk8Zq%2F21%2Bx" if body.startswith(b"a=") else b"tk8Zq/21+x"
    request = Request("POST", "https://h/p/tk8Zq%2F21%2Bx?q=1", (("x-kept", "tk8Zq/21+x"),), body % spelled)
    redacted = redactor.request(request)
    assert redacted.uri == "https://h/p/[redacted:tenant-token]?q=1"
    assert redacted.headers == (("x-kept", "[redacted:tenant-token]"),)
    assert redacted.body == body % b"[redacted:tenant-token]"
    assert redactor.request(redacted) == redacted


def test_shape_names_a_value_that_is_in_the_environment_too() -> None:
    """A key has the same placeholder with and without its variable, so that both machines find the recording."""
    key = "sk-proj-" + "Ab12Cd34" * 6
    request = Request("POST", "https://h/", (), f"use {key}".encode())
    assert Redactor(values={"openai-api-key": key}).request(request) == Redactor().request(request)


# -- what a project adds -----------------------------------------------------------------------------


def test_allowed_values_are_left_as_they_are() -> None:
    """Exact values and regexes of whole values, in every layer; part of a value allows nothing."""
    redactor = Redactor(allow=("test-key", "sk-" + "proj-demo.*", "a(b"), values={"x-token": "test-key"})
    text = f'{{"api_key": "test-key", "a": "sk-{"proj-demo" + "1" * 20}", "password": "a(b"}}'
    assert sent(text, redactor=redactor) == text
    assert sent('{"password": "test-key2"}', redactor=redactor) == '{"password": "[redacted:password]"}'


def test_own_patterns_are_redacted_everywhere() -> None:
    """A regex of the whole, or its first group; letters beyond ASCII are found in bodies and addresses."""
    redactor = Redactor(
        redact=(
            (r"cust-\d+", "customer"),
            (r"name=(\w+)", "name"),
            ("an (Müller|Meier)", "person"),
            ("x*", "none"),
        )
    )
    request = Request(
        "POST", "https://h.test/cust-17?q=name=bob", (), "cust-17 and cust-18, an Müller".encode()
    )
    redacted = redactor.request(request)
    assert redacted.uri == "https://h.test/[redacted:customer]?q=name=[redacted:name]"
    assert redacted.body == b"[redacted:customer] and [redacted:customer-2], an [redacted:person]"
    assert redactor.text("an Müller") == "an [redacted:person]"


def test_password_of_basic_auth_is_found_in_a_body() -> None:
    """The header is dropped; its password is known. What is no base64 or no text is not."""
    redactor = Redactor()
    password = "hunter2-" + A
    for value in (base64.b64encode(f"bob:{password}".encode()).decode(), "a", "////"):
        redactor.request(Request("GET", URL, (("authorization", f"Basic {value}"),)))
    assert sent(f"it was {password}.", redactor=redactor) == "it was [redacted:authorization]."


# -- edges that a mutation of the code showed to be untold -----------------------------------------------


ARRAYS = [
    ('{{"passwords": ["{}", "", "{}"], "model": "{}"}}', [True, True, False]),
    ('{{"api_keys": [[["{}"], []], "{}"], "note": "{}"}}', [True, True, False]),
    ('{{"api_keys": [{{"label": "{}", "n": [1, {{}}]}}, "{}"], "note": "{}"}}', [False, True, False]),
    ('{{"api_keys": [""], "model": "{}"}}', [False]),
    ('{{"api_keys": [], "model": "{}"}}', [False]),
    ('{{"pins": ["{}"], "passwords": [12345678], "model": ["{}"]}}', [False, False]),
    ('{{"name": "X-Api-Key", "value": ["{}", "{}"], "model": "{}"}}', [True, True, False]),
]


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize(("text", "secret"), ARRAYS)
def test_an_array_below_a_name_is_redacted_up_to_its_end(text: str, secret: list[bool], depth: int) -> None:
    """All its strings at every level, none of an object in it, and nothing behind it, however deep in strings."""
    values = [f"plain{n}a1B2c3D4e5F6" for n in range(len(secret))]
    body = text.format(*values)
    for _ in range(depth):
        body = json.dumps({"text": body})
    clean = sent(body)
    assert [value not in clean for value in values] == secret
    for _ in range(depth):
        clean = json.loads(clean)["text"]
    assert json.loads(clean)


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ('{{"logprob": -0.5, "token": "{}"}}', False),
        ('{{"token": "{}", "logprob": -0.5}}', False),
        ('{{"token": "{}"}}', True),
        ('[{{"token": "{}"}}, {{"logprob": -0.5}}]', True),
        ('[{{"logprob": -0.5}}, {{"token": "{}"}}]', True),
        ('[{{"token": "a", "logprob": -0.5}}, {{"token": "{}"}}, {{"token": "b", "logprob": -0.5}}]', True),
        ('{{"x": 1, "note": "' + "y" * 800 + '", "token": "{}", "note": "' + "y" * 800 + '"}}', True),
    ],
)
def test_only_its_own_siblings_make_a_token_text(text: str, is_secret: bool) -> None:
    """A token beside its probability is text; the probabilities of other objects do not shield a credential."""
    assert (A not in sent(text.format(A))) == is_secret


@pytest.mark.parametrize(
    ("segment", "is_secret"),
    [
        ("a1b2c3d4e5f6a7b8", True),  # 16 in one piece
        ("A1B2C3D4E5F6A7B8", True),
        ("a1b2c3d4e5f6a7b", False),
        ("a1b2c3d4-e5f6a7b8-c9d0e1", False),  # an id: short pieces of one case
        ("A1B2C3D4-E5F6A7B8-C9D0E1", False),
        ("a1B2c3D4-e5F6a7B8-c9D0e1", True),  # 24 of both cases
        ("a1B2c3D4-e5F6a7B8-c9D0e", False),
        ("1234567890123456", False),
        ("abcdefghijklmnopqr", False),
    ],
)
def test_a_segment_behind_a_name_is_secret_if_it_is_random(segment: str, is_secret: bool) -> None:
    """Long without a break, or of both cases and longer still; numbers, words and ids stay."""
    assert (segment not in uri(f"https://x.example/access_token/{segment}/me")) == is_secret


@pytest.mark.parametrize("place", ["header", "body"])
def test_what_an_answer_names_late_is_found_where_it_stood_before(place: str) -> None:
    """A token that only the end of a body names is gone from a header and from the beginning, too."""
    headers = (*JSON, ("x-session", f"is {A}")) if place == "header" else JSON
    before = f'"note": "is {A}", ' if place == "body" else ""
    raw = f'{{{before}"access_token": "{A}"}}'.encode()
    clean = Redactor().response(Response(200, "OK", headers, raw))
    assert A not in str(clean)
    assert str(clean).count("[redacted:access-token]") == 2


def test_what_a_replayed_body_holds_counts_as_taken() -> None:
    """A new value after a replayed answer gets the next number, whether a header or the body has the last."""
    redactor = Redactor()
    redactor.observe(Response(200, body=b'{"api_key": "[redacted:api-key-3]"}'))
    assert sent(f'{{"api_key": "{P}"}}', redactor=redactor) == '{"api_key": "[redacted:api-key-4]"}'
    redactor.observe(Response(200, headers=(("x", "[redacted:api-key-7]"),), body=b"redacted"))
    assert sent(f'{{"api_key": "{A}"}}', redactor=redactor) == '{"api_key": "[redacted:api-key-8]"}'


def test_a_password_with_colons_is_learnt_whole() -> None:
    """In Basic credentials the first colon ends the user, as RFC 7617 has it."""
    password = "a1B2:c3D4:e5F6:g7H8:i9J0"
    basic = base64.b64encode(f"me:{password}".encode()).decode()
    redactor = Redactor()
    redactor.request(Request("GET", URL, (("Authorization", f"Basic {basic}"),)))
    assert sent(f"it is {password}.", (), redactor=redactor) == "it is [redacted:authorization]."


def test_a_learnt_value_is_found_as_json_spells_it() -> None:
    """A quote or a backslash in it is escaped in the prompt in which it comes back; nothing else is touched."""
    secret = 'a1B2"c3D4\\e5F6/g7H8+i9J0'
    redactor = Redactor()
    sent(json.dumps({"password": secret}), redactor=redactor)
    prompt = json.dumps({"prompt": f"say {secret} if ul null fulls"})
    assert sent(prompt, redactor=redactor) == '{"prompt": "say [redacted:password] if ul null fulls"}'
    spelt = quote(secret, safe="")
    assert redactor.request(Request("GET", f"{URL}/{spelt}/x")).uri == f"{URL}/[redacted:password]/x"


@pytest.mark.parametrize("times", [1, 2, 40, 100])
def test_a_key_is_found_behind_what_only_looks_like_one(times: int) -> None:
    """However many words end like the beginning of a key, the real one after them is seen."""
    inner = OPENAI.replace("proj-", "proj-" + "x")
    text = f"de{inner} " * times + f"and {OPENAI}, and {TELEGRAM}"
    assert sent(text, ()).endswith("and [redacted:openai-key], and [redacted:telegram-token]")


def test_the_password_of_an_address_goes_even_if_it_is_a_word() -> None:
    """In the address itself it is one, whatever it says; the host behind it stays."""
    assert uri("https://user:secret@h/x") == "https://user:%5Bredacted%3Auserinfo%5D@h/x"
    assert uri("https://secret-user@h/x") == "https://%5Bredacted%3Auserinfo%5D@h/x"


def test_the_end_of_a_sentence_is_not_part_of_a_link() -> None:
    """A full stop or semicolon behind a signed link stays."""
    for end in (".", ";", ".;", ". See", "; x"):
        assert sent(f"https://x.example/i?sig={A}{end}", ()) == f"https://x.example/i?sig=[redacted:sig]{end}"


def test_a_boundary_may_be_bare_and_names_may_be_too() -> None:
    """Neither the quotes of the boundary nor those of a name are needed; a body does not name its own part."""
    bare = (("content-type", "multipart/form-data; boundary=b0undary; charset=utf-8"),)
    quoting = (
        "Content-Type: text/plain",
        b'Content-Disposition: form-data; name="password"\r\n\r\nno secret',
    )
    body = multipart(("Content-Disposition: form-data; name=password", PASSWORD.encode()), quoting)
    expected = multipart(("Content-Disposition: form-data; name=password", b"[redacted:password]"), quoting)
    assert sent(body, bare) == expected.decode()


@pytest.mark.parametrize("user", ["me:" + "pw" * n for n in range(3, 7)])
def test_basic_credentials_are_found_padded_or_not(user: str) -> None:
    """What says user and password in base64 is found; what says neither stays."""
    written = base64.b64encode(user.encode()).decode()
    for value in (written, written.rstrip("=")):
        assert value.rstrip("=") not in sent(f"curl -H 'authorization: Basic {value}'", ())
    plain = "Basic " + base64.b64encode(b"hello world, hello again").decode()
    assert sent(plain, ()) == plain


@pytest.mark.parametrize("code", ["os.KEY2", "process.env2", "self.key_2", "settings.KEY2", "config.k3y"])
def test_code_behind_an_assignment_is_no_value(code: str) -> None:
    """Where a variable gets the attribute of something, nothing is secret; eight random characters are."""
    text = f"OPENAI_API_KEY={code} next"
    assert sent(text, ()) == text
    assert sent("OPENAI_API_KEY=a1B2c3D4 next", ()) == "OPENAI_API_KEY=[redacted:openai-api-key] next"
    assert "a1B2c3D4" not in sent("authorization: Bearer a1B2c3D4", ())


@pytest.mark.parametrize("mask", ["XXXX", "xxxx", "****", "....", "$PASSWORD", "{password}", "(pw)", "<pw>"])
def test_masks_in_an_address_within_a_text_stay(mask: str) -> None:
    """Documentation writes an address with something in the place of the password."""
    text = f"use https://me:{mask}@h.example/ here"
    assert sent(text, ()) == text


MEANS = """password client_secret accessToken userPassword2 x-api-key api_keys openai_key access_tokens bot_token
    refreshToken aws_access_key_id code_verifier saml_response secret_value verification_code otp_code password_hash
    passwordConfirmation connectionString jwt"""
MEANS_NOTHING = """prompt_tokens max_tokens tokens next_page_token page_tokens foo_tokens cache_key public_key key keys
    code status_code country_code value hash text_value id access_key_name verifier string response words secretary
    token_count password_length password_policy"""


@pytest.mark.parametrize(
    ("name", "means"),
    [*((name, True) for name in MEANS.split()), *((name, False) for name in MEANS_NOTHING.split())],
)
def test_last_words_of_a_name_decide(name: str, means: bool) -> None:
    """What is in front of them does not matter, and neither does how the words are joined."""
    field_meaning.cache_clear()
    assert (field_meaning(name) is not None) == means
    assert (field_meaning(f"my_{name}") is not None) == (means or name == "key_id")
    written = sent(json.dumps({name: A}))
    assert (A not in written) == means


def test_table_that_is_built_anew_is_the_table() -> None:
    """Each hint leads to its shapes, in the order of the table; a pattern after a word's start says so."""
    hints = _Hints(SHAPES)
    for cases in SHAPED_CASES:
        text = AROUND.get(str(cases.values[0]), "{}").format(cases.values[1])
        found = hints.shapes(f"words before {text}".encode())
        assert cases.values[0] in [SHAPES[index].name for index in found]
        assert found == sorted(found)
    assert hints.shapes(b"prose with long-hyphenated-words and no key") == []
    row = _shape("a-name", "x- y-", _WORD + r"[xy]-\w+", str.islower)
    assert row == Shape("a-name", ("x-", "y-"), re.compile(r"[xy]-\w+", re.ASCII), True, str.islower)
    assert not _shape("a-name", "x-", r"x-\w+").is_word


_KEYS = [str(value) for cases in SHAPED_CASES for value in cases.values[1:]]
_BETWEEN = ["\n", " ", "bearer ", "Basic ", "x/bot", "BEARER é", "–", "a" * 15, "\ud800", "", '"', "\\n"]


@given(st.lists(st.sampled_from([*_KEYS, *_BETWEEN]), max_size=12).map("".join), st.integers(1, 200))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_hint_hides_a_shape_wherever_a_text_is_cut(text: str, piece: int) -> None:
    """Every shape is found that is found by searching for all of them, in texts of many pieces too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_redaction_shapes, "_PIECE_BYTES", piece)
        found = list(table_finds(text))
    assert found == [find for shape in SHAPES for find in shape_matches(text, shape)]


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://h/?token={}?b=c#d#e", "https://h/?token=[redacted:token]#d#e"),
        ("https://h/#access_token={}#x=1", "https://h/#access_token=[redacted:access-token]#x=1"),
        ("https://h/a#b?token={}", "https://h/a#b?token=[redacted:token]"),
        ("https://h/user/a1b2c3d4e5f6g7h8/api_keys/a1b2c3d4e5f6g7h8/key/{}", None),
    ],
)
def test_the_first_sign_ends_the_path(url: str, clean: str | None) -> None:
    """Signs that come again are part of a value; a segment that is no secret does not hide the next."""
    assert uri(url.format(A)) == (clean or url.format("[redacted:key]"))


def test_an_address_in_a_header_is_read_as_one() -> None:
    """Location and Content-Location alike: what only the structure of an address shows goes."""
    for name in ("Location", "Content-Location"):
        response = Response(200, "OK", ((name, "https://me:secret@h/key/x?token=short"),))
        ((_, value),) = Redactor().response(response).headers
        assert value == "https://me:%5Bredacted%3Auserinfo%5D@h/key/x?token=[redacted:token]"


def test_sixteen_characters_are_learnt() -> None:
    """A value of fifteen may stand elsewhere by chance, one of sixteen does not."""
    for length, is_learnt in ((15, False), (16, True)):
        redactor = Redactor()
        sent(f'{{"password": "{A[:length]}"}}', redactor=redactor)
        assert (A[:length] not in sent(f"it is {A[:length]}", (), redactor=redactor)) == is_learnt
