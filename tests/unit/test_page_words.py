"""The words and files of the pages: complete in both languages, all used, nothing from elsewhere."""

import gzip
import json
import re
from string import Formatter

import pytest

from chalicelib.adapters import page_assets, page_templates
from chalicelib.adapters.page_assets import WEB, MissingAssetError, PageAssets
from chalicelib.adapters.page_templates import Language, PageTemplates, Texts
from chalicelib.domain.deduction import FAILURE_CLASSES, Kind
from chalicelib.domain.product import Recut
from chalicelib.entrypoints.borrower_requests import DETAILS
from chalicelib.entrypoints.page_views import FAILURE_CODES, KINDS, REFUSAL_CODES, UNNAMED, Badge
from chalicelib.flows.borrower_loans import OrderState

ROOT = WEB.parents[1]
TEXTS = json.loads((WEB / "texts.json").read_text(encoding="utf-8"))
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES}
LITERAL = re.compile(r"""\bt\("([a-z_.A-Z]+)"[,)]""")
EITHER = re.compile(r"""\bt\("([a-z_.]+)" if .*? else "([a-z_.]+)"\)""")

FAULTS = ("choice_missing", "amount_missing", "amount_commas", "amount_malformed")
STATUSES = (400, 401, 403, 404, 429, 500, 503)
OUTCOMES = ("processing", "succeeded", "mixed", "failed")


def _families():
    """What is said by a code that is only known when it happens."""
    for code in (*REFUSAL_CODES, UNNAMED):
        yield from (f"refusal.{code}.what", f"refusal.{code}.next")
    for code in FAILURE_CODES:
        yield from (f"failure.{code}.what", f"failure.{code}.next")
    for status in STATUSES:
        yield from (f"failed.{status}.what", f"failed.{status}.next")
    yield from (f"badge.{badge.value}" for badge in Badge)
    yield from (f"kind.{kind.value}" for kind in Kind)
    yield from (f"choice.{kind.value}" for kind in KINDS)
    for recut in Recut:
        yield from (f"recut.{recut.value}", f"recut.{recut.value}.why")
    yield from (f"plan.{state}" for state in ("paid", "settled", "overdue", "due_today", "ahead"))
    yield from (f"state.{state}" for state in (*OrderState, "NOT_SENT", "REFUSED"))
    yield from (f"result.{outcome}" for outcome in OUTCOMES)
    yield from (f"result.{outcome}.next" for outcome in OUTCOMES if outcome != "processing")
    yield from (f"fault.{fault}" for fault in FAULTS)


def used():
    literal = {key for text in SOURCES.values() for key in LITERAL.findall(text)}
    either = {key for text in SOURCES.values() for pair in EITHER.findall(text) for key in pair}
    return literal | either | set(_families())


def test_every_word_is_used_and_every_used_word_is_there():
    assert used() == set(TEXTS)


@pytest.mark.parametrize("key", TEXTS)
def test_every_word_is_there_in_both_languages_with_the_same_parameters(key):
    entry = TEXTS[key]
    fields = {
        name: {field for _, field, _, _ in Formatter().parse(text) if field}
        for name, text in entry.items()
    }
    assert entry["zh"].strip() and entry["en"].strip()
    assert fields["zh"] == fields["en"]
    assert fields.get("en_one", set()) <= fields["en"]
    assert set(entry) <= {"zh", "en", "en_one"}
    assert not re.search(r"[一-鿿]", entry["en"]) or key == "other_language"


def test_every_refusal_of_the_flows_and_every_failure_of_the_platform_has_words():
    assert set(DETAILS) <= set(REFUSAL_CODES)
    assert set(FAILURE_CLASSES) <= set(FAILURE_CODES)


@pytest.mark.parametrize("name", SOURCES)
def test_no_template_loads_anything_from_elsewhere_or_runs_anything_inline(name):
    text = SOURCES[name]
    assert "://" not in text
    assert not re.search(r"""\s(src|href|action)="(?!\{\{|#|mailto)""", text)
    assert not re.search(r"<style|<script(?! src=)|\sstyle=|\son\w+=|javascript:|hx-on", text)
    assert "|safe" not in text and "autoescape" not in text


def test_our_own_files_name_no_other_host_either():
    for path in (WEB / "static").iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text and "@import" not in text, path.name


def test_a_template_that_wants_what_it_is_not_given_fails_aloud(tmp_path):
    (tmp_path / "odd.html").write_text("{{ nothing }}")
    with pytest.raises(Exception, match="nothing"):
        PageTemplates(texts=Texts(TEXTS), folder=tmp_path).render("odd", language=Language.ENGLISH)


def test_what_is_filled_in_is_escaped(tmp_path):
    (tmp_path / "name.html").write_text('{{ t("home.hello", name=name) }}')
    shown = PageTemplates(texts=Texts(TEXTS), folder=tmp_path).render(
        "name", language=Language.CHINESE, name="<img onerror=x>"
    )
    assert shown == "您好，&lt;img onerror=x&gt;"


def test_what_is_not_ours_is_pinned_by_its_digest_and_to_no_registry():
    folder = ROOT / "infra" / "assets"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    packages = {name.removeprefix("node_modules/"): one for name, one in locked.items() if name}
    assert {name: one["version"] for name, one in packages.items()} == wanted
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


class TestAssets:
    def test_are_served_under_a_name_that_changes_with_them(self, tmp_path):
        (tmp_path / "page.css").write_text("a{}")
        first = PageAssets([tmp_path]).served_as("page.css")
        (tmp_path / "page.css").write_text("b{}")
        second = PageAssets([tmp_path])

        assert first != second.served_as("page.css")
        assert second.get(first) is None
        assert second.get(second.served_as("page.css")).text == "b{}"

    def test_are_those_that_were_there_at_the_start_and_no_path(self):
        assets = page_assets.read()
        for name in ("../texts.json", "page.css", "..%2ftexts.json", "/etc/passwd", ""):
            assert assets.get(name) is None

    def test_that_are_missing_are_named(self):
        with pytest.raises(MissingAssetError, match=r"nothing\.js"):
            page_assets.read().served_as("nothing.js")

    def test_are_read_once(self):
        assert page_assets.read() is page_assets.read()
        assert page_templates.read() is page_templates.read()

    def test_weigh_little(self):
        texts = [
            page_assets.read().get(page_assets.read().served_as(name)).text
            for name in ("page.css", "page.js", "htmx.min.js", "mark.svg")
        ]
        assert sum(len(gzip.compress(text.encode())) for text in texts) < 30 * 1024
