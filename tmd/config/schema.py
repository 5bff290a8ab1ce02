"""The JSON schema of a native YAML, JSON or TOML file, for editors, generated from the list of options.

Whatever the daemon takes fits it. It refuses unknown options, options given twice under two names, and every value a
schema can tell to be wrong; what wants the machine (is there such a user?) only the daemon knows.
"""

from collections.abc import Iterable
from typing import Any

from tmd.config import value_schemas as schemas
from tmd.config.alert_options import COMMON, NAME, OPTIONS_OF
from tmd.config.option import Option, Section
from tmd.config.options import SECTIONS
from tmd.tree.shape import FOREIGN_SECTIONS, PROCESS_SECTIONS

Schema = dict[str, Any]

ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_BY_KEY = {section.key: section for section in SECTIONS}
_NAMES: Schema = {"pattern": r"^[^ :/\x00-\x1f\x7f-\x9f]+$"}
_LOGIN: Schema = {"username": ["password"], "password": ["username"]}
_NONE: Schema = {"enum": [False, None]}
_KEYS = dict(zip(PROCESS_SECTIONS, ("program", "group", "listener", "fcgi"), strict=True)) | dict(
    zip(FOREIGN_SECTIONS, ("extension", "ctlplugin"), strict=True)
)
"""kind of section -> key of its options; the part of the file is the plural of the kind"""


def json_schema() -> Schema:
    """Return the schema (2020-12)."""
    parts = {f"{kind}s": _part(kind, key) for kind, key in _KEYS.items()}
    properties = {"taskmaster": _daemon(), **parts, "ctl": _object(_BY_KEY["ctl"], empty=True)}
    return {
        "$schema": ADDRESS,
        "title": "A configuration of tmd",
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def _part(kind: str, key: str) -> Schema:
    """Return the schema of a mapping of names to sections of one kind."""
    section = _BY_KEY[key]
    if kind in FOREIGN_SECTIONS:
        body = _plug(section)
    elif key == "group":
        body = _object(section, empty=True)
    else:
        body = _object(section)
        body["oneOf"] = [{"required": ["command"]}, {"required": ["cmd"]}]
        wanted = {"listener": ["events"], "fcgi": ["socket"]}.get(key)
        if wanted:
            body["required"] = wanted
    return {
        "type": ["object", "null"],
        "description": section.doc,
        "propertyNames": {} if kind in FOREIGN_SECTIONS else _NAMES,
        "additionalProperties": body,
    }


def _daemon() -> Schema:
    daemon = _object(_BY_KEY["daemon"], empty=True)
    properties = daemon["properties"]
    inet = _object(_BY_KEY["inet"])
    inet["properties"]["host"] = {**schemas.STRING, "description": "Interface to serve; * means all."}
    inet |= {"required": ["port"], "dependentRequired": _LOGIN}
    unix = _object(_BY_KEY["unix"])
    unix["dependentRequired"] = _LOGIN
    _replace(properties["http"], _by_type(inet, {"items": _by_type(inet, None, schemas.PORT)}, schemas.ADDRESSES))
    _replace(properties["socket"], _by_type(unix, None, {"anyOf": [schemas.FILLED, _NONE]}))
    alert = _alert()
    _replace(properties["alerts"], _by_type(alert, {"items": alert}, {"type": "null"}))
    return daemon


def _by_type(mapping: Schema, listed: Schema | None, other: Schema) -> Schema:
    """Return the schema of what may be a mapping, a list or something else.

    Not by `anyOf`: what is wrong deep in a list would be told of the list as a whole.
    """
    if listed is not None:
        other = {"if": {"type": "array"}, "then": listed, "else": other}
    return {"if": {"type": "object"}, "then": mapping, "else": other}


def _replace(option: Schema, schema: Schema) -> None:
    """Let an option be something else than its kind says, and keep what is said of it."""
    description = option["description"]
    option.clear()
    option |= {"description": description, **schema}


def _alert() -> Schema:
    """Return the schema of one alert: what else may stand in it depends on where it goes."""
    schema = _object(_BY_KEY["alert"])
    schema["oneOf"] = [{"required": [kind]} for kind in OPTIONS_OF]
    schema["dependentSchemas"] = {
        kind: {"propertyNames": {"enum": [option.name for option in (*options, NAME, *COMMON)]}}
        for kind, options in OPTIONS_OF.items()
    }
    schema["dependentRequired"] = {
        "username": ["password", "smtp"],
        "password": ["username", "smtp"],
        "security": ["smtp"],
    }
    schema["allOf"] = [_not_both("smtp", "sendmail")]
    return schema


def _not_both(one: str, other: str) -> Schema:
    return {"not": {"type": "object", "required": [one, other]}}


def _object(section: Section, *, empty: bool = False) -> Schema:
    """Return the schema of a section; `empty`: it may be there with nothing in it."""
    twice = [
        _not_both(word, other)
        for option in section.options
        for at, word in enumerate((option.name, *option.synonyms))
        for other in option.synonyms[at:]
        if "command" not in (word, other)
    ]
    schema: Schema = {
        "type": ["object", "null"] if empty else "object",
        "description": section.doc,
        "properties": _properties(section.options),
        "additionalProperties": False,
    }
    return schema | {"allOf": twice} if twice else schema


def _plug(section: Section) -> Schema:
    """Return the schema of a section whose unknown keys are arguments of a factory."""
    (factory,) = section.options
    schema = _object(section)
    schema["additionalProperties"] = schemas.TEXT
    schema["anyOf"] = [{"required": [word]} for word in (factory.name, *factory.synonyms)]
    return schema


def _properties(options: Iterable[Option]) -> Schema:
    properties: Schema = {}
    for option in options:
        properties[option.name] = {**option.kind.schema, "description": _description(option)}
        for synonym in option.synonyms:
            properties[synonym] = {**option.kind.schema, "description": f"The same as {option.name}."}
    return properties


def _description(option: Option) -> str:
    default = option.shown_default(native=True)
    return f"{option.doc} Default: {default}." if default else option.doc
