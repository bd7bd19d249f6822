"""Every client we name records against a server and replays without one, answer for answer."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pytest_f3dx.errors import CassetteMiss
from tests.recorders import MemoryRecorder, recording
from tests.server import LARGE_BYTES, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    Flow = Callable[[str], list[Any]]

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
FLOWS: dict[str, tuple[Flow, int]] = {}  # name: (what is done with a URL, requests it sends)


def flow(requests: int) -> Callable[[Flow], Flow]:
    """Put a flow into the table, with the number of requests that it sends."""

    def put(function: Flow) -> Flow:
        FLOWS[function.__name__.removeprefix("_")] = function, requests
        return function

    return put


def _openai(url: str) -> Any:
    openai = pytest.importorskip("openai")
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=2)


def _async_openai(url: str) -> Any:
    openai = pytest.importorskip("openai")
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-test", max_retries=2)


@flow(6)
def _openai_sync(url: str) -> list[Any]:
    client = _openai(url)
    with closing(client):
        chat = client.chat.completions.create(model="m", messages=HELLO)
        stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
        words = [chunk.choices[0].delta.content for chunk in stream]
        raw = client.chat.completions.with_raw_response.create(model="raw", messages=HELLO)
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        called = client.chat.completions.create(model="m", messages=HELLO, tools=[tool])
        answer = client.responses.create(model="m", input="hello")
        vectors = client.embeddings.create(model="e", input=["a", "bc"])
        return [
            chat.model_dump(),
            words,
            raw.text,
            raw.headers["content-type"],
            called.choices[0].message.tool_calls[0].function.name,
            answer.output_text,
            vectors.model_dump(),
        ]


@flow(2)
def _openai_async(url: str) -> list[Any]:
    async def ask() -> list[Any]:
        async with _async_openai(url) as client:
            chat = await client.chat.completions.create(model="m", messages=HELLO)
            stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
            return [chat.model_dump(), [chunk.choices[0].delta.content async for chunk in stream]]

    return asyncio.run(ask())


@flow(2)
def _anthropic_sync(url: str) -> list[Any]:
    anthropic = pytest.importorskip("anthropic")
    asked: dict[str, Any] = {"model": "claude", "max_tokens": 9, "messages": HELLO}
    with anthropic.Anthropic(base_url=url, api_key="test") as client:
        message = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            return [message.model_dump(), list(stream.text_stream), stream.get_final_message().model_dump()]


@flow(2)
def _anthropic_async(url: str) -> list[Any]:
    anthropic = pytest.importorskip("anthropic")
    asked: dict[str, Any] = {"model": "claude", "max_tokens": 9, "messages": HELLO}

    async def ask() -> list[Any]:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="test") as client:
            message = await client.messages.create(**asked)
            async with client.messages.stream(**asked) as stream:
                return [message.model_dump(), [text async for text in stream.text_stream]]

    return asyncio.run(ask())


def _httpx_flow(httpx: Any, url: str) -> list[Any]:
    with httpx.Client(follow_redirects=True) as client:
        accepted = client.headers["accept-encoding"]  # zstd wants a package that may be absent
        codings = [name if name in accepted else "gzip" for name in ("gzip", "deflate", "br", "zstd")]
        found: list[Any] = [client.get(f"{url}/{name}").json() for name in codings]
        found.append(client.post(f"{url}/echo", content=(part for part in (b"a", b"b"))).json())
        with client.stream("GET", f"{url}/chunked") as stream:
            found.append(b"".join(stream.iter_raw()))
        with client.stream("GET", f"{url}/ndjson") as stream:
            found.append(list(stream.iter_lines()))
        moved = client.get(f"{url}/redirect")
        found += [moved.json(), [each.status_code for each in moved.history], dict(client.cookies)]
        empty = client.get(f"{url}/204")
        head = client.head(f"{url}/echo")
        odd = client.get(f"{url}/reason")
        twice = client.get(f"{url}/duplicates").headers.get_list("x-twice")
        missing = client.get(f"{url}/404").status_code
        found += [
            empty.status_code,
            empty.content,
            head.content,
            odd.extensions["reason_phrase"],
            twice,
            missing,
        ]
        return [*found, client.post(f"{url}/echo", files={"f": b"\x00\xff"}).status_code]


@flow(15)
def _httpx(url: str) -> list[Any]:
    return _httpx_flow(pytest.importorskip("httpx"), url)


@flow(15)
def _httpx2(url: str) -> list[Any]:
    return _httpx_flow(pytest.importorskip("httpx2"), url)


def _httpx_async_flow(httpx: Any, url: str) -> list[Any]:
    async def parts() -> Any:
        for part in (b"a", b"b"):
            yield part

    async def ask() -> list[Any]:
        async with httpx.AsyncClient() as client:
            found = [(await client.get(f"{url}/gzip")).json()]
            found.append((await client.post(f"{url}/echo", content=parts())).json())
            async with client.stream("GET", f"{url}/chunked") as stream:
                found.append([part async for part in stream.aiter_raw()])
            return [*found, (await client.get(f"{url}/large")).content]

    return asyncio.run(ask())


@flow(4)
def _httpx_async(url: str) -> list[Any]:
    return _httpx_async_flow(pytest.importorskip("httpx"), url)


@flow(4)
def _httpx2_async(url: str) -> list[Any]:
    return _httpx_async_flow(pytest.importorskip("httpx2"), url)


@flow(2)
def _httpx_trio(url: str) -> list[Any]:
    trio, httpx = pytest.importorskip("trio"), pytest.importorskip("httpx")

    async def ask() -> list[Any]:
        async with httpx.AsyncClient() as client:
            return [(await client.get(f"{url}/echo?{at}")).json() for at in range(2)]

    found: list[Any] = trio.run(ask)
    return found


@flow(14)
def _requests(url: str) -> list[Any]:
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        found: list[Any] = [session.post(f"{url}/echo", json={"at": at}).json() for at in range(3)]
        found.append(list(session.get(f"{url}/chunked", stream=True).iter_lines()))
        found.append(list(session.get(f"{url}/ndjson", stream=True).iter_content(7)))
        found.append(session.get(f"{url}/gzip").json())
        moved = session.get(f"{url}/redirect")
        found += [moved.json(), [each.status_code for each in moved.history], session.cookies.get_dict()]
        head, empty = session.head(f"{url}/echo"), session.get(f"{url}/204")
        found += [head.content, head.status_code, empty.status_code, session.get(f"{url}/reason").reason]
        found += [session.post(f"{url}/echo", data=iter([b"a", b"b"])).json()]
        twice = session.get(f"{url}/duplicates")
        return [*found, twice.raw.headers.getlist("x-twice"), session.get(f"{url}/404").text]


@flow(7)
def _urllib3(url: str) -> list[Any]:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager() as pool:
        found: list[Any] = [pool.request("POST", f"{url}/echo", body=f"{at}").json() for at in range(3)]
        late = pool.request("GET", f"{url}/large", preload_content=False)
        found += [late.read(10), late.read()]
        late.release_conn()
        stream = pool.request("GET", f"{url}/binary", preload_content=False)
        found.append(b"".join(stream.stream(100)))
        found.append(
            pool.request(
                "GET", f"{url}/429?for=urllib3", retries=urllib3.Retry(status_forcelist=[429])
            ).json()
        )
        return found


@flow(3)
def _urllib_request(url: str) -> list[Any]:
    with urllib.request.urlopen(f"{url}/duplicates") as response:
        found: list[Any] = [response.read(), response.headers.get_all("x-twice"), response.status]
    request = urllib.request.Request(f"{url}/echo", b"x=1", method="PUT")
    with urllib.request.urlopen(request) as response:
        found += [json.load(response), response.reason]
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(f"{url}/500"):
        pass
    with closing(caught.value):
        return [*found, caught.value.code, caught.value.read()]


@flow(5)
def _http_client(url: str) -> list[Any]:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc)) as connection:
        found: list[Any] = []
        for method, path, body in (
            ("GET", "/echo", None),
            ("POST", "/echo", iter([b"chunk", b"ed"])),
            ("HEAD", "/echo", None),
            ("GET", "/304", None),
            ("GET", "/until-closed", None),
        ):
            connection.request(method, path, body)
            answer = connection.getresponse()
            found += [answer.status, answer.peek(3)[:3], answer.read(), answer.getheader("content-type")]
        return found


@flow(2)
def _aiohttp_without_a_body(url: str) -> list[Any]:
    aiohttp = pytest.importorskip("aiohttp")

    async def ask() -> list[Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{url}/204") as empty,
            session.head(f"{url}/echo") as head,
        ):
            return [empty.status, await empty.read(), await head.read(), head.content_type]

    return asyncio.run(ask())


@flow(4)
def _aiohttp_uploads(url: str) -> list[Any]:
    aiohttp = pytest.importorskip("aiohttp")

    async def parts() -> Any:
        yield b"iter"
        yield b"ated"

    async def ask() -> list[Any]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("file", io.BytesIO(b"in a form"), filename="f.txt")
        found = []
        async with aiohttp.ClientSession() as session:
            for data in (io.BytesIO(b"a file"), io.StringIO("a text file"), parts(), form):
                async with session.post(f"{url}/echo", data=data) as answer:
                    found.append((await answer.json())["body"])
        return [*found[:3], "in a form" in found[3]]

    found = asyncio.run(ask())
    assert found == ["a file", "a text file", "iterated", True]
    return found


@flow(9)
def _aiohttp(url: str) -> list[Any]:
    aiohttp = pytest.importorskip("aiohttp")

    async def ask() -> list[Any]:
        found: list[Any] = []
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.post(f"{url}/echo", json={"a": "ü"}) as answer:
                found += [await answer.json(), answer.status, answer.reason]
            form = aiohttp.FormData({"field": "value"})
            async with session.post(f"{url}/echo", data=form) as answer:
                found.append(await answer.json())
            async with session.get(f"{url}/redirect") as answer:
                found += [await answer.json(), [each.status for each in answer.history], str(answer.url)]
            found.append([str(cookie.value) for cookie in session.cookie_jar])
            async with session.get(f"{url}/latin") as answer:
                found.append(await answer.text())
            async with session.get(f"{url}/ndjson") as answer:
                found.append([line async for line in answer.content])
            async with session.get(f"{url}/large") as answer:
                found.append(b"".join([part async for part in answer.content.iter_chunked(1000)]))
            async with session.get(f"{url}/gzip") as answer:
                found.append(await answer.read())
            async with session.get(f"{url}/duplicates") as answer:
                found += [answer.headers.getall("x-twice"), list(answer.cookies)]
        return found

    return asyncio.run(ask())


@flow(3)
def _litellm(url: str) -> list[Any]:
    litellm = pytest.importorskip("litellm")
    asked: dict[str, Any] = {
        "model": "openai/m",
        "messages": HELLO,
        "api_base": f"{url}/v1",
        "api_key": "sk-test",
    }

    async def ask() -> Any:
        found = await litellm.acompletion(**asked, seed=1)
        await litellm.close_litellm_async_clients()
        return found.choices[0].message.content

    plain = litellm.completion(**asked)
    stream = [chunk.choices[0].delta.content for chunk in litellm.completion(**asked, stream=True)]
    return [plain.choices[0].message.content, stream, asyncio.run(ask())]


@flow(3)
def _langchain_openai(url: str) -> list[Any]:
    langchain, openai = pytest.importorskip("langchain_openai"), pytest.importorskip("openai")
    options: dict[str, Any] = {"model": "m", "base_url": f"{url}/v1", "api_key": "sk-test", "max_retries": 2}

    async def ask() -> Any:  # with a client that can be closed: langchain keeps its own for ever
        async with openai.DefaultAsyncHttpxClient() as client:
            return (await langchain.ChatOpenAI(**options, http_async_client=client).ainvoke("hello")).content

    with openai.DefaultHttpxClient() as client:
        chat = langchain.ChatOpenAI(**options, http_client=client)
        return [
            chat.invoke("hello").content,
            [each.content for each in chat.stream("hello")],
            asyncio.run(ask()),
        ]


@flow(3)
def _google_genai(url: str) -> list[Any]:
    genai = pytest.importorskip("google.genai")
    client = genai.Client(api_key="test", http_options={"base_url": url})
    asked: dict[str, Any] = {"model": "gemini-test", "contents": "hello"}

    async def ask() -> Any:
        found = (await client.aio.models.generate_content(**asked)).text
        await client.aio.aclose()
        return found

    with closing(client):
        plain = client.models.generate_content(**asked).text
        return [
            plain,
            [each.text for each in client.models.generate_content_stream(**asked)],
            asyncio.run(ask()),
        ]


@flow(2)
def _bedrock(url: str) -> list[Any]:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    asked: dict[str, Any] = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    with closing(client):
        plain = client.converse(**asked)["output"]
        return [plain, list(client.converse_stream(**asked)["stream"])]


@flow(2)
def _s3_put(url: str) -> list[Any]:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with closing(client), pytest.raises(client.exceptions.ClientError) as caught:
        client.put_object(Bucket="b", Key="k", Body=b"content" * 100)
    with closing(client), pytest.raises(client.exceptions.ClientError):
        client.put_object(Bucket="b", Key="other", Body=b"content" * 100)
    return [str(caught.value)]


@flow(4)
def _httplib2(url: str) -> list[Any]:
    httplib2 = pytest.importorskip("httplib2")
    with closing(httplib2.Http()) as client:
        found = [client.request(f"{url}/echo?{at}")[1] for at in range(2)]
        response, body = client.request(f"{url}/redirect")
        return [*found, response.status, body]


@flow(4)
def _tornado(url: str) -> list[Any]:
    httpclient = pytest.importorskip("tornado.httpclient")

    async def ask() -> list[Any]:
        client = httpclient.AsyncHTTPClient(force_instance=True)
        with closing(client):
            plain = await client.fetch(f"{url}/echo", method="POST", body="ü", user_agent="me")
            twice = (await client.fetch(f"{url}/duplicates")).headers.get_list("x-twice")
            with pytest.raises(httpclient.HTTPError) as caught:
                await client.fetch(f"{url}/404")
            heads: list[str] = []
            parts: list[bytes] = []
            await client.fetch(
                f"{url}/chunked", header_callback=heads.append, streaming_callback=parts.append
            )
            return [plain.body, twice, caught.value.code, b"".join(parts), heads[0], heads[-1]]

    return asyncio.run(ask())


# -- record, then replay -----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the clients from looking elsewhere."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def check(name: str) -> None:
    """Record a flow, then replay it with the server gone."""
    run, requests = FLOWS[name]
    recorder = MemoryRecorder()
    with Server() as server:
        with recording(recorder):
            recorded = run(server.url)
        assert (server.count, len(recorder.asked), recorder.failed) == (requests, requests, [])
    with recording(recorder.replaying()) as replayer:
        replayed = run(server.url)
    assert replayed == recorded
    assert (server.count, len(replayer.asked)) == (requests, requests)


def check_miss(name: str) -> None:
    """Replay what was never recorded."""
    with Server() as server, recording(MemoryRecorder("replay")) as recorder:
        with pytest.raises(CassetteMiss) as caught:
            _MISSES[name](server.url)
        assert "no recording answers this request" in str(caught.value)
        assert (len(recorder.asked), server.count) == (1, 0)


@pytest.mark.parametrize("name", sorted(FLOWS.keys() - {"litellm"}))
@pytest.mark.filterwarnings("default")  # what the clients themselves warn of is not ours to judge
def test_a_recorded_flow_is_replayed_without_a_server(name: str) -> None:
    """Each request reaches the server once, and the replay gives the client the same answers, byte for byte."""
    check(name)


_MISSES: dict[str, Callable[[str], Any]] = {
    "openai": lambda url: _openai(url).chat.completions.create(model="m", messages=HELLO),
    "async openai": lambda url: asyncio.run(
        _async_openai(url).chat.completions.create(model="m", messages=HELLO)
    ),
    "anthropic": _anthropic_sync,
    "async anthropic": _anthropic_async,
    "litellm": _litellm,
    "langchain_openai": _langchain_openai,
    "google_genai": _google_genai,
    "bedrock": _bedrock,
    "requests": _requests,
    "urllib3": _urllib3,
    "urllib.request": _urllib_request,
    "http.client": _http_client,
    "httplib2": _httplib2,
    "httpx": _httpx,
    "httpx2 async": _httpx2_async,
    "aiohttp": _aiohttp,
    "tornado": _tornado,
}


@pytest.mark.parametrize("name", sorted(_MISSES.keys() - {"litellm"}))
@pytest.mark.filterwarnings("default")
def test_a_miss_surfaces_at_once(name: str) -> None:
    """A miss is no error that an SDK retries or rewords, and nothing reaches the server."""
    check_miss(name)


def test_litellm_in_a_process_of_its_own() -> None:
    """All of that holds for litellm, which leaves an event loop open that pytest would report here."""
    pytest.importorskip("litellm")
    code = "from tests.test_clients import check, check_miss; check('litellm'); check_miss('litellm')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_large_body_is_whole() -> None:
    """What the table calls large is 1 MB, also after a replay."""
    recorder = MemoryRecorder()
    with Server() as server:
        with recording(recorder):
            recorded = _urllib3(server.url)
        assert len(recorded[3]) + len(recorded[4]) == LARGE_BYTES
