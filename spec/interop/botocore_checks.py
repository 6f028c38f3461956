"""botocore drives the emulator: every operation, paginator, error class and retry, signatures made there and verified here.

Usage: botocore_checks.py PORT CONTROL_PORT      Prints a line for every check that fails, then how many held.
"""

import datetime
import http.client
import json
import os
import subprocess
import sys
import time

import botocore.config
import botocore.exceptions
import botocore.session

PORT, CONTROL_PORT = int(sys.argv[1]), int(sys.argv[2])
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEJr/token+/="
SUBNETS = ["subnet-0a1b2c30", "subnet-0a1b2c31"]
SERVICE = "cloudhsmv2"
HERE = os.path.dirname(os.path.abspath(__file__))

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
        print(f"botocore: {name}: {type(problem).__name__}: {problem}", flush=True)
        return None


def expect(held, what):
    if not held:
        raise AssertionError(what)


def control(path, body=""):
    connection = http.client.HTTPConnection("127.0.0.1", CONTROL_PORT, timeout=20)
    connection.request("POST", path, body=body, headers={"Connection": "close"})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    expect(response.status == 200, f"{path}: {text}")


def advance(seconds):
    control("/advance", str(seconds))


def inject(**fault):
    control("/inject", json.dumps(fault))


def client_of(region="us-east-1", key="AKIDEXAMPLE", secret=SECRET, token=None, attempts=1, **config):
    session = botocore.session.Session()
    session.set_config_variable("config_file", "/dev/null")
    session.set_config_variable("credentials_file", "/dev/null")
    client = session.create_client(
        SERVICE,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{PORT}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=botocore.config.Config(
            retries={"mode": "standard", "total_max_attempts": attempts}, parameter_validation=True, **config
        ),
    )
    client.meta.events.register(f"after-call.{SERVICE}", remember)
    return client


def remember(http_response, model, **_):
    if http_response.status_code == 200:
        succeeded.add(model.name)


def raises(kind, work):
    """The exception of a class that the work has to raise."""
    try:
        result = work()
    except kind as problem:
        return problem
    raise AssertionError(f"did not raise {kind.__name__} but returned {result!r}")


def code_of(problem):
    return problem.response["Error"]["Code"]


client = client_of()
errors = client.exceptions


def cluster_of(cluster_id):
    return client.describe_clusters(Filters={"clusterIds": [cluster_id]})["Clusters"][0]


def until(what, look, step=30, most=200):
    """Moves the clock until a look returns something true."""
    for _ in range(most):
        result = look()
        if result:
            return result
        advance(step)
    raise AssertionError(f"never came: {what}")


def create():
    out = client.create_cluster(
        HsmType="hsm2m.medium", Mode="FIPS", SubnetIds=SUBNETS, TagList=[{"Key": "made-by", "Value": "botocore"}]
    )
    cluster = out["Cluster"]
    expect(cluster["State"] == "CREATE_IN_PROGRESS", cluster["State"])
    expect(isinstance(cluster["CreateTimestamp"], datetime.datetime), cluster["CreateTimestamp"])
    age = datetime.datetime.now(datetime.timezone.utc) - cluster["CreateTimestamp"]
    expect(abs(age.total_seconds()) < 86400 * 400, age)
    expect(cluster["BackupRetentionPolicy"] == {"Type": "DAYS", "Value": "90"}, cluster["BackupRetentionPolicy"])
    expect(cluster["TagList"] == [{"Key": "made-by", "Value": "botocore"}], cluster["TagList"])
    expect(len(out["ResponseMetadata"]["RequestId"]) == 36, out["ResponseMetadata"])
    return cluster["ClusterId"]


def add_hsm():
    until("UNINITIALIZED", lambda: cluster_of(cluster_id)["State"] == "UNINITIALIZED")
    zone = sorted(cluster_of(cluster_id)["SubnetMapping"])[0]
    hsm = client.create_hsm(ClusterId=cluster_id, AvailabilityZone=zone)["Hsm"]
    expect(hsm["State"] == "CREATE_IN_PROGRESS" and hsm["AvailabilityZone"] == zone, hsm)
    return hsm["HsmId"]


