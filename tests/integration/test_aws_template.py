"""The AWS side: sound by AWS's own specification, least in what it allows, and told as settings."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
import yaml

from clipwarden.settings import Settings
from clipwarden_workers import queue_checks
from rules import DEPLOY

REGION = "eu-west-1"
TEMPLATE = DEPLOY / "aws" / "clipwarden.yaml"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as ``{"Ref": …}`` and their like."""


def _short(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    raise TypeError(suffix)


_Loader.add_multi_constructor("!", _short)


def _template() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)
    return found


def _statements(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    properties = resource["Properties"]
    documents = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    documents += [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    for document in documents:
        yield from document["Statement"]


def _actions(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def test_cfn_lint_finds_no_fault_and_no_doubt() -> None:
    lint = str(Path(sys.executable).parent / "cfn-lint")
    argv = [lint, "--include-checks", "I", "--regions", "us-east-1", "eu-west-1", "--", str(TEMPLATE)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_what_is_allowed_is_named_one_by_one_and_on_our_own_only() -> None:
    #: Calls that know no resources.
    anywhere = {"rekognition:StartContentModeration", "rekognition:GetContentModeration"}
    resources = _template()["Resources"].values()
    allowed = [one for resource in resources for one in _statements(resource) if one["Effect"] == "Allow"]
    assert len(allowed) == 9
    for statement in allowed:
        assert not any("*" in action for action in _actions(statement))
        if statement["Resource"] == "*":
            assert set(_actions(statement)) == anywhere


def test_the_gateway_may_do_nothing_but_handle_objects() -> None:
    resources = _template()["Resources"]
    assert resources["GatewayRole"]["Properties"]["ManagedPolicyArns"] == [{"Ref": "ObjectsPolicy"}]
    assert not list(_statements(resources["GatewayRole"]))
    calls = {action for one in _statements(resources["ObjectsPolicy"]) for action in _actions(one)}
    assert {action.split(":")[0] for action in calls} == {"s3"}


def test_only_rekognition_and_only_for_this_account_may_publish() -> None:
    role = _template()["Resources"]["PublishRole"]["Properties"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "rekognition.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_every_queue_has_another_for_what_cannot_be_read() -> None:
    resources = _template()["Resources"]
    queues = {name for name, resource in resources.items() if resource["Type"] == "AWS::SQS::Queue"}
    redriven = {name: resources[name]["Properties"].get("RedrivePolicy") for name in queues}
    dead = {policy["deadLetterTargetArn"]["GetAtt"].split(".")[0] for policy in redriven.values() if policy}
    assert {name for name, policy in redriven.items() if policy is None} == dead
    assert len(dead) == 2


def test_somebody_is_told_of_messages_in_the_queues_of_what_cannot_be_read() -> None:
    alarms = [one["Properties"] for one in _template()["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    watched = {dimension["Value"]["GetAtt"] for alarm in alarms for dimension in alarm["Dimensions"]}
    assert watched == {"CompletionsDead.QueueName", "UploadsDead.QueueName"}
    for alarm in alarms:
        assert alarm["AlarmActions"] == {"If": ["TellsOfAlarms", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}


def test_outputs_are_the_values_of_settings_that_there_are() -> None:
    manual = (DEPLOY / "settings.env").read_text()
    told = [output["Description"] for output in _template()["Outputs"].values()]
    named = [word for text in told for word in text.split() if word.startswith("CLIPWARDEN_")]
    assert len(named) == 8
    assert all(f"#{name}=" in manual for name in named)


def test_browsers_may_do_what_the_page_on_large_uploads_says() -> None:
    page = (DEPLOY.parent / "docs" / "how-to" / "large-uploads.md").read_text()
    examples = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (wanted,) = next(json.loads(found)["CORSRules"] for found in examples if "CORS" in found)
    condition, made, otherwise = _template()["Resources"]["Bucket"]["Properties"]["CorsConfiguration"]["If"]
    (rule,) = made["CorsRules"]
    assert (condition, otherwise) == ("TakesBrowsers", {"Ref": "AWS::NoValue"})
    assert rule.pop("AllowedOrigins") == {"Ref": "BrowserOrigins"}
    assert (rule.pop("ExposedHeaders"), rule.pop("MaxAge")) == (wanted["ExposeHeaders"], wanted["MaxAgeSeconds"])
    assert rule == {name: wanted[name] for name in ("AllowedMethods", "AllowedHeaders")}


TOPIC = f"arn:aws:sns:{REGION}:123456789012:on-call"


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Return the settings that an AWS of the tests' own tells after the template was deployed there."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    chosen = {
        "BucketName": "shop-moderation",
        "UploadsPrefix": "uploads/",
        "QuarantineDays": "90",
        "BrowserOrigins": "https://shop.example,https://www.shop.example",
        "AlarmTopicArn": TOPIC,
    }
    with moto.mock_aws():
        formation = boto3.client("cloudformation")
        formation.create_stack(
            StackName="clipwarden",
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in chosen.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (stack,) = formation.describe_stacks(StackName="clipwarden")["Stacks"]
        yield {
            word: output["OutputValue"]
            for output in stack["Outputs"]
            for word in output["Description"].split()
            if word.startswith("CLIPWARDEN_")
        }


# The stand-in makes neither policies nor subscriptions, and no alarms.
@pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")
def test_what_is_deployed_is_what_the_settings_want_and_doctor_has_no_doubt(
    deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployed.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.media.bucket == "shop-moderation"
    assert settings.s3_intake.prefix == "uploads/"
    session = boto3.session.Session(region_name=REGION)
    assert "given up after 5 receives" in queue_checks.completions(settings.completion, session=session)
    assert "given up after 10 receives" in queue_checks.s3_events(settings.s3_intake, session=session)
