"""The pages' templates and words: Jinja, everything escaped, and nothing undefined is let pass."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chalicelib.adapters.page_assets import WEB

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Language(StrEnum):
    """The languages of the pages, as HTML names them."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


KEYS = {Language.CHINESE: "zh", Language.ENGLISH: "en"}


class Texts:
    """Every word of the pages, side by side in each language."""

    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        self._entries = entries

    @classmethod
    def read(cls, path: Path = WEB / "texts.json") -> "Texts":
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def say(self, language: Language, key: str, **params: object) -> str:
        """Say something; English has a word of its own for a count of one, where it is given.

        >>> texts = Texts({"days": {"zh": "{count} 天", "en": "{count} days", "en_one": "1 day"}})
        >>> texts.say(Language.ENGLISH, "days", count=1), texts.say(Language.CHINESE, "days", count=1)
        ('1 day', '1 天')
        """
        entry = self._entries[key]
        name = KEYS[language]
        one = entry.get(f"{name}_one") if params.get("count") == 1 else None
        return (one or entry[name]).format(**params)


class PageTemplates:
    """Renders a page in a language."""

    def __init__(self, *, texts: Texts, folder: Path = WEB / "templates") -> None:
        self._texts = texts
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, template: str, *, language: Language, **values: object) -> str:
        """Render a template.

        :raises jinja2.UndefinedError: if it uses a value it is not given.
        """
        return self._environment.get_template(f"{template}.html").render(
            language=language.value,
            t=partial(self._texts.say, language),
            day=partial(day_in, language),
            moment=partial(moment_in, language),
            **values,
        )


@cache
def read() -> PageTemplates:
    """Read templates and words, once: they change with the bundle alone."""
    return PageTemplates(texts=Texts.read())


def day_in(language: Language, day: date) -> str:
    """Write a date.

    >>> day_in(Language.CHINESE, date(2026, 11, 24)), day_in(Language.ENGLISH, date(2026, 11, 24))
    ('2026年11月24日', '24 Nov 2026')
    """
    if language is Language.CHINESE:
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def moment_in(language: Language, moment: datetime) -> str:
    """Write a date and a time, as precise as people tell time."""
    return f"{day_in(language, moment.date())} {moment:%H:%M}"
