"""boto3 as a contender of spec/bench.lua; the same usage as client.lua."""

import os
import resource
import sys
import time

os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

mode, http, https, ca_file = (sys.argv[1:] + [""] * 3)[:4]
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "t" * 800)
PARAMS = {"Filters": {"states": ["READY"]}, "MaxResults": 50}


def new(endpoint, authorities):
    return boto3.client(
        "cloudhsmv2",
        region_name="eu-west-1",
        endpoint_url=endpoint,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        aws_session_token=KEYS[2],
        verify=authorities,
        config=Config(proxies={}),
    )


if mode == "once":
    assert new(http, https).describe_backups(**PARAMS)["Backups"]
    sys.exit(0)

clients = {}


def calling(endpoint, backups):
    def work(count):
        if (endpoint, backups) not in clients:
            clients[endpoint, backups] = new(f"{endpoint}/{backups}", ca_file)
        client = clients[endpoint, backups]
        for _ in range(count):
            assert len(client.describe_backups(**PARAMS)["Backups"]) == backups

    return work


signer = SigV4Auth(Credentials(*KEYS), "cloudhsm", "eu-west-1")


def sign(count):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "BaldrApiService.DescribeBackups"}
    for _ in range(count):
        signer.add_auth(AWSRequest("POST", "https://cloudhsmv2.eu-west-1.amazonaws.com/", headers, b"x" * 300))


works = {
    "sign": sign,
    "http1": calling(http, 1),
    "http50": calling(http, 50),
    "tls1": calling(https, 1),
    "tls50": calling(https, 50),
}
for line in sys.stdin:
    name, count = line.split()
    if name == "quit":
        break
    if name == "peak":
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0, flush=True)
        continue
    works[name](1)
    cpu, wall = time.process_time(), time.monotonic()
    works[name](int(count))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    print(cpu / int(count) * 1e6, wall / int(count) * 1e6, flush=True)