def initialize():
    request = until("a CSR", lambda: cluster_of(cluster_id)["Certificates"].get("ClusterCsr"))
    made = subprocess.run([os.path.join(HERE, "certify")], input=request, capture_output=True, text=True, check=True)
    certificate, authority = made.stdout.split("\n\n")
    out = client.initialize_cluster(ClusterId=cluster_id, SignedCert=certificate + "\n", TrustAnchor=authority)
    expect(out["State"] == "INITIALIZE_IN_PROGRESS", out)
    until("ACTIVE", lambda: cluster_of(cluster_id)["State"] == "ACTIVE")
    expect("ClusterCertificate" in cluster_of(cluster_id)["Certificates"], "ClusterCertificate")


def ready_backups(**filters):
    return client.describe_backups(Filters={"states": ["READY"], **filters})["Backups"]


def first_backup():
    backup = until("a backup", ready_backups)[0]
    expect(backup["ClusterId"] == cluster_id and backup["NeverExpires"] is False, backup)
    expect(backup["TagList"] == [] and backup["Mode"] == "FIPS", backup)
    return backup


def tags():
    client.tag_resource(ResourceId=cluster_id, TagList=[{"Key": "größe", "Value": "1 m²"}, {"Key": "b", "Value": ""}])
    listed = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceId=cluster_id)["TagList"]}
    expect(listed == {"made-by": "botocore", "größe": "1 m²", "b": ""}, listed)
    client.untag_resource(ResourceId=cluster_id, TagKeyList=["b", "größe"])
    expect(len(client.list_tags(ResourceId=cluster_id)["TagList"]) == 1, "untagged")


def modify_cluster():
    out = client.modify_cluster(ClusterId=cluster_id, BackupRetentionPolicy={"Type": "DAYS", "Value": "30"})
    expect(out["Cluster"]["BackupRetentionPolicy"]["Value"] == "30", out)


def modify_backup():
    out = client.modify_backup_attributes(BackupId=backup["BackupId"], NeverExpires=True)
    expect(out["Backup"]["NeverExpires"] is True, out)
    listed = ready_backups(neverExpires=["true"])
    expect([one["BackupId"] for one in listed] == [backup["BackupId"]], listed)


def copy():
    out = client.copy_backup_to_region(BackupId=backup["BackupId"], DestinationRegion="eu-central-1")
    expect(out["DestinationBackup"]["SourceBackup"] == backup["BackupId"], out)
    expect("BackupId" not in out["DestinationBackup"], out)
    other = client_of("eu-central-1")
    filters = {"sourceBackupIds": [backup["BackupId"]], "states": ["READY"]}
    found = until("the copy", lambda: other.describe_backups(Filters=filters)["Backups"])
    expect(isinstance(found[0]["CopyTimestamp"], datetime.datetime), found)
    expect(found[0]["CreateTimestamp"] == backup["CreateTimestamp"], found)


def policies():
    arn = backup["BackupArn"]
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "444455556666"},
                    "Action": ["cloudhsm:CreateCluster", "cloudhsm:DescribeBackups"],
                    "Resource": arn,
                }
            ],
        }
    )
    expect(client.get_resource_policy(ResourceArn=arn)["Policy"] == "{}", "no policy yet")
    out = client.put_resource_policy(ResourceArn=arn, Policy=policy)
    expect(out["ResourceArn"] == arn and json.loads(out["Policy"]) == json.loads(policy), out)
    expect(json.loads(client.get_resource_policy(ResourceArn=arn)["Policy"]) == json.loads(policy), "the policy")
    out = client.delete_resource_policy(ResourceArn=arn)
    expect(out["ResourceArn"] == arn, out)


def delete_and_restore():
    pending = client.delete_backup(BackupId=backup["BackupId"])["Backup"]
    expect(pending["BackupState"] == "PENDING_DELETION", pending)
    left = pending["DeleteTimestamp"] - pending["CreateTimestamp"]
    expect(left >= datetime.timedelta(days=7), left)
    restored = client.restore_backup(BackupId=backup["BackupId"])["Backup"]
    expect(restored["BackupState"] == "READY" and "DeleteTimestamp" not in restored, restored)


