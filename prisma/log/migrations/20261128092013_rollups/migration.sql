-- CreateTable
CREATE TABLE "hours" (
    "tunnel" TEXT NOT NULL,
    "hour" INTEGER NOT NULL,
    "requests" BIGINT NOT NULL,
    "status2xx" BIGINT NOT NULL,
    "status3xx" BIGINT NOT NULL,
    "status4xx" BIGINT NOT NULL,
    "status5xx" BIGINT NOT NULL,
    "upgrades" BIGINT NOT NULL,
    "connections" BIGINT NOT NULL,
    "flows" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,
    "broken" BIGINT NOT NULL,
    "bytesIn" BIGINT NOT NULL,
    "bytesOut" BIGINT NOT NULL,
    "datagramsDropped" BIGINT NOT NULL,
    "first0" BIGINT NOT NULL,
    "first1" BIGINT NOT NULL,
    "first2" BIGINT NOT NULL,
    "first3" BIGINT NOT NULL,
    "first4" BIGINT NOT NULL,
    "first5" BIGINT NOT NULL,
    "first6" BIGINT NOT NULL,
    "first7" BIGINT NOT NULL,
    "first8" BIGINT NOT NULL,
    "first9" BIGINT NOT NULL,
    "first10" BIGINT NOT NULL,
    "first11" BIGINT NOT NULL,
    "first12" BIGINT NOT NULL,
    "first13" BIGINT NOT NULL,
    "first14" BIGINT NOT NULL,
    "first15" BIGINT NOT NULL,
    "first16" BIGINT NOT NULL,
    "first17" BIGINT NOT NULL,
    "first18" BIGINT NOT NULL,
    "first19" BIGINT NOT NULL,

    PRIMARY KEY ("tunnel", "hour")
);

-- CreateTable
CREATE TABLE "days" (
    "tunnel" TEXT NOT NULL,
    "day" INTEGER NOT NULL,
    "requests" BIGINT NOT NULL,
    "status2xx" BIGINT NOT NULL,
    "status3xx" BIGINT NOT NULL,
    "status4xx" BIGINT NOT NULL,
    "status5xx" BIGINT NOT NULL,
    "upgrades" BIGINT NOT NULL,
    "connections" BIGINT NOT NULL,
    "flows" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,
    "broken" BIGINT NOT NULL,
    "bytesIn" BIGINT NOT NULL,
    "bytesOut" BIGINT NOT NULL,
    "datagramsDropped" BIGINT NOT NULL,
    "first0" BIGINT NOT NULL,
    "first1" BIGINT NOT NULL,
    "first2" BIGINT NOT NULL,
    "first3" BIGINT NOT NULL,
    "first4" BIGINT NOT NULL,
    "first5" BIGINT NOT NULL,
    "first6" BIGINT NOT NULL,
    "first7" BIGINT NOT NULL,
    "first8" BIGINT NOT NULL,
    "first9" BIGINT NOT NULL,
    "first10" BIGINT NOT NULL,
    "first11" BIGINT NOT NULL,
    "first12" BIGINT NOT NULL,
    "first13" BIGINT NOT NULL,
    "first14" BIGINT NOT NULL,
    "first15" BIGINT NOT NULL,
    "first16" BIGINT NOT NULL,
    "first17" BIGINT NOT NULL,
    "first18" BIGINT NOT NULL,
    "first19" BIGINT NOT NULL,

    PRIMARY KEY ("tunnel", "day")
);

-- CreateTable
CREATE TABLE "rollups" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "openHour" INTEGER NOT NULL
);

