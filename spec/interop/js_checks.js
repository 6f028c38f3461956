// The AWS SDK for JavaScript drives the emulator: every operation, paginator, error class and retry, signatures made there and
// verified here. See js_clients.js for which SDK this is.
// Usage: node js_checks.js PORT CONTROL_PORT FOLDER MODEL      (FOLDER has node_modules; MODEL is botocore's service-2.json.gz)
const { spawnSync } = require("child_process");
const http = require("http");
const { createRequire } = require("module");
const path = require("path");
const { currentClient, publishedClient } = require("./js_clients.js");

const [port, controlPort, folder, modelPath] = process.argv.slice(2);
const load = createRequire(path.resolve(folder) + "/");
const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN = "AQoDYXdzEJr/token+/=";
const SUBNETS = ["subnet-0a1b2c30", "subnet-0a1b2c31"];

let passed = 0;
let failed = 0;

function expect(held, what) {
  if (!held) throw new Error(typeof what === "string" ? what : JSON.stringify(what));
}

function control(target, body = "") {
  return new Promise((resolve, reject) => {
    const options = { port: controlPort, host: "127.0.0.1", path: target, method: "POST", agent: false };
    const request = http.request(options, (response) => {
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`${target}: ${text}`))));
    });
    request.on("error", reject);
    request.setHeader("Content-Length", Buffer.byteLength(body));
    request.end(body);
  });
}

const advance = (seconds) => control("/advance", String(seconds));
const inject = (fault) => control("/inject", JSON.stringify(fault));

// The error that the work has to end with.
async function thrown(work) {
  let result;
  try {
    result = await work();
  } catch (error) {
    return error;
  }
  throw new Error(`did not throw but returned ${JSON.stringify(result)}`);
}

// Moves the clock until a look returns something true.
async function until(what, look, step = 30, most = 200) {
  for (let i = 0; i < most; i++) {
    const result = await look();
    if (result) return result;
    await advance(step);
  }
  throw new Error(`never came: ${what}`);
}

