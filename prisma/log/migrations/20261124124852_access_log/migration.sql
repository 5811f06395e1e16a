-- CreateTable
CREATE TABLE "access" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "tunnel" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "visitor" TEXT NOT NULL,
    "summary" TEXT NOT NULL,
    "status" INTEGER NOT NULL,
    "startedAt" BIGINT NOT NULL,
    "durationUs" BIGINT NOT NULL,
    "bytesIn" BIGINT NOT NULL,
    "bytesOut" BIGINT NOT NULL,
    "reason" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "minutes" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "tunnel" TEXT NOT NULL,
    "minute" INTEGER NOT NULL,
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
    "datagramsDropped" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "totals" (
    "tunnel" TEXT NOT NULL PRIMARY KEY,
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
    "datagramsDropped" BIGINT NOT NULL
);

-- CreateIndex
CREATE INDEX "access_tunnel_id_idx" ON "access"("tunnel", "id");

-- CreateIndex
CREATE UNIQUE INDEX "minutes_tunnel_minute_key" ON "minutes"("tunnel", "minute");
