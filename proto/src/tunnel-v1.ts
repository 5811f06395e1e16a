// The session stream as one module: its messages, as protoc-gen-es makes them of proto/pbt/tunnel/v1.
export * from '../gen/pbt/tunnel/v1/channel_pb.ts'
export * from '../gen/pbt/tunnel/v1/control_pb.ts'
export * from '../gen/pbt/tunnel/v1/session_pb.ts'
export * from '../gen/pbt/tunnel/v1/tunnel_pb.ts'
