"""DescribeAccountSettings and UpdateAccountSettings: kept for the account and returned, without effect.

Timestream sells compute units (TCU); here `queries` of the configuration limits what a query may use. So nothing waits
for provisioned capacity: an update has succeeded when it is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from store.catalog.catalog import Said
from store.endpoint.context import Context
from store.endpoint.errors import Validation

DEFAULT_MAX_TCU = 200  # the service's quota for new accounts
TCU_STEP = 4


def describe_account_settings(call: Context) -> dict[str, object]:
    """The account's settings, or the service's defaults."""
    return _body(call.store.catalog.account_settings(call.account))


def update_account_settings(call: Context) -> dict[str, object]:
    """Change the settings that the request names. Raises Validation."""
    request = {name: value for name, value in call.request.items() if value is not None}
    _check(request)

    def changed(said: Said) -> Said:
        return {**said, **{name: request[name] for name in _SETTINGS if name in request}}

    return _body(call.store.catalog.update_account(call.account, changed))


_SETTINGS = ("MaxQueryTCU", "QueryPricingModel", "QueryCompute")


def _check(request: Mapping[str, Any]) -> None:
    compute = request.get("QueryCompute") or {}
    provisioned = compute.get("ProvisionedCapacity")
    units = {
        "MaxQueryTCU": request.get("MaxQueryTCU"),
        "TargetQueryTCU": None if provisioned is None else provisioned["TargetQueryTCU"],
    }
    for name, value in units.items():
        if value is not None and value % TCU_STEP:
            raise Validation(f"{name} is {value}; it must be a multiple of {TCU_STEP}.")
    if request.get("QueryPricingModel") == "BYTES_SCANNED":
        raise Validation("The query pricing model BYTES_SCANNED cannot be set; COMPUTE_UNITS can.")
    if (compute.get("ComputeMode") == "PROVISIONED") != (provisioned is not None):
        raise Validation("ProvisionedCapacity is for the compute mode PROVISIONED, which needs it.")


def _body(said: Said) -> dict[str, object]:
    return {
        "MaxQueryTCU": said.get("MaxQueryTCU", DEFAULT_MAX_TCU),
        "QueryPricingModel": said.get("QueryPricingModel", "COMPUTE_UNITS"),
        "QueryCompute": _compute(said.get("QueryCompute", {})),
    }


def _compute(said: Mapping[str, Any]) -> dict[str, object]:
    provisioned = said.get("ProvisionedCapacity")
    if provisioned is None:
        return {"ComputeMode": "ON_DEMAND"}
    target = provisioned["TargetQueryTCU"]
    notified = provisioned.get("NotificationConfiguration")
    return {
        "ComputeMode": "PROVISIONED",
        "ProvisionedCapacity": {
            "ActiveQueryTCU": target,
            **({} if notified is None else {"NotificationConfiguration": notified}),
            "LastUpdate": {"TargetQueryTCU": target, "Status": "SUCCEEDED"},
        },
    }
