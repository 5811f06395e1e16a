// The part of better-sqlite3 that is used here; the package brings no types of its own.
declare module 'better-sqlite3' {
  namespace Database {
    interface Statement<Values extends unknown[] = unknown[], Row = unknown> {
      run(...values: Values): { changes: number }
      all(...values: Values): Row[]
      get(...values: Values): Row | undefined
      /** Until the loop ends, no other statement may write. */
      iterate(...values: Values): IterableIterator<Row>
    }
    interface Database {
      exec(sql: string): this
      prepare<Values extends unknown[] = unknown[], Row = unknown>(sql: string): Statement<Values, Row>
      pragma(text: string, options?: { simple?: boolean }): unknown
      transaction<Values extends unknown[], Result>(
        work: (...values: Values) => Result,
      ): { (...values: Values): Result; immediate(...values: Values): Result }
      close(): this
    }
  }
  const Database: new (
    file: string,
    options?: { timeout?: number; readonly?: boolean; fileMustExist?: boolean },
  ) => Database.Database
  export = Database
}
