"""Values that clients give to databases and tables are returned, also after a restart; ARNs have AWS's form."""

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from timestream_service import ACCOUNT, NOW_NS, service_on

from store.endpoint.arns import account_number, database_arn, parse_arn, table_arn

PLACE = {"S3Configuration": {"BucketName": "rejected", "EncryptionOption": "SSE_S3"}}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
TAGS = [{"Key": "team", "Value": "growers"}, {"Key": "empty", "Value": ""}]
BY_KEY = TAGS[::-1]


@pytest.mark.parametrize("account", ["default", "farm-7", "größe", ""])
def test_an_accounts_number_is_twelve_digits_and_always_the_same(account: str) -> None:
    assert re.fullmatch(r"\d{12}", account_number(account))
    assert account_number(account) == account_number(account) != account_number(account + "x")
    assert account_number("default") == "728215038095"


def test_an_account_of_twelve_digits_is_its_own_number() -> None:
    assert account_number("000123456789") == "000123456789"


def test_an_arn_reads_back_for_its_account_alone() -> None:
    database, table = database_arn("eu-west-1", "farm-7", "my.db"), table_arn("eu-west-1", "farm-7", "my.db", "t-1")

    assert (parse_arn(database, "farm-7"), parse_arn(table, "farm-7")) == (("my.db", None), ("my.db", "t-1"))
    assert parse_arn(table, "farm-8") is None
    assert parse_arn("arn:aws:s3:::bucket", "farm-7") is None


def made_of(write: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A database with key and tags, and a table with tags and a location for rejected records."""
    database = write.create_database(DatabaseName="db", KmsKeyId=KEY, Tags=TAGS)["Database"]
    table = write.create_table(
        DatabaseName="db",
        TableName="t",
        Tags=TAGS[:1],
        MagneticStoreWriteProperties={
            "EnableMagneticStoreWrites": True,
            "MagneticStoreRejectedDataLocation": PLACE,
        },
    )["Table"]
    return database, table


def test_keys_tags_and_locations_are_returned(write: Any, query: Any) -> None:
    database, table = made_of(write)

    assert write.describe_database(DatabaseName="db")["Database"]["KmsKeyId"] == database["KmsKeyId"] == KEY
    assert write.list_databases()["Databases"][0]["KmsKeyId"] == KEY
    assert write.describe_table(DatabaseName="db", TableName="t")["Table"] == table
    assert table["MagneticStoreWriteProperties"]["MagneticStoreRejectedDataLocation"] == PLACE
    assert write.list_tags_for_resource(ResourceARN=database["Arn"])["Tags"] == BY_KEY
    assert query.list_tags_for_resource(ResourceARN=table["Arn"])["Tags"] == TAGS[:1]
    assert write.update_database(DatabaseName="db", KmsKeyId="other")["Database"]["KmsKeyId"] == "other"


def test_tags_are_added_changed_and_removed(write: Any) -> None:
    arn = made_of(write)[1]["Arn"]

    write.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "x"}, {"Key": "new", "Value": "y"}])
    write.untag_resource(ResourceARN=arn, TagKeys=["new", "never"])

    assert write.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "x"}]


def test_more_tags_than_a_resource_may_have_are_refused(write: Any) -> None:
    arn = made_of(write)[0]["Arn"]

    with pytest.raises(write.exceptions.ServiceQuotaExceededException, match="would have 202 tags; 200 are allowed"):
        write.tag_resource(ResourceARN=arn, Tags=[{"Key": f"k{number}", "Value": ""} for number in range(200)])


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([{"Key": "aws:x", "Value": ""}], "aws:x begins with aws:, which is reserved"),
        ([{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}], "The tag key x is there more than once"),
    ],
)
def test_tags_that_aws_does_not_take_are_refused(write: Any, tags: list[dict[str, str]], message: str) -> None:
    arn = made_of(write)[0]["Arn"]

    with pytest.raises(ClientError, match=message):
        write.tag_resource(ResourceARN=arn, Tags=tags)
    with pytest.raises(ClientError, match=message):
        write.create_database(DatabaseName="other", Tags=tags)


def test_tags_come_in_pages(write: Any, query: Any) -> None:
    arn = made_of(write)[0]["Arn"]
    write.tag_resource(ResourceARN=arn, Tags=[{"Key": f"k{number:02}", "Value": ""} for number in range(30)])

    pages = list(query.get_paginator("list_tags_for_resource").paginate(ResourceARN=arn, MaxResults=10))

    assert [len(page["Tags"]) for page in pages] == [10, 10, 10, 2]
    assert [tag for page in pages for tag in page["Tags"]] == write.list_tags_for_resource(ResourceARN=arn)["Tags"]


@pytest.mark.parametrize(
    "arn",
    [
        database_arn("eu-west-1", ACCOUNT, "nowhere"),
        table_arn("eu-west-1", ACCOUNT, "db", "nothing"),
        database_arn("eu-west-1", "another", "db"),
        "arn:aws:timestream:eu-west-1:123456789012:scheduled-query/q",
    ],
)
def test_a_resource_that_is_not_there_is_named(write: Any, arn: str) -> None:
    made_of(write)

    with pytest.raises(write.exceptions.ResourceNotFoundException, match=re.escape(arn)):
        write.list_tags_for_resource(ResourceARN=arn)


def test_other_magnetic_writes_take_the_place_with_them_and_leave_tags(write: Any) -> None:
    arn = made_of(write)[1]["Arn"]

    updated = write.update_table(
        DatabaseName="db", TableName="t", MagneticStoreWriteProperties={"EnableMagneticStoreWrites": False}
    )["Table"]

    assert updated["MagneticStoreWriteProperties"] == {"EnableMagneticStoreWrites": False}
    assert write.list_tags_for_resource(ResourceARN=arn)["Tags"] == TAGS[:1]


def record(value: str, kind: str, name: str = "cpu") -> dict[str, Any]:
    return {
        "Dimensions": [{"Name": "host", "Value": value}],
        "MeasureName": name,
        "MeasureValue": value,
        "MeasureValueType": kind,
        "Time": str(NOW_NS // 1_000_000),
    }


def test_a_restart_forgets_neither_tags_nor_what_type_a_measure_name_has(tmp_path: Path) -> None:
    first = service_on(tmp_path)
    arn = first.ok("CreateDatabase", DatabaseName="db", Tags=TAGS)["Database"]["Arn"]
    first.ok("CreateTable", DatabaseName="db", TableName="t")
    first.ok("WriteRecords", DatabaseName="db", TableName="t", Records=[record("1", "DOUBLE")])
    first.store.close()

    second = service_on(tmp_path)
    tags = second.ok("ListTagsForResource", ResourceARN=arn)["Tags"]
    request = {"DatabaseName": "db", "TableName": "t", "Records": [record("2", "BIGINT")]}
    status, body = second.call("WriteRecords", request)
    second.store.close()

    assert tags == BY_KEY
    assert status == 419
    assert "The measure name cpu has type double already" in body["RejectedRecords"][0]["Reason"]


def test_a_record_that_is_refused_fixes_no_type(tmp_path: Path) -> None:
    service = service_on(tmp_path)
    service.ok("CreateDatabase", DatabaseName="db")
    service.ok("CreateTable", DatabaseName="db", TableName="t")
    late = record("1", "DOUBLE") | {"Time": "1000"}

    assert service.error("WriteRecords", DatabaseName="db", TableName="t", Records=[late])[0] == 419
    service.ok("WriteRecords", DatabaseName="db", TableName="t", Records=[record("2", "BIGINT")])

    service.store.close()
