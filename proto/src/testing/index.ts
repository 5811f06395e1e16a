// What tests of other rooms use of the protocol's own test tools.
export { channelStub } from './channel-stub.ts'
export { FakeClock } from './fake-clock.ts'
export { type LineOptions, LinkPair } from './link-pair.ts'
