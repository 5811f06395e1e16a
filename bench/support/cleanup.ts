// What a test's `after` is for tests: ends what a program has started, the last first.
export class Cleanup {
  private readonly ends: (() => unknown)[] = []

  after(end: () => unknown): void {
    this.ends.push(end)
  }

  async end(): Promise<void> {
    for (const end of this.ends.splice(0).reverse()) await end()
  }
}
