"""botocore shares a backup through the emulator's Resource Access Manager: all of its operations, a paginator, error classes.

Usage: ram_checks.py PORT CONTROL_PORT      Prints a line for every check that fails, then how many held.
"""

import http.client
import json
import os
import subprocess
import sys

import botocore
import botocore.config
import botocore.session

PORT, CONTROL_PORT = int(sys.argv[1]), int(sys.argv[2])
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION, OTHER = "sa-east-1", "444455556666"
SUBNETS = ["subnet-0a1b2c30"]
HERE = os.path.dirname(os.path.abspath(__file__))
OPERATIONS = 14

passed, failed, succeeded = 0, 0, set()


def check(name, work):
    """Does the work; what it raises is a failure. Returns what it returned."""
    global passed, failed
    try:
        result = work()
        passed += 1
        return result
    except Exception as problem:  # whatever it is, it is this check's failure
        failed += 1
        print(f"ram: {name}: {type(problem).__name__}: {problem}", flush=True)
        return None


def expect(held, what):
    if not held:
        raise AssertionError(what)


def raises(kind, work):
    try:
        result = work()
    except kind:
        return
    raise AssertionError(f"did not raise {kind.__name__} but returned {result!r}")


def advance(seconds):
    connection = http.client.HTTPConnection("127.0.0.1", CONTROL_PORT, timeout=20)
    connection.request("POST", "/advance", body=str(seconds), headers={"Connection": "close"})
    expect(connection.getresponse().status == 200, "/advance")
    connection.close()


def remember(http_response, model, **_):
    if http_response.status_code == 200:
        succeeded.add(model.name)


def client_of(service, key="AKIDEXAMPLE"):
    session = botocore.session.Session()
    session.set_config_variable("config_file", "/dev/null")
    session.set_config_variable("credentials_file", "/dev/null")
    client = session.create_client(
        service,
        region_name=REGION,
        endpoint_url=f"http://127.0.0.1:{PORT}",
        aws_access_key_id=key,
        aws_secret_access_key=SECRET,
        config=botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
    if service == "ram":
        client.meta.events.register("after-call.ram", remember)
    return client


hsm, ram = client_of("cloudhsmv2"), client_of("ram")
their_hsm, their_ram = client_of("cloudhsmv2", "AKIDEXAMPLE2"), client_of("ram", "AKIDEXAMPLE2")
errors = ram.exceptions


def ready_backup():
    cluster_id = hsm.create_cluster(HsmType="hsm2m.medium", Mode="FIPS", SubnetIds=SUBNETS)["Cluster"]["ClusterId"]
    advance(121)
    cluster = hsm.describe_clusters()["Clusters"][0]
    hsm.create_hsm(ClusterId=cluster_id, AvailabilityZone=next(iter(cluster["SubnetMapping"])))
    advance(314)
    request = hsm.describe_clusters()["Clusters"][0]["Certificates"]["ClusterCsr"]
    made = subprocess.run([os.path.join(HERE, "certify")], input=request, capture_output=True, text=True, check=True)
    certificate, authority = made.stdout.split("\n\n")
    hsm.initialize_cluster(ClusterId=cluster_id, SignedCert=certificate + "\n", TrustAnchor=authority)
    advance(300)
    return hsm.describe_backups(Filters={"states": ["READY"]})["Backups"][0]


def put_policy(action):
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": action, "Resource": arn}],
    }
    hsm.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy))


def share_of_policy():
    shares = ram.get_resource_shares(resourceOwner="SELF", resourceShareStatus="ACTIVE")["resourceShares"]
    return [share for share in shares if share["featureSet"] != "STANDARD"][0]


def listed():
    return [backup["BackupId"] for backup in their_hsm.describe_backups(Shared=True)["Backups"]]


def accept():
    for invitation in their_ram.get_resource_share_invitations()["resourceShareInvitations"]:
        if invitation["status"] == "PENDING":
            their_ram.accept_resource_share_invitation(
                resourceShareInvitationArn=invitation["resourceShareInvitationArn"]
            )
            return invitation["resourceShareInvitationArn"]
    raise AssertionError("no invitation")


