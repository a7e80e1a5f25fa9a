import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import * as pulumi from "@pulumi/pulumi";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import any from "google-protobuf/google/protobuf/any_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { immutableInputs } from "../../project/immutable.ts";
import { lastName, type Properties, plain, same, valueAt } from "../../project/registration.ts";
import { Cloud } from "../cloud.ts";
import { type Item, keyOf } from "../world/state.ts";
import type { World } from "../world/world.ts";
import { endWithEngine, killEngine, makeOrDie } from "./crash.ts";
import { deadlineOf, invoke, modelOf, outputsOf, requestOf } from "./models.ts";

// The provider plugin of the sandbox. The engine starts it once for each of the four packages, in the place of the
// real ones; the protocol is https://github.com/pulumi/pulumi/blob/v3.259.0/proto/pulumi/provider.proto.

const worldFile = process.env.OKE_SANDBOX_WORLD;
if (worldFile === undefined) throw new Error("OKE_SANDBOX_WORLD is not set; the sandbox sets it to its world's file");
const cloud = new Cloud(worldFile);

const properties = (message: struct.Struct | undefined) => (message?.toJavaScript() ?? {}) as Properties;
const message = (values: Properties) => struct.Struct.fromJavaScript(values as Record<string, struct.JavaScriptValue>);
const typeOf = (urn: string) => urn.split("::")[2]?.split("$").at(-1) ?? "";

/** Whether a create takes over what is there, as Kubernetes' provider is told. */
let upserts = false;

/** Pulumi's mark of a value that is not known in a preview. */
const UNKNOWN = pulumi.runtime.unknownValue;

/** An object that is there but did not get ready; the engine keeps it in its state and tries again with an update. */
class NotReady extends Error {
  readonly id: string;
  readonly outputs: Properties;

  constructor(reason: string, id: string, outputs: Properties) {
    super(reason);
    this.id = id;
    this.outputs = outputs;
  }
}

/** Waits until `done`, however long the world takes. */
async function until<T>(done: (world: World) => T | undefined): Promise<T> {
  for (;;) {
    const { result, nextMs } = await cloud.visit(done);
    if (result !== undefined) return result;
    // Another process may cause something before; a fifth of a second is soon enough to see it.
    await sleep(Math.min(Math.max(nextMs, 1), 200));
  }
}

/** Waits until an object is ready, or its time is over. */
async function ready(key: string, seconds: number | undefined): Promise<{ item: Item; late: boolean }> {
  let started: number | undefined;
  return until((world) => {
    started ??= world.now;
    const item = world.item(key);
    if (item === undefined) throw new Error(`${key} was deleted by somebody else while it was awaited`);
    const late = seconds !== undefined && world.now - started >= seconds;
    return item.ready || late ? { item: structuredClone(item), late: !item.ready } : undefined;
  });
}

async function create(urn: string, inputs: Properties, timeout: number): Promise<{ id: string; outputs: Properties }> {
  const type = typeOf(urn);
  const made = `sandbox-${randomBytes(20).toString("hex")}`;
  const request = requestOf(type, plain(inputs), lastName(urn), made);
  const { key, dies } = (await cloud.visit((world) => makeOrDie(world, request, upserts))).result;
  if (dies || key === undefined) return killEngine();
  const { item, late } = await ready(key, deadlineOf(type, plain(inputs), timeout || undefined));
  const outputs = { ...inputs, ...outputsOf(type, inputs, item, made) };
  if (late) throw new NotReady(`timed out waiting for the condition: ${item.reason}`, item.id, outputs);
  return { id: item.id, outputs };
}

async function update(
  id: string,
  urn: string,
  olds: Properties,
  inputs: Properties,
  timeout: number,
): Promise<Properties> {
  const type = typeOf(urn);
  const made = String(plain(olds).value ?? "");
  const { spec } = requestOf(type, plain(inputs), lastName(urn), made);
  const key = (await cloud.visit((world) => keyOf(world.update(keyById(world, urn, id), spec)))).result;
  const { item, late } = await ready(key, deadlineOf(type, plain(inputs), timeout || undefined));
  const outputs = { ...inputs, ...outputsOf(type, inputs, item, made) };
  if (late) throw new NotReady(`timed out waiting for the condition: ${item.reason}`, id, outputs);
  return outputs;
}

