from __future__ import annotations

from pipeline.config.model import Config
from pipeline.config.receivers import Webhook
from pipeline.config.schema import config_schema
from pipeline.config.tables import Section, Table


def test_the_schema_has_every_key_in_the_words_of_the_file_and_no_others() -> None:
    schema = config_schema()

    assert set(schema["properties"]) == set(Config.model_fields)
    assert set(schema["$defs"]["Table"]["properties"]) == set(Table.model_fields)
    assert set(schema["$defs"]["Measure"]["properties"]) == {"as", "unit", "type"}
    assert schema["additionalProperties"] is False
    sections = [definition for definition in schema["$defs"].values() if definition["type"] == "object"]
    assert all(section["additionalProperties"] is False for section in sections)
    assert {section["title"] for section in sections} == {
        section.__name__ for section in (*Section.__subclasses__(), Webhook) if section is not Config
    }


def test_defaults_are_written_as_a_file_has_them() -> None:
    definitions = config_schema()["$defs"]

    assert definitions["Listener"]["properties"]["address"]["default"] == "127.0.0.1:1883"
    assert definitions["Retention"]["properties"]["magnetic"]["default"] == "365d"


def test_the_log_may_be_bare_text() -> None:
    assert {"type": "string"} in config_schema()["properties"]["log"]["anyOf"]


def test_secrets_are_marked_as_such() -> None:
    password = config_schema()["$defs"]["User"]["properties"]["password"]

    assert password["anyOf"][0]["writeOnly"] is True
