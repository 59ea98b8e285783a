"""A second try of create_cluster goes on with the cluster that the first one made; against moto's EMR."""

from __future__ import annotations

import boto3
import pytest
from idiscover.orchestration.emr_calls import AdoptingEmrHook
from moto import mock_aws

REGION = "us-east-1"
FLOW = {
    "Name": "sfdc_to_s3__account order_date__2026-01-05",
    "ReleaseLabel": "emr-7.0.0",
    "Instances": {
        "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
        "KeepJobFlowAliveWhenNoSteps": True,
    },
    "ServiceRole": "service",
    "JobFlowRole": "instance",
}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> AdoptingEmrHook:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return AdoptingEmrHook(aws_conn_id=None, emr_conn_id=None, region_name=REGION)


def test_a_living_cluster_of_the_name_is_used_again(hook: AdoptingEmrHook) -> None:
    with mock_aws():
        first = hook.create_job_flow(FLOW)["JobFlowId"]
        assert hook.create_job_flow(FLOW)["JobFlowId"] == first
        assert hook.create_job_flow({**FLOW, "Name": "another run"})["JobFlowId"] != first


def test_a_terminated_one_is_not(hook: AdoptingEmrHook) -> None:
    with mock_aws():
        first = hook.create_job_flow(FLOW)["JobFlowId"]
        boto3.client("emr", region_name=REGION).terminate_job_flows(JobFlowIds=[first])
        assert hook.create_job_flow(FLOW)["JobFlowId"] != first