/** The object of an id; ids of Kubernetes objects are unique only within their kind. */
function keyById(world: World, urn: string, id: string): string {
  return findById(world, urn, id)?.key ?? `${lastName(urn)} (${id})`;
}

function findById(world: World, urn: string, id: string): { key: string; item: Item } | undefined {
  const kind = modelOf(typeOf(urn)).kind;
  // An import names some by their place, such as a Cloudflare record as <zone>/<record>.
  const ids = [id, id.split("/").at(-1)];
  const [key, item] = Object.entries(world.state.items).find(([, it]) => it.kind === kind && ids.includes(it.id)) ?? [];
  return key === undefined || item === undefined ? undefined : { key, item };
}

async function remove(id: string, urn: string): Promise<void> {
  const { result } = await cloud.visit((world) => {
    const found = findById(world, urn, id);
    if (found) world.remove(found.key);
    return found?.key;
  });
  if (result !== undefined) await until((world) => (world.item(result) === undefined ? true : undefined));
}

/** The object as it is; undefined when it is gone. */
async function read(
  id: string,
  urn: string,
  inputs: Properties,
  olds: Properties,
): Promise<{ id: string; inputs: Properties; outputs: Properties } | undefined> {
  const type = typeOf(urn);
  const found = (await cloud.visit((world) => structuredClone(findById(world, urn, id)?.item))).result;
  if (found === undefined) return undefined;
  if (found.kind === "Service") {
    const metadata = { name: found.name, namespace: found.namespace, uid: uidOf(found) };
    return { id, inputs: {}, outputs: { metadata, spec: { type: found.spec.type }, status: found.status } };
  }
  const { imported, refreshed } = modelOf(type);
  const isImport = Object.keys(inputs).length === 0 && imported !== undefined;
  const seen = withoutEmptyMaps(isImport ? imported(found, type) : { ...inputs, ...refreshed?.(found) });
  // Of what the state was never told of, also what the cloud adds.
  const added = Object.keys(olds).length === 0 ? outputsOf(type, seen, found, "") : {};
  return { id: found.id, inputs: seen, outputs: { ...olds, ...seen, ...added } };
}

const uidOf = (item: Item) => `uid-${item.namespace}-${item.name}`;

/** The API server does not store them, so that a refresh finds them gone. */
function withoutEmptyMaps(inputs: Properties): Properties {
  const { metadata } = inputs as { metadata?: Properties };
  if (metadata === undefined) return inputs;
  const kept = Object.entries(metadata).filter(
    ([, value]) => typeof value !== "object" || Object.keys(value ?? {}).length > 0,
  );
  return { ...inputs, metadata: Object.fromEntries(kept) };
}

/** Answers a call, or passes an error on in the form that the engine understands. */
function answer<Request, Response>(
  handle: (request: Request) => Promise<Response> | Response,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    Promise.resolve(call.request)
      .then(handle)
      .then(
        (response) => callback(null, response),
        (error: Error) => callback(grpcError(error)),
      );
  };
}

