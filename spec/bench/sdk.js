// The JS SDK as a contender of spec/bench.lua; the same usage as client.lua. The authorities come from NODE_EXTRA_CA_CERTS.
const { CloudHSMV2Client, DescribeBackupsCommand } = require("@aws-sdk/client-cloudhsm-v2");

const [mode, http, https] = process.argv.slice(2);
const KEYS = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: "t".repeat(800),
};
const PARAMS = { Filters: { states: ["READY"] }, MaxResults: 50 };

const make = (endpoint) => new CloudHSMV2Client({ region: "eu-west-1", endpoint, credentials: KEYS });
const clients = {};

const calling = (endpoint, backups) => async (count) => {
  const url = `${endpoint}/${backups}`;
  clients[url] = clients[url] || make(url);
  for (let i = 0; i < count; i++) {
    const out = await clients[url].send(new DescribeBackupsCommand(PARAMS));
    if (out.Backups.length !== backups) throw new Error("not as many backups as there should be");
  }
};

const works = { http1: calling(http, 1), http50: calling(http, 50), tls1: calling(https, 1), tls50: calling(https, 50) };

async function main() {
  if (mode === "once") {
    const client = make(http);
    if (!(await client.send(new DescribeBackupsCommand(PARAMS))).Backups.length) throw new Error("no backups");
    client.destroy();
    return;
  }
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const [name, count] = line.split(" ");
    if (name === "quit") break;
    if (name === "peak") {
      console.log(process.resourceUsage().maxRSS, 0);
      continue;
    }
    await works[name](1);
    const cpu = process.cpuUsage();
    const wall = process.hrtime.bigint();
    await works[name](Number(count));
    const used = process.cpuUsage(cpu);
    console.log((used.user + used.system) / count, Number(process.hrtime.bigint() - wall) / 1000 / count);
  }
  process.exit(0);
}

main();
