"""What is wrong in a streamgauge.yaml is told with file, line, key path, value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from store.values.urls import without_user_parts

Refuses = Callable[..., list[str]]

TABLE = "tables: [{{name: farm.air, topics: 'a/{{b}}/{{c}}', {}}}]"

ONE_PROBLEM = {
    "data_dri: x": '1: data_dri: "data_dri" is not a key known here; did you mean data_dir? there are data_dir',
    "http: {adress: x}": '1: http.adress: "adress" is not a key known here; did you mean address? http has address',
    "tables:\n- name: farm.air": "2: tables[0].topics: is required",
    "log: redis://host": '1: log.url: "redis://host" is no log; write local, or kafka://host:port[,host:port]',
    "log: kafka://": '1: log.url: "kafka://" is no log',
    "log: kafka://a b:9092": '1: log.url: "kafka://a b:9092" is no log',
    "log: {url: kafka://h, max_bytes: 1GiB}": "1: log.max_bytes: means nothing to Kafka, which has its own limits",
    "log: {partitions: 8}": "1: log.partitions: means nothing to the embedded log; it is for kafka://",
    "log: {tls: {}}": "1: log.tls: means nothing to the embedded log",
    "log: {url: kafka://h, partitions: 0}": "1: log.partitions: is 0: Input should be greater than or equal to 1",
    "log: {url: kafka://h, prefix: 'a b'}": '1: log.prefix: "a b" cannot begin a topic\'s name; it has at most 200 of',
    "log: {url: kafka://h, group: ''}": '1: log.group: "" is no name of a group here; it has 1-200 of',
    "log: {url: kafka://h, tls: {key: a.pem}}": "1: log.tls.key: there is no certificate that it belongs to",
    "log: {url: kafka://h, sasl: {username: a, password: b, mechanism: OAUTH}}": (
        "1: log.sasl.mechanism: is \"OAUTH\"; allowed: 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'"
    ),
    "log: {url: kafka://h, sasl: {username: a}}": "1: log.sasl.password: is required",
    "\nmagnetic: {url: gs://bucket}": (
        "2: magnetic.url: gs://bucket: gs:// is not supported; a folder, file:///folder or s3://bucket/prefix is"
    ),
    "\nmagnetic: {url: s3://Bucket/x}": "2: magnetic.url: s3://Bucket/x: 'Bucket' is not a bucket name",
    "\nmagnetic: {url: ''}": "2: magnetic.url: it is empty; write the path of a local folder, or s3://bucket/prefix",
    "buckets: [{name: Exports, url: /x}]": "1: buckets[0].name: 'Exports' is not a bucket name: 3 to 63 of a-z, 0-9",
    "buckets: [{name: exports, url: x/y}]": "1: buckets[0].url: 'x/y' is not an absolute folder, nor s3://bucket/prefix",
    "buckets: [{name: exports, url: gs://b}]": "1: buckets[0].url: gs://b: gs:// is not supported",
    "buckets: [{name: exports, url: /x, accounts: []}]": "1: buckets[0].accounts: is empty; it has at least one entry",
    "buckets: [{name: exports, url: /x}, {name: exports, url: /y}]": '1: buckets[1].name: "exports" is listed before',
    "sns_topics: [{arn: queries, receiver: a}]": "1: sns_topics[0].arn: 'queries' is not the ARN of a topic; write",
    "sns_topics: [{arn: 'arn:aws:sns:r:1:t', receiver: a}]": (
        '1: sns_topics[0].receiver: "a" is not one of receivers; listed: none'
    ),
    "tables: [{name: far.abc, topics: b, rollups: [{bin: 90s}]}]": (
        "1: tables[0].rollups[0].bin: 90s is not a number of whole minutes"
    ),
    "tables: [{name: far.abc, topics: b, rollups: [{bin: 60m}, {bin: 1h}]}]": (
        '1: tables[0].rollups[1].bin: a table "far.abc_1h" is listed before'
    ),
    "tables: [{name: far.abc_1h, topics: c}, {name: far.abc, topics: b, rollups: [{bin: 1h}]}]": (
        '1: tables[1].rollups[0].bin: a table "far.abc_1h" is listed before'
    ),
    "memory_limit: 2 GiBs": '1: memory_limit: "2 GiBs" is not a size; write a whole number of bytes, or one with KiB',
    "http: {hosts: ['Gauge.example:80']}": '1: http.hosts[0]: "Gauge.example:80" is not the name of a host; write it',
    "http: {address: nowhere}": '1: http.address: "nowhere" is not an address; write host:port with a port of 0-65535',
    "http: {address: '1.2.3.4:65536'}": '1: http.address: "1.2.3.4:65536" is not an address',
    "http:\n  address: 0.0.0.0:80": "2: http.address: 0.0.0.0:80 can be reached from other machines; give http tokens",
    "listener: {address: '[::]:1'}": "1: listener.address: [::]:1 can be reached from other machines",
    "http: {tokens: [{token: a}, {token: a}]}": "1: http.tokens[1].token: it is listed before",
    "http: {tokens: [{token: ''}]}": "1: http.tokens[0].token: it is empty",
    "listener: {users: [{username: a, password: b}, {username: a, password: c}]}": (
        '1: listener.users[1].username: "a" is listed before'
    ),
    "listener: {users: [{username: a, password: b, account: ../x}]}": (
        '1: listener.users[0].account: "../x" is not an account name'
    ),
    "listener: {users: [{username: a}]}": (
        "1: listener.users[0].password: is required, unless certificate: true takes its place"
    ),
    "listener: {users: [{username: a, password: '', account: b}]}": "1: listener.users[0].password: it is empty",
    "listener: {users: [{username: a, certificate: true}]}": (
        "1: listener.users[0].certificate: is true, and listener.tls has no client_ca"
    ),
    "listener: {tls: {certificate: c, key: k, client_ca: a}, users: [{username: a, password: b, certificate: true}]}": (
        "1: listener.users[0].certificate: is true, and there is a password too"
    ),
    "listener: {tls: {certificate: c, key: k, require_client_certificate: true}}": (
        "1: listener.tls.require_client_certificate: is true, and there is no client_ca"
    ),
    "listener: {tls: {certificate: c}}": "1: listener.tls.key: is required",
    "listener: {address: '0.0.0.0:1', tls: {certificate: c, key: k, client_ca: a}}": (
        "1: listener.address: 0.0.0.0:1 can be reached from other machines"
    ),
    "http: {tls: {certificate: 1, key: k}}": "1: http.tls.certificate: is 1; it is a path",
    "listener: {gateways: 0}": "1: listener.gateways: is 0",
    "tables: []": "1: tables: is empty; leave tables out for the default, or list one",
    "tables: {a: b}": "1: tables: is a mapping; it is a list",
    "rules: a.yaml": '1: rules: is "a.yaml"; it is a list',
    "rules: [1]": "1: rules[0]: is 1; it is text; put a number, true, false or a date in quotes to make it text",
    "listener: yes": "1: listener: is true; it is a mapping of its settings",
    "listener:": "1: listener: is empty; it is a mapping of its settings",
    "receivers: [{name: g, webhook: {url: 'htp://x/'}}]": "1: receivers[0].webhook.url: it is not an address",
    "receivers: [{name: g, webhook: {url: 'http://x/', secret: 'sk_abc'}}]": (
        "1: receivers[0].webhook.secret[0]: it has no form known here; write whsec_ and the base64 of 24-64 random"
    ),
    "receivers: [{name: g, webhook: {url: 'http://x/', secret: 'whsec_QUJD'}}]": "1: receivers[0].webhook.secret[0]",
    "a: 1\na: 2\n": "2: a: written twice, first in line 1",
    "1: 2": "1: 1: the key 1 is not text; put it in quotes",
    "http: &a {tokens: *a}": "1: http.tokens: an alias to a section that it stands in",
    "http:\n  [": "not YAML: ",
    "- a": "the file holds a list; it is a mapping of settings",
    "data_dir: ${NOPE}": "1: data_dir: ${NOPE} is not in the environment; set NOPE, or write $${NOPE}",
    "data_dir: '${NO PE}'": '1: data_dir: "${NO PE}" does not name a variable, as ${NAME} does',
    "data_dir: 2026-13-45": "1: data_dir: '2026-13-45': month must be in 1..12; put text in quotes",
}


@pytest.mark.parametrize("text", ONE_PROBLEM, ids=lambda text: text[:40])
def test_a_wrong_file_is_told_in_one_line_that_says_where_what_and_what_is_allowed(refuses: Refuses, text: str) -> None:
    first = refuses(text)[0]

    assert first.startswith("streamgauge.yaml:")
    assert ONE_PROBLEM[text] in first


TABLES = {
    "name: air": '"air" is not database.table',
    "name: farm.a.b": '"farm.a.b" is not database.table',
    "name: farm.ai": '"ai" in "farm.ai": a database or table has 3-256 of the characters',
    "topics: ''": "is no MQTT topic: it has 1-65535 bytes",
    "topics: 'a/{b'": '"{b" in "a/{b": a dimension is a whole level between two braces',
    "topics: 'a/x{b}'": '"x{b}" in "a/x{b}": a dimension is a whole level',
    "topics: 'a/#/b'": '"#" in "a/#/b": # is allowed only as the whole last level',
    "topics: 'a/b#'": '"b#" in "a/b#": # is allowed only',
    "topics: 'a/b+'": '"b+" in "a/b+": + is allowed only as a whole level',
    "topics: '{b}/{b}'": "names the dimension {b} twice",
    "topics: '{time}'": '"time" is reserved',
    "topics: '{ts_x}'": '"ts_x" is reserved',
    "topics: '{a:b}'": "'a:b' holds :, which the name of a dimension may not",
    "topics: '{}'": "the name of a dimension has 1-60 bytes",
    f"topics: '{{{'x' * 61}}}'": "is 61 bytes long: the name of a dimension has 1-60 bytes",
    "zone: nope": '"nope" is no dimension of this table; its dimensions are: b c',
    "zone: '{b}/{nope}'": '"nope" is no dimension of this table; its dimensions are: b c',
    "zone: '{b'": '"{b" is no zone; write one dimension (zone) or a template of them',
    "dimensions: [b]": '"b" is a level of the MQTT topic already',
    "dimensions: [d, d]": '"d" is listed twice',
    "dimensions: [d], measures: {d: {}}": '"d" is a measure too',
    "measures: {t: {as: c}}": '"c" is a dimension of this table; a measure is called otherwise',
    "measures: {t: {unit: celcius}}": '"celcius" is not a unit known here; did you mean celsius? Known: ampere',
    "measures: {t: {unit: celsius}, u: {as: t, unit: percent}}": "percent is a unit of ratio, celsius of temperature",
    "measures: {t: {unit: celsius, type: varchar}}": 'a varchar has no unit; remove "celsius" or the type',
    "measures: {t: {type: float}}": "is \"float\"; allowed: 'double', 'bigint', 'boolean' or 'varchar'",
    "measures: {t: {as: 'a:b'}}": "'a:b' holds :, which the name of a measure may not",
    "measures: {time: {}}": '"time" is reserved',
    "measures: {ts: {}}, time: {field: ts}": '"ts" is the time field; it cannot be a measure too',
    "time: {field: ts, unit: min}": "is \"min\"; allowed: 's', 'ms', 'us', 'ns' or 'iso8601'",
    "time: {unit: ms}": "time.field: is required",
    "retention: {memory: 90}": "90 is not a duration; write a whole number and one of ms s m h d w, as in 90s 5m",
    "retention: {memory: 0s}": '"0s" is out of range; a duration is more than 0s and at most 73000d',
    "retention: {memory: 73001d}": '"73001d" is out of range',
    "limits: {future: 1.5h}": '"1.5h" is not a duration',
    "limits: {past: 1h}": '"past" is not a key known here; ',
}


@pytest.mark.parametrize("part", TABLES, ids=lambda part: part[:40])
def test_a_wrong_table_is_told_with_the_key_path(refuses: Refuses, part: str) -> None:
    whole = {"name": "name: farm.air", "topics": "topics: 'a/{b}/{c}'"}
    whole[part.partition(":")[0]] = part

    lines = refuses(f"tables: [{{{', '.join(whole.values())}}}]")

    assert len(lines) == 1
    assert lines[0].startswith(f"streamgauge.yaml:1: tables[0].{part.partition(':')[0]}")
    assert TABLES[part] in lines[0]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(refuses: Refuses) -> None:
    lines = refuses("http: {address: x}\nmemory_limit: y\nnope: 1\ntables:\n- name: z\n  topics: '+a'\n  zone: '{'\n")

    assert [line.split(":")[1] for line in lines] == ["1", "2", "3", "5", "6", "7"]


def test_tables_and_receivers_have_names_of_their_own(refuses: Refuses) -> None:
    lines = refuses(
        "tables:\n- {name: farm.air, topics: a}\n- {name: farm.air, topics: b}\n"
        "receivers:\n- {name: g, webhook: {url: 'http://x'}}\n- {name: g, webhook: {url: 'http://x'}}\n"
    )

    assert lines == [
        'streamgauge.yaml:3: tables[1].name: "farm.air" is listed before',
        'streamgauge.yaml:6: receivers[1].name: "g" is listed before',
    ]


ENVIRONMENT = {
    "STREAMGAUGE_HTP__ADDRESS": ("x", 'sets nothing: "htp" is not a key known here; did you mean http?'),
    "STREAMGAUGE_HTTP__ADDRES": ("x", 'sets nothing: "addres" is not a key known here; did you mean address?'),
    "STREAMGAUGE_HTTP__ADDRESS": ("x", 'http.address: "x" is not an address'),
    "STREAMGAUGE_HTTP__ADDRESS__PORT": ("1", "sets nothing: http.address is a single value or given whole"),
    "STREAMGAUGE_TABLES": ("a.b", "tables is a list or a section and given as JSON; this is not JSON: Expecting value"),
    "STREAMGAUGE_TABLES__0__NAME": ("a.b", "sets nothing: tables is a single value or given whole; it has no 0"),
    "STREAMGAUGE_RULES": ('{"a": 1}', "rules: is a mapping; it is a list"),
    "STREAMGAUGE_MEMORY_LIMIT": ("lots", 'memory_limit: "lots" is not a size'),
    "STREAMGAUGE_LOG": ("kafka:x", 'log.url: "kafka:x" is no log; write local, or kafka://host:port'),
}


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_a_bad_override_is_told_with_the_name_of_its_variable(refuses: Refuses, variable: str) -> None:
    text, message = ENVIRONMENT[variable]

    (line,) = refuses("", {variable: text})

    assert line.startswith(f"{variable}: {message}")


def test_a_bad_option_is_told_with_its_name(refuses: Refuses) -> None:
    (line,) = refuses("", options={"--mqtt": "1883"})

    assert line.startswith('--mqtt: listener.address: "1883" is not an address')


@pytest.mark.parametrize(
    "text",
    [
        "http: {tokens: [{token: 5551234}]}",
        "http: {tokens: [{token: {hush: 5551234}}]}",
        "http: {tokens: [5551234x, {a: 5551234}]}",
        "listener: {users: [{username: a, password: 5551234}]}",
        "receivers: [{name: g, webhook: {url: 'http://x/', secret: 'sk_5551234'}}]",
        "log: kafka://user:5551234@not a host",
        "log: kafka:/user:5551234@h:9092",
        "log: user:5551234@h:9092",
        "magnetic: {url: 's3://key:5551234@bucket/prefix'}",
        "magnetic: {url: 'https://5551234@bucket/prefix'}",
        "http: {address: 'http://user:55/51234@5551234@h:80'}",
        "listener: {address: 'user:5551234@h:80'}",
        "peers: {advertise: '//5551234@h:80'}",
        "log: {url: kafka://h, sasl: {username: '', password: 5551234x}}",
        "receivers: [{name: g, webhook: {url: 'http://x/', secret: '${SECRET}'}}]",
    ],
)
def test_no_refusal_shows_a_secret(refuses: Refuses, text: str) -> None:
    assert "5551234" not in "".join(refuses(text, {"SECRET": "whsec_5551234"}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no answer at https://a:b@h.example/p", "no answer at https://***@h.example/p"),
        ("mqtts://token@h", "mqtts://***@h"),
        ("kafka://a:b/c@d@h,h2", "kafka://***@h,h2"),
        ('"a:b@h:1883" is not', '"***@h:1883" is not'),
        ("ask a@b.example at 10:30", "ask a@b.example at 10:30"),
    ],
)
def test_user_parts_in_texts_are_masked(text: str, shown: str) -> None:
    assert without_user_parts(text) == shown