function grpcError(error: Error): Partial<grpc.StatusObject> {
  const metadata = new grpc.Metadata();
  if (error instanceof NotReady) {
    const failed = new messages.ErrorResourceInitFailed();
    failed.setId(error.id);
    failed.setProperties(message(error.outputs));
    failed.setReasonsList([error.message]);
    const detail = new any.Any();
    detail.pack(failed.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const details = new status.Status();
    details.setCode(grpc.status.UNKNOWN);
    details.setMessage(error.message);
    details.addDetails(detail);
    // Where gRPC looks for structured details: https://grpc.io/docs/guides/error/#richer-error-model
    metadata.add("grpc-status-details-bin", Buffer.from(details.serializeBinary()));
  }
  return { code: grpc.status.UNKNOWN, details: error.message, metadata };
}

const server = new grpc.Server();
server.addService(services.ResourceProviderService, {
  getPluginInfo: answer(() => {
    const info = new plugin.PluginInfo();
    // The SDK's own, so that the engine does not take it for an old one.
    info.setVersion(process.env.OKE_SANDBOX_VERSION ?? "");
    return info;
  }),
  attach: answer(() => new empty.Empty()),
  cancel: answer(() => new empty.Empty()),
  checkConfig: answer((request: messages.CheckRequest) => checked(request)),
  diffConfig: answer(diff),
  configure: answer((request: messages.ConfigureRequest) => {
    const { upsertExistingObjects } = plain((request.getArgs()?.toJavaScript() ?? {}) as Properties);
    upserts = upsertExistingObjects === true || upsertExistingObjects === "true";
    const response = new messages.ConfigureResponse();
    response.setAcceptsecrets(true);
    response.setSupportspreview(true);
    return response;
  }),
  check: answer((request: messages.CheckRequest) => checked(request)),
  diff: answer(diff),
  create: answer(async (request: messages.CreateRequest) => {
    const inputs = properties(request.getProperties());
    const response = new messages.CreateResponse();
    if (request.getPreview()) {
      const { computed = [] } = modelOf(typeOf(request.getUrn()));
      response.setProperties(message({ ...inputs, ...Object.fromEntries(computed.map((key) => [key, UNKNOWN])) }));
      return response;
    }
    const { id, outputs } = await create(request.getUrn(), inputs, request.getTimeout());
    response.setId(id);
    response.setProperties(message(outputs));
    return response;
  }),
  update: answer(async (request: messages.UpdateRequest) => {
    const [olds, inputs] = [properties(request.getOlds()), properties(request.getNews())];
    const response = new messages.UpdateResponse();
    const outputs = request.getPreview()
      ? { ...olds, ...inputs }
      : await update(request.getId(), request.getUrn(), olds, inputs, request.getTimeout());
    response.setProperties(message(outputs));
    return response;
  }),
  read: answer(async (request: messages.ReadRequest) => {
    const response = new messages.ReadResponse();
    const seen = await read(
      request.getId(),
      request.getUrn(),
      properties(request.getInputs()),
      properties(request.getProperties()),
    );
    if (seen === undefined) return response;
    response.setId(seen.id);
    response.setProperties(message(seen.outputs));
    response.setInputs(message(seen.inputs));
    return response;
  }),
  delete: answer(async (request: messages.DeleteRequest) => {
    await remove(request.getId(), request.getUrn());
    return new empty.Empty();
  }),
  invoke: answer(async (request: messages.InvokeRequest) => {
    const args = plain(properties(request.getArgs()));
    const response = new messages.InvokeResponse();
    response.setReturn(
      message((await cloud.visit((world) => structuredClone(invoke(world, request.getTok(), args)))).result),
    );
    return response;
  }),
});

/** What changes, of a resource or of a provider, and whether that takes another one. */
function diff(request: messages.DiffRequest): messages.DiffResponse {
  const [before, after] = [plain(properties(request.getOldInputs())), plain(properties(request.getNews()))];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (key) => !same(before[key], after[key]),
  );
  const immutable = immutableInputs(typeOf(request.getUrn()));
  const response = new messages.DiffResponse();
  response.setChanges(
    keys.length > 0 ? messages.DiffResponse.DiffChanges.DIFF_SOME : messages.DiffResponse.DiffChanges.DIFF_NONE,
  );
  response.setDiffsList(keys);
  response.setReplacesList(immutable.filter((path) => !same(valueAt(before, path), valueAt(after, path))));
  return response;
}

/** Takes the inputs as they are. */
function checked(request: messages.CheckRequest): messages.CheckResponse {
  const response = new messages.CheckResponse();
  response.setInputs(request.getNews());
  return response;
}

endWithEngine();

server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  // The engine reads the port from the first line.
  console.log(port);
});
