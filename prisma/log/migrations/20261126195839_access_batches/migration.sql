-- CreateTable
CREATE TABLE "access_batches" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "since" BIGINT NOT NULL,
    "records" INTEGER NOT NULL,
    "lines" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "access_tunnels" (
    "tunnel" TEXT NOT NULL,
    "batchId" INTEGER NOT NULL,

    PRIMARY KEY ("tunnel", "batchId"),
    CONSTRAINT "access_tunnels_batchId_fkey" FOREIGN KEY ("batchId") REFERENCES "access_batches" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "access_tunnels_batchId_idx" ON "access_tunnels"("batchId");

-- Each row so far becomes a batch of its own.
INSERT INTO "access_batches" ("id", "since", "records", "lines")
SELECT "id", "startedAt" + ("durationUs" + 500) / 1000, 1,
    "tunnel" || char(9) || '0' || char(9) || "kind" || char(9) || "visitor" || char(9) || "summary" || char(9) || "status"
    || char(9) || "durationUs" || char(9) || "bytesIn" || char(9) || "bytesOut" || char(9) || "reason"
FROM "access" ORDER BY "id";
INSERT INTO "access_tunnels" ("tunnel", "batchId") SELECT "tunnel", "id" FROM "access" ORDER BY "tunnel", "id";

-- DropTable
DROP TABLE "access";