-- The time of each batch stands beside its tunnels.
CREATE TABLE "new_access_tunnels" (
    "tunnel" TEXT NOT NULL,
    "since" BIGINT NOT NULL,
    "batchId" INTEGER NOT NULL,

    PRIMARY KEY ("tunnel", "since", "batchId"),
    CONSTRAINT "access_tunnels_batchId_fkey" FOREIGN KEY ("batchId") REFERENCES "access_batches" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_access_tunnels" ("tunnel", "since", "batchId")
SELECT "tunnel", "since", "batchId" FROM "access_tunnels" JOIN "access_batches" ON "id" = "batchId"
ORDER BY "tunnel", "since", "batchId";
DROP TABLE "access_tunnels";
ALTER TABLE "new_access_tunnels" RENAME TO "access_tunnels";

-- CreateIndex
CREATE INDEX "access_tunnels_batchId_idx" ON "access_tunnels"("batchId");

-- AlterTable: what is there has no times to first byte.
ALTER TABLE "minutes" ADD COLUMN "first0" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first1" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first2" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first3" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first4" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first5" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first6" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first7" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first8" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first9" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first10" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first11" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first12" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first13" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first14" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first15" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first16" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first17" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first18" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "minutes" ADD COLUMN "first19" BIGINT NOT NULL DEFAULT 0;

-- The hour that may go on; before there are rows for all tunnels together, which have the highest numbers.
INSERT INTO "rollups" ("id", "openHour")
VALUES (1, COALESCE((SELECT "minute" / 60 FROM "minutes" ORDER BY "id" DESC LIMIT 1), 0));

-- Of all tunnels together.
INSERT INTO "minutes" ("tunnel", "minute",
    "requests", "status2xx", "status3xx", "status4xx", "status5xx", "upgrades", "connections", "flows", "refused",
    "broken", "bytesIn", "bytesOut", "datagramsDropped")
SELECT '*', "minute",
    SUM("requests"), SUM("status2xx"), SUM("status3xx"), SUM("status4xx"), SUM("status5xx"), SUM("upgrades"), SUM("connections"), SUM("flows"), SUM("refused"),
    SUM("broken"), SUM("bytesIn"), SUM("bytesOut"), SUM("datagramsDropped")
FROM "minutes" GROUP BY "minute" ORDER BY "minute";

-- CreateIndex
CREATE INDEX "minutes_minute_idx" ON "minutes"("minute");

-- Every hour and day that is over.
INSERT INTO "hours"
SELECT "tunnel", "minute" / 60,
    SUM("requests"), SUM("status2xx"), SUM("status3xx"), SUM("status4xx"), SUM("status5xx"), SUM("upgrades"), SUM("connections"), SUM("flows"), SUM("refused"),
    SUM("broken"), SUM("bytesIn"), SUM("bytesOut"), SUM("datagramsDropped"), SUM("first0"), SUM("first1"), SUM("first2"), SUM("first3"), SUM("first4"), SUM("first5"),
    SUM("first6"), SUM("first7"), SUM("first8"), SUM("first9"), SUM("first10"), SUM("first11"), SUM("first12"), SUM("first13"), SUM("first14"), SUM("first15"),
    SUM("first16"), SUM("first17"), SUM("first18"), SUM("first19")
FROM "minutes" WHERE "minute" / 60 <> (SELECT "openHour" FROM "rollups") GROUP BY "tunnel", "minute" / 60;
INSERT INTO "days"
SELECT "tunnel", "hour" / 24,
    SUM("requests"), SUM("status2xx"), SUM("status3xx"), SUM("status4xx"), SUM("status5xx"), SUM("upgrades"), SUM("connections"), SUM("flows"), SUM("refused"),
    SUM("broken"), SUM("bytesIn"), SUM("bytesOut"), SUM("datagramsDropped"), SUM("first0"), SUM("first1"), SUM("first2"), SUM("first3"), SUM("first4"), SUM("first5"),
    SUM("first6"), SUM("first7"), SUM("first8"), SUM("first9"), SUM("first10"), SUM("first11"), SUM("first12"), SUM("first13"), SUM("first14"), SUM("first15"),
    SUM("first16"), SUM("first17"), SUM("first18"), SUM("first19")
FROM "hours" WHERE "hour" / 24 <> (SELECT "openHour" / 24 FROM "rollups") GROUP BY "tunnel", "hour" / 24;

-- CreateIndex
CREATE INDEX "hours_hour_idx" ON "hours"("hour");

-- CreateIndex
CREATE INDEX "days_day_idx" ON "days"("day");
