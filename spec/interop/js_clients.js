// Two clients of the AWS SDK for JavaScript, version 3, behind one face:
// - the published package @aws-sdk/client-cloudhsm-v2, as new as the registry has it, with the operations that it knows;
// - the SDK's current runtime (signing, protocol, retries, HTTP) with the service's own model, as botocore ships it. A generated
//   package is that and no more. It is carried by the client of another service of the same protocol.
const fs = require("fs");
const zlib = require("zlib");

// The shapes of a model in the form of the SDK's schemas.
function schemasOf(shapes, namespace) {
  const made = {};
  const simple = { string: 0, integer: 1, long: 1, boolean: 2, timestamp: 4 };
  function reference(name) {
    const type = shapes[name].type;
    return type in simple ? simple[type] : () => schema(name);
  }
  function schema(name) {
    if (made[name]) return made[name];
    const shape = shapes[name];
    const of = (kind, traits, ...rest) => (made[name] = [kind, namespace, name, traits, ...rest]);
    if (shape.type === "list") return of(1, 0, reference(shape.member.shape));
    if (shape.type === "map") return of(2, 0, reference(shape.key.shape), reference(shape.value.shape));
    const members = Object.keys(shape.members);
    const targets = members.map((member) => reference(shape.members[member].shape));
    if (shape.exception) return of(-3, { error: shape.fault ? "server" : "client" }, members, targets);
    return of(3, 0, members, targets);
  }
  return schema;
}

// The SDK's current runtime as a client of the service of a model.
function currentClient(load, modelPath) {
  const { ACMClient } = load("@aws-sdk/client-acm");
  const { createPaginator } = load("@smithy/core");
  const { makeBuilder, ServiceException } = load("@smithy/core/client");
  const { TypeRegistry } = load("@smithy/core/schema");
  const { getEndpointPlugin } = load("@smithy/core/endpoints");

  const model = JSON.parse(zlib.gunzipSync(fs.readFileSync(modelPath)));
  const namespace = "com.amazonaws.cloudhsmv2";
  const schema = schemasOf(model.shapes, namespace);
  const registry = new TypeRegistry(namespace);
  const exceptions = {};
  for (const [name, shape] of Object.entries(model.shapes)) {
    if (!shape.exception) continue;
    exceptions[name] = class extends ServiceException {
      constructor(options) {
        super({ ...options, name, $fault: shape.fault ? "server" : "client" });
        this.name = name;
        Object.setPrototypeOf(this, exceptions[name].prototype);
      }
    };
    registry.registerError(schema(name), exceptions[name]);
  }

  class CloudHSMV2Client extends ACMClient {
    constructor(options) {
      super({
        ...options,
        serviceId: model.metadata.serviceId,
        signingName: model.metadata.signingName,
        protocolSettings: {
          defaultNamespace: namespace,
          errorTypeRegistries: [registry],
          version: model.metadata.apiVersion,
          serviceTarget: model.metadata.targetPrefix,
        },
        httpAuthSchemeProvider: (parameters) => [
          {
            schemeId: "aws.auth#sigv4",
            signingProperties: { name: model.metadata.signingName, region: parameters.region },
            propertiesExtractor: (config, context) => ({ signingProperties: { config, context } }),
          },
        ],
      });
    }
  }

  const common = {
    UseFIPS: { type: "builtInParams", name: "useFipsEndpoint" },
    Endpoint: { type: "builtInParams", name: "endpoint" },
    Region: { type: "builtInParams", name: "region" },
    UseDualStack: { type: "builtInParams", name: "useDualstackEndpoint" },
  };
  const command = makeBuilder(common, model.metadata.targetPrefix, "CloudHSMV2Client", getEndpointPlugin);
  const commands = {};
  for (const [name, operation] of Object.entries(model.operations)) {
    const shape = [9, namespace, name, 0, () => schema(operation.input.shape), () => schema(operation.output.shape)];
    commands[name] = class extends command({}, () => [], name, shape) {};
  }
  const paginators = {};
  for (const name of ["DescribeBackups", "DescribeClusters", "ListTags"]) {
    paginators[name] = createPaginator(CloudHSMV2Client, commands[name], "NextToken", "NextToken", "MaxResults");
  }
  const version = load("@aws-sdk/client-acm/package.json").version;
  return {
    name: `current runtime of ${version}`,
    isCurrent: true,
    Client: CloudHSMV2Client,
    commands,
    paginators,
    exceptions,
    handler: (options) => options,
  };
}

// The options of a handler, or a handler where this version of the SDK takes no options.
function handlerOf(load, options) {
  try {
    const { NodeHttpHandler } = load("@aws-sdk/node-http-handler");
    return new NodeHttpHandler(options);
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    return options;
  }
}

function publishedClient(load) {
  const sdk = load("@aws-sdk/client-cloudhsm-v2");
  const commands = {};
  const paginators = {};
  const exceptions = {};
  for (const [name, value] of Object.entries(sdk)) {
    if (name.endsWith("Command") && name !== "$Command") commands[name.slice(0, -"Command".length)] = value;
    if (name.startsWith("paginate")) paginators[name.slice("paginate".length)] = value;
    if (/^CloudHsm.*Exception$/.test(name)) exceptions[name] = value;
  }
  const version = load("@aws-sdk/client-cloudhsm-v2/package.json").version;
  return {
    name: `client-cloudhsm-v2 ${version}`,
    Client: sdk.CloudHSMV2Client,
    commands,
    paginators,
    exceptions,
    handler: (options) => handlerOf(load, options),
  };
}

module.exports = { currentClient, publishedClient };
