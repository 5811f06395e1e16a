// HTTP/1 as both ends read it: the edge from visitors, the client from targets.
export { type BodyFraming, BodyReader, type BodySink } from './body.ts'
export { Http1Error, readFields } from './fields.ts'
export { SectionReader } from './section.ts'