def page_backups():
    until("seven backups", lambda: len(client.describe_backups()["Backups"]) >= 7, step=43200)
    whole = [one["BackupId"] for one in client.describe_backups()["Backups"]]
    paginator = client.get_paginator("describe_backups")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))
    expect(len(pages) == (len(whole) + 1) // 2, len(pages))
    expect([one["BackupId"] for page in pages for one in page["Backups"]] == whole, "the same backups")
    part = paginator.paginate(PaginationConfig={"PageSize": 2, "MaxItems": 3}).build_full_result()
    rest = paginator.paginate(PaginationConfig={"PageSize": 2, "StartingToken": part["NextToken"]}).build_full_result()
    expect([one["BackupId"] for one in part["Backups"] + rest["Backups"]] == whole, "resumed")


def page_clusters():
    for _ in range(2):
        create()
    whole = {one["ClusterId"] for one in client.describe_clusters()["Clusters"]}
    pages = list(client.get_paginator("describe_clusters").paginate(PaginationConfig={"PageSize": 1}))
    expect(len(whole) == 3 and {one["ClusterId"] for page in pages for one in page["Clusters"]} == whole, pages)


def page_tags():
    wanted = {f"key-{i}": str(i) for i in range(40)}
    client.tag_resource(ResourceId=backup["BackupId"], TagList=[{"Key": k, "Value": v} for k, v in wanted.items()])
    paginator = client.get_paginator("list_tags")
    pages = list(paginator.paginate(ResourceId=backup["BackupId"], PaginationConfig={"PageSize": 7}))
    expect({tag["Key"]: tag["Value"] for page in pages for tag in page["TagList"]} == wanted, pages)
    expect(len(pages) == 6, len(pages))


def bad_token():
    raises(errors.CloudHsmInvalidRequestException, lambda: client.describe_backups(NextToken="nonsense"))


def natural_errors():
    unknown = "cluster-aaaaaaaaaaa"
    problem = raises(errors.CloudHsmResourceNotFoundException, lambda: client.delete_cluster(ClusterId=unknown))
    expect(unknown in problem.response["Error"]["Message"] and problem.response["Message"], problem.response)
    expect(problem.response["ResponseMetadata"]["HTTPStatusCode"] == 400, problem.response)
    raises(errors.CloudHsmInvalidRequestException, lambda: client.describe_clusters(Filters={"colour": ["red"]}))
    fifty_one = [{"Key": f"more-{i}", "Value": ""} for i in range(20)]
    raises(
        errors.CloudHsmResourceLimitExceededException,
        lambda: client.tag_resource(ResourceId=backup["BackupId"], TagList=fifty_one),
    )
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    raises(errors.CloudHsmTagException, lambda: client.tag_resource(ResourceId=cluster_id, TagList=twice))


def delete_hsm():
    out = client.delete_hsm(ClusterId=cluster_id, HsmId=hsm_id)
    expect(out["HsmId"] == hsm_id, out)
    until("no HSM", lambda: cluster_of(cluster_id)["Hsms"] == [])


def delete_cluster():
    out = client.delete_cluster(ClusterId=cluster_id)
    expect(out["Cluster"]["State"] == "DELETE_IN_PROGRESS", out)
    until("DELETED", lambda: cluster_of(cluster_id)["State"] == "DELETED", step=5)


def life():
    """One cluster from the first call to the last: all operations."""
    global cluster_id, hsm_id, backup
    cluster_id = check("create a cluster", create)
    hsm_id = check("add an HSM", add_hsm)
    check("initialize", initialize)
    backup = check("the first backup", first_backup)
    check("tags", tags)
    check("modify the cluster", modify_cluster)
    check("modify the backup", modify_backup)
    check("copy the backup", copy)
    check("policies", policies)
    check("delete and restore", delete_and_restore)
    check("pages of backups", page_backups)
    check("pages of clusters", page_clusters)
    check("pages of tags", page_tags)
    check("a token that is none", bad_token)
    check("errors that the rules make", natural_errors)
    check("delete the HSM", delete_hsm)
    check("delete the cluster", delete_cluster)


# Parameters that are good enough for botocore.
PARAMETERS = {
    "ResourceId": "cluster-aaaaaaaaaaa",
    "ClusterId": "cluster-aaaaaaaaaaa",
    "BackupId": "backup-aaaaaaaaaaa",
    "ResourceArn": "arn:aws:cloudhsm:us-east-1:111122223333:backup/backup-aaaaaaaaaaa",
    "Policy": "{}",
    "DestinationRegion": "eu-west-1",
    "HsmType": "hsm2m.medium",
    "SubnetIds": SUBNETS,
    "AvailabilityZone": "us-east-1a",
    "SignedCert": "x",
    "TrustAnchor": "x",
    "NeverExpires": True,
    "TagList": [{"Key": "a", "Value": "b"}],
    "TagKeyList": ["a"],
}


def error_classes():
    """Each modelled error of each operation, caught as its class."""
    for method, name in sorted(client.meta.method_to_api_mapping.items()):
        model = client.meta.service_model.operation_model(name)
        needed = {member: PARAMETERS[member] for member in model.input_shape.required_members}
        for shape in model.error_shapes:

            def caught(shape=shape):
                inject(kind="error", operation=name, code=shape.name, message="as injected", count=1)
                kind = errors.from_code(shape.name)
                expect(kind is getattr(errors, shape.name) and kind is not errors.ClientError, kind)
                problem = raises(kind, lambda: getattr(client, method)(**needed))
                expect(problem.response["Error"]["Message"] == "as injected", problem.response)
                status = 500 if shape.name == "CloudHsmInternalFailureException" else 400
                expect(problem.response["ResponseMetadata"]["HTTPStatusCode"] == status, problem.response)

            check(f"{name}: {shape.name}", caught)
    known = {shape.name for shape in client.meta.service_model.error_shapes}
    check("all seven error classes", lambda: expect(len(known) == 7, known))


def signatures():
    def refused(code, **identity):
        problem = raises(botocore.exceptions.ClientError, lambda: client_of(**identity).describe_clusters())
        expect(code_of(problem) == code, problem.response)

    check("a session token", lambda: client_of(key="ASIAEXAMPLE", token=TOKEN).describe_clusters())
    check("a wrong secret", lambda: refused("InvalidSignatureException", secret="wrong"))
    check("an unknown key", lambda: refused("UnrecognizedClientException", key="AKIDUNKNOWN"))
    check("a missing token", lambda: refused("UnrecognizedClientException", key="ASIAEXAMPLE"))
    check("a token for a key without", lambda: refused("UnrecognizedClientException", token=TOKEN))
    check("an expired token", lambda: refused("ExpiredTokenException", key="ASIAEXPIRED", token="AQoDYXdzEJr/old"))
    check("a region that is none", lambda: refused("InvalidSignatureException", region="us-east-9"))

    def unsigned():
        anonymous = client_of(signature_version=botocore.UNSIGNED)
        problem = raises(botocore.exceptions.ClientError, anonymous.describe_clusters)
        expect(code_of(problem) == "MissingAuthenticationTokenException", problem.response)

    check("no signature", unsigned)

    def forbidden():
        reader = client_of(key="AKIDREADONLY")
        reader.describe_clusters()
        problem = raises(
            botocore.exceptions.ClientError, lambda: reader.delete_cluster(ClusterId="cluster-aaaaaaaaaaa")
        )
        expect(code_of(problem) == "AccessDeniedException", problem.response)

    check("what a key may not", forbidden)

    def skewed():
        inject(kind="clock_skew", seconds=3600, count=1)
        problem = raises(botocore.exceptions.ClientError, client.describe_clusters)
        expect(code_of(problem) == "InvalidSignatureException", problem.response)
        expect("Signature expired" in problem.response["Error"]["Message"], problem.response)

    check("a clock that is an hour off", skewed)

    def other_account():
        expect(client_of(key="AKIDEXAMPLE2").describe_clusters()["Clusters"] == [], "another account's clusters")

    check("another account", other_account)


def retries():
    patient = client_of(attempts=3, read_timeout=1)

    def gets_by(attempts, **fault):
        control("/clear")
        inject(operation="DescribeClusters", **fault)
        out = patient.describe_clusters()
        expect(out["ResponseMetadata"]["RetryAttempts"] == attempts, out["ResponseMetadata"])
        expect(isinstance(out["Clusters"], list), out)

    for attempts, fault in (
        (2, {"kind": "unavailable", "count": 2}),
        (1, {"kind": "unavailable", "count": 1, "retry_after": 1}),
        (1, {"kind": "html", "count": 1}),
        (1, {"kind": "html", "status": 502, "count": 1}),
        (1, {"kind": "throttle", "rate": 0, "burst": 0, "count": 1}),
        (1, {"kind": "throttle", "rate": 0, "burst": 0, "status": 429, "count": 1}),
        (1, {"kind": "error", "code": "CloudHsmInternalFailureException", "count": 1}),
        (1, {"kind": "drop_before", "count": 1}),
        (1, {"kind": "drop_after", "count": 1}),
        (1, {"kind": "reset", "count": 1}),
        (1, {"kind": "latency", "seconds": 2, "count": 1}),
        (0, {"kind": "latency", "seconds": 0.2, "count": 1}),
        (0, {"kind": "drip", "bytes": 40, "seconds": 0.01, "count": 1}),
        (0, {"kind": "content_type", "count": 1}),
        (0, {"kind": "duplicate_header", "count": 1}),
    ):
        check(f"retries: {fault}", lambda: gets_by(attempts, **fault))
    control("/clear")

    def goes_on(**fault):
        """botocore reads a body that ends early as an empty answer, and does not unpack one that it did not ask for."""
        inject(operation="DescribeClusters", count=1, **fault)
        try:
            expect("Clusters" not in patient.describe_clusters(), "the answer was spoilt")
        except UnicodeDecodeError:
            pass
        expect(isinstance(patient.describe_clusters()["Clusters"], list), "the next answer is not")

    check("after a body that ends early", lambda: goes_on(kind="truncate"))
    check("after a body that is compressed", lambda: goes_on(kind="gzip"))

    def burst():
        inject(kind="throttle", operation="DescribeClusters", rate=20, burst=2)
        seen = [patient.describe_clusters()["ResponseMetadata"]["RetryAttempts"] for _ in range(4)]
        expect(seen[:2] == [0, 0] and sum(seen) > 0, seen)

    check("retries: a burst that is throttled", burst)
    control("/clear")

    def gives_up():
        inject(kind="error", operation="DescribeClusters", code="ThrottlingException", message="Rate exceeded", count=3)
        problem = raises(botocore.exceptions.ClientError, patient.describe_clusters)
        expect(code_of(problem) == "ThrottlingException", problem.response)
        expect(problem.response["ResponseMetadata"]["MaxAttemptsReached"] is True, problem.response)

    check("retries: giving up", gives_up)

    def done_twice():
        """botocore repeats a create whose answer was lost; the emulator really did it before."""
        other = client_of("ap-south-1", attempts=2)
        inject(kind="drop_after", operation="CreateCluster", count=1)
        other.create_cluster(HsmType="hsm2m.medium", Mode="FIPS", SubnetIds=SUBNETS)
        expect(len(other.describe_clusters()["Clusters"]) == 2, "one cluster for each attempt")

    check("retries: a create is done twice", done_twice)
    control("/clear")


started = time.monotonic()
life()
error_classes()
signatures()
retries()
missing = set(client.meta.method_to_api_mapping.values()) - succeeded
check("every operation", lambda: expect(not missing and len(succeeded) == 18, missing))
print(
    f"  botocore {botocore.__version__}: {passed} held, {failed} did not;"
    f" {len(succeeded)} of 18 operations, {time.monotonic() - started:.0f} s"
)
print(f"counts {passed} {failed}")
