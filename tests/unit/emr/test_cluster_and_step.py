"""What EMR is asked for; botocore's own service model checks the shape."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.validate import ParamValidator
from idiscover.emr.cluster import fingerprint, job_flow_overrides, own_cluster_name, shared_cluster_name
from idiscover.emr.steps import extraction_step
from idiscover.metadata.models import Context
from idiscover.plan.build import build_plans
from idiscover.plan.model import ExtractionPlan

from tests.unit.metadata_samples import sample_catalog, sample_context

REQUEST = "s3://idiscover-local/status/sfdc_to_s3__lab/run/request.json"


def plan_for(context: Context) -> ExtractionPlan:
    plans = build_plans(sample_catalog(), context, "0123abcd")
    return next(plan for plan in plans if isinstance(plan, ExtractionPlan) and plan.object == "lab")


@pytest.fixture
def plan() -> ExtractionPlan:
    return plan_for(sample_context())


def errors(operation: str, parameters: dict[str, object]) -> str:
    """What botocore would say about the parameters of an operation."""
    model = botocore.session.get_session().get_service_model("emr").operation_model(operation)
    return ParamValidator().validate(parameters, model.input_shape).generate_report()


def test_emr_knows_every_key(plan: ExtractionPlan) -> None:
    assert errors("RunJobFlow", job_flow_overrides(plan, "extract lab")) == ""
    assert errors("AddJobFlowSteps", {"JobFlowId": "j-1", "Steps": [extraction_step(plan, REQUEST)]}) == ""


def test_the_cluster_outlives_its_steps_but_not_its_idleness(plan: ExtractionPlan) -> None:
    flow = job_flow_overrides(plan, "{{ run_id }}")
    assert flow["Name"] == "{{ run_id }}"
    assert flow["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True
    assert flow["AutoTerminationPolicy"] == {"IdleTimeout": 900}
    assert flow["LogUri"] == "s3://idiscover-local/emr-logs/"
    assert flow["ReleaseLabel"] == "emr-spark-8.0.0"
    assert [(group["InstanceRole"], group["InstanceCount"]) for group in flow["Instances"]["InstanceGroups"]] == [
        ("MASTER", 1),
        ("CORE", 2),
    ]
    assert "Ec2SubnetId" not in flow["Instances"]
    action = flow["BootstrapActions"][0]["ScriptBootstrapAction"]
    assert action["Path"] == "s3://idiscover-local/script/0123abcd/bootstrap.sh"
    assert action["Args"] == ["s3://idiscover-local/script/0123abcd/requirements.txt"]
    assert {tag["Key"]: tag["Value"] for tag in flow["Tags"]}["dag_id"] == "sfdc_to_s3__lab"


def test_a_small_cluster_in_a_subnet() -> None:
    context = sample_context()
    emr = context.emr.model_copy(update={"core_instances": 0, "subnet_id": "subnet-1"})
    instances = job_flow_overrides(plan_for(context.model_copy(update={"emr": emr})), "x")["Instances"]
    assert [group["InstanceRole"] for group in instances["InstanceGroups"]] == ["MASTER"]
    assert instances["Ec2SubnetId"] == "subnet-1"


def test_the_step_is_told_its_request_and_nothing_else(plan: ExtractionPlan) -> None:
    step = extraction_step(plan, REQUEST)
    assert step["ActionOnFailure"] == "CONTINUE"
    assert step["HadoopJarStep"] == {
        "Jar": "command-runner.jar",
        "Args": [
            "spark-submit", "--deploy-mode", "cluster",
            "--py-files", "s3://idiscover-local/script/0123abcd/idiscover.zip",
            "s3://idiscover-local/script/0123abcd/extract.py",
            "--request", REQUEST,
        ],
    }  # fmt: skip
    assert "secret" not in str(step).lower()


def shared(plan: ExtractionPlan, **changes: object) -> ExtractionPlan:
    return plan.model_copy(update={"cluster_group": "small", **changes})


def test_a_shared_cluster_runs_steps_side_by_side_and_is_no_single_objects(plan: ExtractionPlan) -> None:
    flow = job_flow_overrides(shared(plan), shared_cluster_name("local", "small", 7))
    assert errors("RunJobFlow", flow) == ""
    assert (flow["Name"], flow["StepConcurrencyLevel"]) == ("idiscover local small 7", 4)
    assert job_flow_overrides(plan, "x")["StepConcurrencyLevel"] == 1
    tags = {tag["Key"]: tag["Value"] for tag in flow["Tags"]}
    assert tags == {"platform": "idiscover", "environment": "local", "cluster_group": "small"}


def test_runs_that_want_the_same_of_emr_have_the_same_fingerprint(plan: ExtractionPlan) -> None:
    others = [plan for plan in build_plans(sample_catalog(), sample_context(), "0123abcd") if plan.kind == "extraction"]
    wanted = fingerprint(shared(plan))
    assert {fingerprint(shared(other)) for other in others} == {wanted}
    emr = plan.context.emr.model_copy(update={"parallel_steps": 5})
    changed = [{"code_sha": "4567cdef"}, {"context": plan.context.model_copy(update={"emr": emr})}]
    assert wanted not in [fingerprint(shared(plan, **change)) for change in changed]


def test_the_step_on_a_shared_cluster_is_known_by_name_and_ends_with_its_process(plan: ExtractionPlan) -> None:
    own, step = extraction_step(plan, REQUEST), extraction_step(shared(plan), REQUEST, ", run, member 3")
    assert (own["Name"], step["Name"]) == ("extract lab", "extract lab, run, member 3")
    assert step["ActionOnFailure"] == "CONTINUE", "EMR takes no other where steps run side by side"
    mode = step["HadoopJarStep"]["Args"].index("--deploy-mode") + 1
    assert step["HadoopJarStep"]["Args"][mode] == "client"


def test_no_two_environments_have_clusters_of_one_name(plan: ExtractionPlan) -> None:
    """They may share an account, in which a cluster is found by its name."""
    assert own_cluster_name(plan, "run") == "idiscover local sfdc_to_s3__lab run"
    other = plan.model_copy(update={"context": plan.context.model_copy(update={"environment": "prod"})})
    assert own_cluster_name(other, "run") != own_cluster_name(plan, "run")