async function drive(face, region) {
  const started = Date.now();
  const succeeded = new Set();
  const before = { passed, failed };
  const knows = (name) => name in face.commands;

  // Does the work; what it throws is a failure. Returns what it returned.
  async function check(name, work) {
    try {
      const result = await work();
      passed++;
      return result;
    } catch (error) {
      failed++;
      console.log(`js: ${face.name}: ${name}: ${error.name}: ${error.message}`);
      return undefined;
    }
  }

  function clientOf({ key = "AKIDEXAMPLE", secret = SECRET, token, attempts = 1, where = region, timeout = 5000 } = {}) {
    return new face.Client({
      region: where,
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: key, secretAccessKey: secret, sessionToken: token },
      maxAttempts: attempts,
      requestHandler: face.handler({ requestTimeout: timeout, socketTimeout: timeout, throwOnRequestTimeout: true }),
    });
  }

  const client = clientOf();
  const extra = face.isCurrent ? 0 : 1; // SDKs of 2023 make one attempt more than they are told
  async function call(name, input = {}, by = client) {
    const out = await by.send(new face.commands[name](input));
    succeeded.add(name);
    return out;
  }

  const clusterOf = async (id) => (await call("DescribeClusters", { Filters: { clusterIds: [id] } })).Clusters[0];
  const backups = async (filters, by) => (await call("DescribeBackups", { Filters: filters }, by)).Backups;
  const first = async (filters, by) => (await backups(filters, by))[0];
  const type = knows("PutResourcePolicy") ? { HsmType: "hsm2m.medium", Mode: "FIPS" } : { HsmType: "hsm1.medium" };

  let clusterId;
  let hsmId;
  let backup;
  await check("create a cluster", async () => {
    const out = await call("CreateCluster", { ...type, SubnetIds: SUBNETS, TagList: [{ Key: "made-by", Value: "js" }] });
    clusterId = out.Cluster.ClusterId;
    expect(out.Cluster.State === "CREATE_IN_PROGRESS", out);
    expect(out.Cluster.CreateTimestamp instanceof Date && out.Cluster.CreateTimestamp.getFullYear() > 2000, out);
    expect(out.Cluster.BackupRetentionPolicy.Value === "90", out);
    expect(out.$metadata.requestId.length === 36, out);
  });
  await check("add an HSM", async () => {
    await until("UNINITIALIZED", async () => (await clusterOf(clusterId)).State === "UNINITIALIZED");
    const zone = Object.keys((await clusterOf(clusterId)).SubnetMapping)[0];
    const out = await call("CreateHsm", { ClusterId: clusterId, AvailabilityZone: zone });
    hsmId = out.Hsm.HsmId;
    expect(out.Hsm.State === "CREATE_IN_PROGRESS", out);
  });
  await check("initialize", async () => {
    const request = await until("a CSR", async () => (await clusterOf(clusterId)).Certificates.ClusterCsr);
    const made = spawnSync(path.join(__dirname, "certify"), { input: request, encoding: "utf8" });
    expect(made.status === 0, made.stderr);
    const [certificate, authority] = made.stdout.split("\n\n");
    const out = await call("InitializeCluster", { ClusterId: clusterId, SignedCert: certificate + "\n", TrustAnchor: authority });
    expect(out.State === "INITIALIZE_IN_PROGRESS", out);
    await until("ACTIVE", async () => (await clusterOf(clusterId)).State === "ACTIVE");
  });
  await check("the first backup", async () => {
    backup = await until("a backup", () => first({ states: ["READY"] }));
    expect(backup.ClusterId === clusterId && backup.NeverExpires === false && backup.TagList.length === 0, backup);
  });
  await check("tags", async () => {
    await call("TagResource", { ResourceId: clusterId, TagList: [{ Key: "größe", Value: "1 m²" }, { Key: "b", Value: "" }] });
    let list = (await call("ListTags", { ResourceId: clusterId })).TagList;
    expect(list.length === 3 && list.find((tag) => tag.Key === "größe").Value === "1 m²", list);
    await call("UntagResource", { ResourceId: clusterId, TagKeyList: ["b", "größe"] });
    list = (await call("ListTags", { ResourceId: clusterId })).TagList;
    expect(list.length === 1, list);
  });
  await check("modify the cluster", async () => {
    const policy = { Type: "DAYS", Value: "30" };
    const out = await call("ModifyCluster", { ClusterId: clusterId, BackupRetentionPolicy: policy });
    expect(out.Cluster.BackupRetentionPolicy.Value === "30", out);
  });
  await check("modify the backup", async () => {
    const out = await call("ModifyBackupAttributes", { BackupId: backup.BackupId, NeverExpires: true });
    expect(out.Backup.NeverExpires === true, out);
    expect((await backups({ neverExpires: ["true"] })).length === 1, "one that never expires");
  });
  await check("copy the backup", async () => {
    const out = await call("CopyBackupToRegion", { BackupId: backup.BackupId, DestinationRegion: "eu-north-1" });
    expect(out.DestinationBackup.SourceBackup === backup.BackupId, out);
    const there = clientOf({ where: "eu-north-1" });
    const filters = { sourceBackupIds: [backup.BackupId], states: ["READY"] };
    const found = await until("the copy", () => first(filters, there));
    expect(found.CopyTimestamp instanceof Date, found);
    expect(found.CreateTimestamp.getTime() === backup.CreateTimestamp.getTime(), found);
  });
  if (knows("PutResourcePolicy")) {
    await check("policies", async () => {
      const arn = backup.BackupArn;
      const statement = { Effect: "Allow", Principal: { AWS: "444455556666" }, Resource: arn };
      statement.Action = ["cloudhsm:CreateCluster", "cloudhsm:DescribeBackups"];
      const policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
      expect((await call("GetResourcePolicy", { ResourceArn: arn })).Policy === "{}", "no policy yet");
      await call("PutResourcePolicy", { ResourceArn: arn, Policy: policy });
      const out = await call("GetResourcePolicy", { ResourceArn: arn });
      expect(JSON.stringify(JSON.parse(out.Policy)) === policy, out);
      expect((await call("DeleteResourcePolicy", { ResourceArn: arn })).ResourceArn === arn, "deleted");
    });
  }
  await check("delete and restore", async () => {
    const pending = (await call("DeleteBackup", { BackupId: backup.BackupId })).Backup;
    expect(pending.BackupState === "PENDING_DELETION" && pending.DeleteTimestamp > pending.CreateTimestamp, pending);
    const restored = (await call("RestoreBackup", { BackupId: backup.BackupId })).Backup;
    expect(restored.BackupState === "READY" && restored.DeleteTimestamp === undefined, restored);
  });

  async function pages(name, pageSize, input = {}) {
    const list = [];
    for await (const page of face.paginators[name]({ client, pageSize }, input)) list.push(page);
    return list;
  }
  await check("pages of backups", async () => {
    await until("seven backups", async () => (await backups()).length >= 7, 43200);
    const whole = (await backups()).map((one) => one.BackupId);
    const found = await pages("DescribeBackups", 2);
    expect(found.length === Math.ceil(whole.length / 2), found.length);
    expect(String(found.flatMap((page) => page.Backups.map((one) => one.BackupId))) === String(whole), "the same backups");
  });
  await check("pages of clusters", async () => {
    for (let i = 0; i < 2; i++) await call("CreateCluster", { ...type, SubnetIds: SUBNETS });
    const found = (await pages("DescribeClusters", 1)).flatMap((page) => page.Clusters.map((one) => one.ClusterId));
    expect(found.length === 3 && new Set(found).size === 3, found);
  });
  await check("pages of tags", async () => {
    const list = Array.from({ length: 40 }, (_, i) => ({ Key: `key-${i}`, Value: String(i) }));
    await call("TagResource", { ResourceId: backup.BackupId, TagList: list });
    const found = await pages("ListTags", 7, { ResourceId: backup.BackupId });
    expect(found.length === 6 && found.flatMap((page) => page.TagList).length === 40, found);
  });

  await check("errors that the rules make", async () => {
    let error = await thrown(() => call("DeleteCluster", { ClusterId: "cluster-aaaaaaaaaaa" }));
    expect(error instanceof face.exceptions.CloudHsmResourceNotFoundException, error.name);
    expect(error.message.includes("cluster-aaaaaaaaaaa") && error.$metadata.httpStatusCode === 400, error.message);
    error = await thrown(() => call("DescribeClusters", { Filters: { colour: ["red"] } }));
    expect(error instanceof face.exceptions.CloudHsmInvalidRequestException, error.name);
    const twice = [{ Key: "a", Value: "1" }, { Key: "a", Value: "2" }];
    error = await thrown(() => call("TagResource", { ResourceId: clusterId, TagList: twice }));
    expect(error instanceof face.exceptions.CloudHsmTagException, error.name);
  });
  await check("delete the HSM and the cluster", async () => {
    expect((await call("DeleteHsm", { ClusterId: clusterId, HsmId: hsmId })).HsmId === hsmId, "the HSM's id");
    await until("no HSM", async () => (await clusterOf(clusterId)).Hsms.length === 0);
    await call("DeleteCluster", { ClusterId: clusterId });
    await until("DELETED", async () => (await clusterOf(clusterId)).State === "DELETED", 5);
  });

  for (const name of Object.keys(face.exceptions)) {
    await check(`the class ${name}`, async () => {
      const operation = name === "CloudHsmResourceLimitExceededException" ? "TagResource" : "UntagResource";
      await inject({ kind: "error", operation, code: name, message: "as injected", count: 1 + extra });
      const tags = operation === "TagResource" ? { TagList: [{ Key: "a", Value: "" }] } : { TagKeyList: ["a"] };
      const error = await thrown(() => call(operation, { ResourceId: clusterId, ...tags }));
      await control("/clear");
      expect(error instanceof face.exceptions[name] && error.name === name, error.name);
      expect((error.Message ?? error.message) === "as injected", error.message);
      expect(error.$metadata.httpStatusCode === (name === "CloudHsmInternalFailureException" ? 500 : 400), error.$metadata);
    });
  }

  async function refused(code, identity) {
    const error = await thrown(() => call("DescribeClusters", {}, clientOf(identity)));
    expect(error.name === code, `${error.name}: ${error.message}`);
  }
  await check("a session token", () => call("DescribeClusters", {}, clientOf({ key: "ASIAEXAMPLE", token: TOKEN })));
  await check("a wrong secret", () => refused("InvalidSignatureException", { secret: "wrong" }));
  await check("an unknown key", () => refused("UnrecognizedClientException", { key: "AKIDUNKNOWN" }));
  await check("a missing token", () => refused("UnrecognizedClientException", { key: "ASIAEXAMPLE" }));
  await check("an expired token", () => refused("ExpiredTokenException", { key: "ASIAEXPIRED", token: "AQoDYXdzEJr/old" }));
  await check("what a key may not", async () => {
    const reader = clientOf({ key: "AKIDREADONLY" });
    await call("DescribeClusters", {}, reader);
    const error = await thrown(() => call("DeleteCluster", { ClusterId: "cluster-aaaaaaaaaaa" }, reader));
    expect(error.name === "AccessDeniedException", error.name);
  });

  const patient = clientOf({ attempts: 3, timeout: 1000 });
  const getsBy = [
    [3, { kind: "unavailable", count: 2 }],
    [2, { kind: "unavailable", count: 1, retry_after: 1 }],
    [2, { kind: "throttle", rate: 0, burst: 0, count: 1 }],
    [2, { kind: "throttle", rate: 0, burst: 0, status: 429, count: 1 }],
    [2, { kind: "error", code: "CloudHsmInternalFailureException", count: 1 }],
    [2, { kind: "drop_before", count: 1 }],
    [2, { kind: "drop_after", count: 1 }],
    [2, { kind: "latency", seconds: 2, count: 1 }],
    [1, { kind: "latency", seconds: 0.2, count: 1 }],
    [1, { kind: "drip", bytes: 40, seconds: 0.01, count: 1 }],
    [1, { kind: "content_type", count: 1 }],
    [1, { kind: "duplicate_header", count: 1 }],
  ];
  for (const [attempts, fault] of getsBy) {
    await check(`retries: ${JSON.stringify(fault)}`, async () => {
      await control("/clear");
      await inject({ operation: "DescribeClusters", ...fault });
      const out = await call("DescribeClusters", {}, patient);
      expect(out.$metadata.attempts === attempts && Array.isArray(out.Clusters), out.$metadata);
    });
  }
  for (const kind of ["reset", "truncate", "gzip", "html"]) {
    await check(`after an answer that is spoilt: ${kind}`, async () => {
      await control("/clear");
      await inject({ kind, operation: "DescribeClusters", count: 1 });
      await call("DescribeClusters", {}, patient).catch(() => {});
      expect(Array.isArray((await call("DescribeClusters", {}, patient)).Clusters), "the next answer");
    });
  }
  if (face.isCurrent) { // older ones correct their clock and do not try again
    await check("retries: a clock that is an hour off", async () => {
      await control("/clear");
      await inject({ kind: "clock_skew", seconds: 3600 });
      const out = await call("DescribeClusters", {}, clientOf({ attempts: 3 }));
      expect(out.$metadata.attempts === 2, out.$metadata);
    });
  }
  await check("retries: giving up", async () => {
    await control("/clear");
    await inject({ kind: "error", operation: "DescribeClusters", code: "ThrottlingException", count: 3 + extra });
    const error = await thrown(() => call("DescribeClusters", {}, patient));
    expect(error.name === "ThrottlingException" && error.$metadata.attempts === 3 + extra, error);
  });
  await control("/clear");

  const operations = Object.keys(face.commands).length;
  await check("every operation that it knows", async () => expect(succeeded.size === operations, [...succeeded].sort()));
  const held = `${passed - before.passed} held, ${failed - before.failed} did not`;
  console.log(`  js, ${face.name}: ${held}; ${succeeded.size} of 18 operations, ${Math.round((Date.now() - started) / 1000)} s`);
  return succeeded.size;
}

async function main() {
  const current = await drive(currentClient(load, modelPath), "eu-west-1");
  await drive(publishedClient(load), "us-west-2");
  if (current !== 18) {
    failed++;
    console.log(`js: ${current} of 18 operations`);
  }
  console.log(`counts ${passed} ${failed}`);
  process.exit(0);
}

main();
