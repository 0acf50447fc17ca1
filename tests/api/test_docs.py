"""The page that shows the OpenAPI document, and the files that it loads."""

import re
from collections import Counter
from html import unescape

import pytest
import pytest_asyncio
from yarl import URL

from ingest.api.browser import PAGE_POLICY
from ingest.api.openapi.document import document
from ingest.web.assets import asset_url, assets
from tests.support.contract import operations, resolved
from tests.support.elements import Elements
from tests.support.service import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def page(standing: Client) -> str:
    """The page."""
    response = await standing.get("/docs")
    assert response.status == 200
    assert response.headers["Content-Security-Policy"] == PAGE_POLICY
    return await response.text()


async def test_it_shows_all_that_there_is(page: str) -> None:
    """Title, tags, every operation with its words, parameters, answers and examples are there."""
    whole = document()
    text = unescape(re.sub(r"</?(code|em)>", "", page))
    assert whole["info"]["title"] in text
    for one in whole["tags"]:
        assert one["description"] in text
    for method, path, operation in operations():
        place = text.index(f'id="{operation["operationId"]}"')
        article = text[place : text.index("</article>", place)]
        shown = [method, path, operation["summary"]]
        shown += [resolved(one)["name"] for one in operation["parameters"]]
        for status, answer in operation["responses"].items():
            shown += [status, answer["description"].split("\n\n")[0].replace("`", "")]
            shown += [f"Example: {name}" for name in answer["content"].get("examples", {})]
        assert [words for words in shown if words not in article] == []
    for name in whole["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


async def test_it_keeps_to_its_policy(page: str) -> None:
    """No script or style stands in the page itself, and nothing is loaded from elsewhere."""
    found = Elements(page).found
    names = [name for _, attributes in found for name in attributes]
    assert not [name for name in names if name == "style" or name.startswith("on")]
    assert "style" not in {name for name, _ in found}
    assert "'unsafe" not in PAGE_POLICY
    loaded = [attributes.get("src") for name, attributes in found if name in ("script", "img")]
    loaded += [attributes["href"] for name, attributes in found if name == "link"]
    assert sorted(map(str, loaded)) == sorted(map(asset_url, assets()))
    for name, content in assets().items():
        # A namespace of XML is a name, not an address.
        text = content.body.decode().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "://" not in text, name
        assert not re.search(r"\beval\b|new Function|innerHTML|\bStorage\b", text), name


async def test_it_can_be_used_by_ear_and_by_keyboard(page: str) -> None:
    """Ids are unique, links within it lead somewhere, and every field has a label."""
    found = Elements(page).found
    ids = Counter(attributes["id"] for _, attributes in found if "id" in attributes)
    assert [one for one, times in ids.items() if times > 1] == []
    links = {str(attributes["href"]) for name, attributes in found if name == "a"}
    assert {link[1:] for link in links if link.startswith("#")} <= ids.keys()
    labelled = {attributes["for"] for name, attributes in found if name == "label"}
    fields = [attributes for name, attributes in found if name in ("input", "select", "textarea")]
    assert {attributes.get("id") for attributes in fields} == labelled
    referred = {
        attributes[name]
        for _, attributes in found
        for name in ("aria-labelledby", "aria-describedby")
        if name in attributes
    }
    assert referred <= ids.keys()
    assert ("html", {"lang": "en"}) in found


async def test_what_needs_the_script_is_not_shown_without_it(page: str) -> None:
    """Forms are hidden until the script is there; the command to type is not."""
    forms = [attributes for name, attributes in Elements(page).found if name == "form"]
    assert all("hidden" in form or form.get("method") == "dialog" for form in forms)
    assert "curl -X PUT http://127.0.0.1:9081/abandon/1<" in page


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/static/docs.css"])
async def test_what_has_not_changed_is_not_sent_again(standing: Client, path: str) -> None:
    """With the ETag that came with it the answer is 304 without a body; with another, whole."""
    first = await standing.get(path)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await standing.get(path, headers={"If-None-Match": known})
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["ETag"] == tag
    for unknown in ('"other"', "x", "", '"\xe9"'):
        again = await standing.get(path, headers={"If-None-Match": unknown})
        assert (again.status, await again.read()) == (200, await first.read())


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("docs.css", "text/css"),
        ("docs.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_assets_are_kept_for_as_long_as_their_address(
    standing: Client, name: str, media_type: str
) -> None:
    """By the address that pages have, which changes with the content, an asset is kept for ever."""
    response = await standing.get(asset_url(name))
    assert (response.status, response.content_type) == (200, media_type)
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert await response.read() == assets()[name].body
    stale = await standing.get(f"/static/{name}?v=0123")
    assert (stale.status, stale.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/..",
        "/static/../__init__.py",
        "/static/..%2f__init__.py",
        "/static/%2e%2e%2f__init__.py",
        "/static/..%5c__init__.py",
        "/static/%252e%252e%252f__init__.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/docs.css%00",
        "/static/DOCS.CSS",
        "/static/docs.css/",
    ],
)
async def test_no_name_leads_out_of_the_folder(standing: Client, path: str) -> None:
    """What is not an asset's name to the letter is a 404."""
    response = await standing.get(URL(path, encoded=True))
    assert response.status == 404
    assert (await response.text()).startswith("There is nothing at ")