def promotes():
    """AWS's documented way: a policy, its share, the permission that it needs, promotion, an invitation."""
    put_policy(["cloudhsm:*"])
    share = share_of_policy()
    resources = ram.list_resources(resourceOwner="SELF", resourceArns=[arn])["resources"]
    expect(resources[0]["resourceShareArn"] == share["resourceShareArn"], resources)
    promote = lambda: ram.promote_resource_share_created_from_policy(resourceShareArn=share["resourceShareArn"])
    raises(errors.UnmatchedPolicyPermissionException, promote)
    permission = ram.list_resource_share_permissions(resourceShareArn=share["resourceShareArn"])["permissions"][0]
    expect(permission["featureSet"] == "CREATED_FROM_POLICY", permission)
    ram.promote_permission_created_from_policy(permissionArn=permission["arn"], name="backups")
    raises(errors.InvalidStateTransitionException, promote)
    advance(31)
    expect(promote()["returnValue"] is True, "returnValue")
    advance(31)
    expect(listed() == [], "listed before it was accepted")
    invitation = accept()
    expect(listed() == [backup["BackupId"]], listed())
    raises(
        their_ram.exceptions.ResourceShareInvitationAlreadyAcceptedException,
        lambda: their_ram.accept_resource_share_invitation(resourceShareInvitationArn=invitation),
    )
    out = their_hsm.create_cluster(HsmType="hsm2m.medium", Mode="FIPS", SubnetIds=SUBNETS, SourceBackupId=arn)
    expect(out["Cluster"]["SourceBackupId"] == backup["BackupId"], out)
    hsm.delete_resource_policy(ResourceArn=arn)
    expect(listed() == [], "listed after the policy was deleted")


def shares():
    """The other way: RAM alone."""
    share = ram.create_resource_share(name="backups", tags=[{"key": "team", "value": "pki"}], clientToken="token")
    share = share["resourceShare"]
    expect(share["featureSet"] == "STANDARD" and share["creationTime"].year > 2000, share)
    name = {"resourceShareArn": share["resourceShareArn"]}
    ram.associate_resource_share(resourceArns=[arn], principals=[OTHER], **name)
    accept()
    expect(listed() == [backup["BackupId"]], listed())
    associations = ram.get_resource_share_associations(associationType="PRINCIPAL")["resourceShareAssociations"]
    expect([entry["status"] for entry in associations] == ["ASSOCIATED"], associations)
    ram.disassociate_resource_share(principals=[OTHER], **name)
    expect(listed() == [], listed())
    ram.associate_resource_share(principals=[OTHER], **name)
    invitations = their_ram.get_resource_share_invitations()["resourceShareInvitations"]
    pending = [entry for entry in invitations if entry["status"] == "PENDING"][0]
    their_ram.reject_resource_share_invitation(resourceShareInvitationArn=pending["resourceShareInvitationArn"])
    expect(ram.delete_resource_share(**name)["returnValue"] is True, "returnValue")


def pages():
    names = {f"share {i}" for i in range(5)}
    for name in names:
        ram.create_resource_share(name=name)
    paginator = ram.get_paginator("get_resource_shares")
    parts = list(paginator.paginate(resourceOwner="SELF", PaginationConfig={"PageSize": 2}))
    expect(len(parts) > 2, len(parts))
    expect(names <= {share["name"] for part in parts for share in part["resourceShares"]}, parts)


def refuses():
    raises(errors.MalformedArnException, lambda: ram.list_resource_share_permissions(resourceShareArn="x"))
    raises(errors.UnknownResourceException, lambda: ram.list_resource_share_permissions(resourceShareArn=unknown))
    raises(errors.InvalidNextTokenException, lambda: ram.list_resources(resourceOwner="SELF", nextToken="x"))
    raises(errors.InvalidParameterException, lambda: ram.list_resources(resourceOwner="NOBODY"))
    raises(
        errors.IdempotentParameterMismatchException,
        lambda: ram.create_resource_share(name="another", clientToken="token"),
    )
    raises(their_ram.exceptions.OperationNotPermittedException, their_ram.enable_sharing_with_aws_organization)
    ram.enable_sharing_with_aws_organization()


backup = check("a backup", ready_backup) or {"BackupArn": "", "BackupId": ""}
arn = backup["BackupArn"]
unknown = f"arn:aws:ram:{REGION}:111122223333:resource-share/00000000-0000-0000-0000-000000000000"
check("a policy is promoted", promotes)
check("RAM alone", shares)
check("a paginator", pages)
check("error classes", refuses)
check("every operation", lambda: expect(len(succeeded) == OPERATIONS, succeeded))
print(f"  botocore, RAM: {passed} held, {failed} did not; {len(succeeded)} of {OPERATIONS} operations")
print(f"counts {passed} {failed}")
