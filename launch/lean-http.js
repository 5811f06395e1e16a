// To be imported before anything imports node:http. An ES module that imports a part of Node has all of its enumerable exports worked
// out: these three are all of undici, 60 ms of processor time, and nothing here uses them. `require` finds them as before.
for (const name of ['WebSocket', 'CloseEvent', 'MessageEvent']) {
  Object.defineProperty(process.getBuiltinModule?.('node:http') ?? {}, name, { enumerable: false })
}
