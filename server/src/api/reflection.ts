// Server reflection (grpc.reflection.v1 and v1alpha) over the descriptors that the generated code has, so that grpcurl needs no files.
import {
  create,
  type DescEnum,
  type DescFile,
  type DescMessage,
  type DescService,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { Code, type ConnectRouter } from '@connectrpc/connect'
import {
  type ServerReflectionRequest,
  ServerReflectionResponseSchema,
  ServerReflection as V1,
} from '@pbt/proto/grpc/reflection/v1'
import { ServerReflection as V1Alpha } from '@pbt/proto/grpc/reflection/v1alpha'

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>

/** What is described: files by their names, and the file that declares a symbol. */
interface Described {
  readonly files: ReadonlyMap<string, DescFile>
  readonly symbols: ReadonlyMap<string, DescFile>
  readonly services: readonly DescService[]
}

/** Adds reflection of these services to a router. */
export function reflect(services: readonly DescService[], router: ConnectRouter): void {
  const described = describe(services)
  async function* answers(requests: AsyncIterable<ServerReflectionRequest>) {
    // A file goes once over a stream: the asker keeps it.
    const sent = new Set<string>()
    for await (const originalRequest of requests) {
      const messageResponse = answer(described, originalRequest.messageRequest, sent)
      yield create(ServerReflectionResponseSchema, {
        validHost: originalRequest.host,
        originalRequest,
        messageResponse,
      })
    }
  }
  router.service(V1, { serverReflectionInfo: answers })
  // Its messages have the same fields and numbers; only the names of the types differ.
  router.service(V1Alpha, { serverReflectionInfo: answers as never })
}

function answer(described: Described, asked: ServerReflectionRequest['messageRequest'], sent: Set<string>): Answer {
  const { files, symbols, services } = described
  switch (asked.case) {
    case 'listServices': {
      const service = services.map(({ typeName }) => ({ name: typeName }))
      return { case: 'listServicesResponse', value: { service } }
    }
    case 'fileByFilename':
      return fileOf(files.get(asked.value), `the file ${asked.value}`, sent)
    case 'fileContainingSymbol':
      return fileOf(symbols.get(asked.value), `the symbol ${asked.value}`, sent)
    case 'fileContainingExtension':
      return notFound(`an extension of ${asked.value.containingType}`)
    case 'allExtensionNumbersOfType':
      if (!symbols.has(asked.value)) return notFound(`the type ${asked.value}`)
      return {
        case: 'allExtensionNumbersResponse',
        value: { baseTypeName: asked.value, extensionNumber: [] },
      }
    case undefined:
      return { case: 'errorResponse', value: { errorCode: Code.InvalidArgument, errorMessage: 'the request is empty' } }
  }
}

/** The file and what it imports, as far as the asker has not got them. */
function fileOf(file: DescFile | undefined, what: string, sent: Set<string>): Answer {
  if (file === undefined) return notFound(what)
  const found: Uint8Array[] = []
  const walk = (each: DescFile) => {
    if (sent.has(each.name)) return
    sent.add(each.name)
    found.push(toBinary(FileDescriptorProtoSchema, each.proto))
    for (const imported of each.dependencies) walk(imported)
  }
  walk(file)
  if (found.length === 0) found.push(toBinary(FileDescriptorProtoSchema, file.proto))
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: found } }
}

function notFound(what: string): Answer {
  return { case: 'errorResponse', value: { errorCode: Code.NotFound, errorMessage: `${what} is not known here` } }
}

function describe(services: readonly DescService[]): Described {
  const files = new Map<string, DescFile>()
  const symbols = new Map<string, DescFile>()
  const add = (file: DescFile) => {
    const name = `${file.name}.proto`
    if (files.has(name)) return
    files.set(name, file)
    for (const symbol of symbolsIn(file)) symbols.set(symbol, file)
    for (const imported of file.dependencies) add(imported)
  }
  for (const { file } of services) add(file)
  return { files, symbols, services }
}

function* symbolsIn(file: DescFile): Generator<string> {
  for (const message of file.messages) yield* symbolsOfMessage(message)
  for (const each of file.enums) yield* symbolsOfEnum(each)
  for (const service of file.services) {
    yield service.typeName
    for (const method of service.methods) yield `${service.typeName}.${method.name}`
  }
}

function* symbolsOfMessage(message: DescMessage): Generator<string> {
  yield message.typeName
  for (const { name } of [...message.fields, ...message.oneofs]) yield `${message.typeName}.${name}`
  for (const nested of message.nestedMessages) yield* symbolsOfMessage(nested)
  for (const nested of message.nestedEnums) yield* symbolsOfEnum(nested)
}

/** The values of an enum are siblings of it (protobuf's language specification, "Enum"). */
function* symbolsOfEnum({ typeName, values }: DescEnum): Generator<string> {
  yield typeName
  const scope = typeName.slice(0, typeName.lastIndexOf('.') + 1)
  for (const { name } of values) yield scope + name
}
