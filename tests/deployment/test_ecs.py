"""The files for AWS ECS: registered with a stand-in, moto, and held against AWS' rules and hokm.

moto takes names and shapes, and any value: the rules are our own, from AWS' documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from moto import mock_aws

from hokm import config
from tests.deployment.sandbox import ROOT

FOLDER = ROOT / "etc/ecs"
REGION = "us-east-1"
# Fargate's pairs of CPU units and MiB ("Fargate task definition considerations").
MEMORY = {
    256: {512, 1024, 2048},
    512: set(range(1024, 4096 + 1, 1024)),
    1024: set(range(2048, 8192 + 1, 1024)),
    2048: set(range(4096, 16384 + 1, 1024)),
    4096: set(range(8192, 30720 + 1, 1024)),
}


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


TASK = read("ecs-task-definition")
[SERVER] = TASK["containerDefinitions"]
SERVICE = read("service")


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the stand-in, and no way to the real one."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def test_everything_is_registered_and_read_back() -> None:
    """Cluster, task, target group, service, scalable target and policies, as the guide has them."""
    ecs, balancer, scaling = client("ecs"), client("elbv2"), client("application-autoscaling")
    ec2 = client("ec2")
    ecs.create_cluster(clusterName="hokm-cluster")
    task = ecs.register_task_definition(**TASK)["taskDefinition"]
    assert task["taskDefinitionArn"].endswith("task-definition/hokm-task:1")
    [kept] = task["containerDefinitions"]
    for field in ("stopTimeout", "healthCheck", "portMappings", "ulimits", "secrets"):
        assert kept[field] == SERVER[field]
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    wanted = {**read("target-group"), "VpcId": network}
    [group] = balancer.create_target_group(**wanted)["TargetGroups"]
    assert group["TargetGroupName"] == wanted.pop("Name")
    assert {field: group[field] for field in wanted} == wanted
    attributes = read("target-group-attributes")["Attributes"]
    balancer.modify_target_group_attributes(
        TargetGroupArn=group["TargetGroupArn"], Attributes=attributes
    )
    found = balancer.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])
    assert all(attribute in found["Attributes"] for attribute in attributes)
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    guard = ec2.create_security_group(GroupName="hokm", Description="hokm", VpcId=network)
    placed = {"subnets": [subnet], "securityGroups": [guard["GroupId"]]}
    [entry] = SERVICE["loadBalancers"]
    ecs.create_service(
        **{
            **SERVICE,
            "loadBalancers": [{**entry, "targetGroupArn": group["TargetGroupArn"]}],
            "networkConfiguration": {"awsvpcConfiguration": placed},
        }
    )
    [service] = ecs.describe_services(cluster="hokm-cluster", services=["hokm-service"])["services"]
    assert service["desiredCount"] == 2 and service["launchType"] == "FARGATE"
    scaling.register_scalable_target(**read("scalable-target"))
    [target] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 20)
    for name in ("cpu", "memory"):
        scaling.put_scaling_policy(**read(f"scaling-policy-{name}"))
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    assert sorted(policy["PolicyName"] for policy in policies) == ["hokm-cpu", "hokm-memory"]


def test_a_wrong_name_is_refused() -> None:
    """The stand-in notices a parameter that AWS does not know."""
    with pytest.raises(ParamValidationError):
        client("ecs").register_task_definition(**TASK, stopTimeOut=1)


def test_fargates_rules() -> None:
    """Sizes, times and modes are such as Fargate takes."""
    assert int(TASK["memory"]) in MEMORY[int(TASK["cpu"])]
    assert (
        TASK["networkMode"] == "awsvpc"
        and SERVICE["launchType"] in (TASK["requiresCompatibilities"])
    )
    assert 2 <= SERVER["stopTimeout"] <= 120
    health = SERVER["healthCheck"]
    assert 5 <= health["interval"] <= 300 and 2 <= health["timeout"] <= 60
    assert 1 <= health["retries"] <= 10 and 0 <= health["startPeriod"] <= 300
    assert health["command"][0] == "CMD"
    [limit] = SERVER["ulimits"]
    assert limit["name"] == "nofile" and limit["softLimit"] <= limit["hardLimit"] <= 1_048_576
    assert all("hostPort" not in mapping for mapping in SERVER["portMappings"])
    # ECS Exec needs a file system that can be written.
    assert not (SERVER["readonlyRootFilesystem"] and SERVICE.get("enableExecuteCommand"))
    mounted = {mount["sourceVolume"] for mount in SERVER["mountPoints"]}
    assert mounted == {volume["name"] for volume in TASK["volumes"]}


def test_names_agree() -> None:
    """Service, target group, scalable target and policies speak of one thing."""
    [entry] = SERVICE["loadBalancers"]
    ports = {mapping["containerPort"] for mapping in SERVER["portMappings"]}
    assert entry["containerName"] == SERVER["name"] and entry["containerPort"] in ports
    group = read("target-group")
    assert group["TargetType"] == "ip" and group["Port"] == entry["containerPort"]
    assert f"targetgroup/{group['Name']}/" in entry["targetGroupArn"]
    assert read("target-group-attributes")["TargetGroupArn"] == entry["targetGroupArn"]
    assert SERVICE["taskDefinition"].split(":")[0] == TASK["family"]
    target = read("scalable-target")
    resource = f"service/{SERVICE['cluster']}/{SERVICE['serviceName']}"
    for name in ("scaling-policy-cpu", "scaling-policy-memory", "scalable-target"):
        assert read(name)["ResourceId"] == resource
        assert read(name)["ScalableDimension"] == target["ScalableDimension"]
    assert target["MinCapacity"] <= SERVICE["desiredCount"] <= target["MaxCapacity"]


def test_policies_follow_the_rules() -> None:
    """Targets are the thresholds of hokm's own rules, cooldowns no shorter than theirs."""
    rules = {rule.name: rule for rule in config.load({}, {}, lambda path: b"", 1).scaling.rule}
    for name in ("cpu", "memory"):
        policy = read(f"scaling-policy-{name}")["TargetTrackingScalingPolicyConfiguration"]
        rule = rules[f"high_{name}_usage"]
        assert policy["TargetValue"] == rule.above
        assert policy["ScaleOutCooldown"] >= rule.cooldown_s
        assert policy["ScaleInCooldown"] >= rules["low_cpu_usage"].cooldown_s


def test_the_settings_are_hokms() -> None:
    """The container's variables are settings, right ones; stopping fits into its time."""
    environ = {entry["name"]: entry["value"] for entry in SERVER["environment"]}
    known = {setting.variable for setting in config.all_settings()}
    assert set(environ) | {entry["name"] for entry in SERVER["secrets"]} <= known
    settings = config.load({}, environ, lambda path: b"", 2)
    ports = {mapping["name"]: mapping["containerPort"] for mapping in SERVER["portMappings"]}
    assert ports == {"players": settings.listen.port, "operators": settings.admin.port}
    assert settings.workers.max * 1024 == int(TASK["cpu"])
    assert settings.stop_seconds + 10 <= SERVER["stopTimeout"]
    [port] = re.findall(r"127\.0\.0\.1:(\d+)/'", SERVER["healthCheck"]["command"][-1])
    assert int(port) == settings.admin.port
