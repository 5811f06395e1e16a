// The part of better-sqlite3 that migrate.ts uses; the package brings no types of its own.
declare module 'better-sqlite3' {
  namespace Database {
    interface Statement<Values extends unknown[], Row> {
      run(...values: Values): { changes: number }
      all(...values: Values): Row[]
    }
    interface Database {
      exec(sql: string): this
      prepare<Values extends unknown[], Row = unknown>(sql: string): Statement<Values, Row>
      pragma(text: string, options?: { simple?: boolean }): unknown
      transaction<Result>(work: () => Result): { immediate(): Result }
      close(): this
    }
  }
  const Database: new (file: string, options?: { timeout?: number }) => Database.Database
  export = Database
}
