"""The settings of an account are kept and answered, as those of the service are."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from timestream_service import service_on

ROLE = "arn:aws:iam::123456789012:role/notify"
PROVISIONED = {"ComputeMode": "PROVISIONED", "ProvisionedCapacity": {"TargetQueryTCU": 16}}


def settings_of(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_an_account_has_the_services_defaults(query: Any) -> None:
    assert settings_of(query.describe_account_settings()) == {
        "MaxQueryTCU": 200,
        "QueryPricingModel": "COMPUTE_UNITS",
        "QueryCompute": {"ComputeMode": "ON_DEMAND"},
    }


def test_what_is_not_named_stays_as_it_was(query: Any) -> None:
    query.update_account_settings(MaxQueryTCU=32)
    updated = query.update_account_settings(QueryCompute=PROVISIONED)

    assert settings_of(updated) == settings_of(query.describe_account_settings())
    assert updated["MaxQueryTCU"] == 32
    assert updated["QueryCompute"]["ProvisionedCapacity"] == {
        "ActiveQueryTCU": 16,
        "LastUpdate": {"TargetQueryTCU": 16, "Status": "SUCCEEDED"},
    }


def test_a_return_to_on_demand_leaves_no_capacity(query: Any) -> None:
    notified = {"TargetQueryTCU": 16, "NotificationConfiguration": {"RoleArn": ROLE}}
    first = query.update_account_settings(QueryCompute={"ComputeMode": "PROVISIONED", "ProvisionedCapacity": notified})
    second = query.update_account_settings(QueryCompute={"ComputeMode": "ON_DEMAND"})

    assert first["QueryCompute"]["ProvisionedCapacity"]["NotificationConfiguration"] == {"RoleArn": ROLE}
    assert second["QueryCompute"] == {"ComputeMode": "ON_DEMAND"}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"MaxQueryTCU": 3}, "greater than or equal to 4"),
        ({"MaxQueryTCU": 1004}, "less than or equal to 1000"),
        ({"MaxQueryTCU": 6}, "MaxQueryTCU is 6; it must be a multiple of 4"),
        ({"QueryPricingModel": "BYTES_SCANNED"}, "BYTES_SCANNED cannot be set"),
        ({"QueryPricingModel": "FREE"}, r"enum value set: \[BYTES_SCANNED, COMPUTE_UNITS\]"),
        ({"QueryCompute": {"ComputeMode": "PROVISIONED"}}, "which needs it"),
        ({"QueryCompute": {"ProvisionedCapacity": {"TargetQueryTCU": 4}}}, "for the compute mode PROVISIONED"),
    ],
)
def test_what_is_not_allowed_is_refused_and_changes_nothing(query: Any, request_: dict[str, Any], message: str) -> None:
    before = settings_of(query.describe_account_settings())

    with pytest.raises(ClientError, match=message):
        query.update_account_settings(**request_)
    assert settings_of(query.describe_account_settings()) == before


def test_a_restart_keeps_them(tmp_path: Path) -> None:
    first = service_on(tmp_path)
    first.ok("UpdateAccountSettings", MaxQueryTCU=8)
    first.store.close()

    second = service_on(tmp_path)
    settings = second.ok("DescribeAccountSettings")
    second.store.close()

    assert settings["MaxQueryTCU"] == 8
