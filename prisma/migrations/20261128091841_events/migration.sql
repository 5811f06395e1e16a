-- CreateTable
CREATE TABLE "events" (
    "number" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "at" DATETIME NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "fields" TEXT NOT NULL DEFAULT '{}',
    "client" TEXT NOT NULL DEFAULT ''
);

-- CreateTable
CREATE TABLE "clients" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "machineId" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "agent" TEXT NOT NULL,
    "minor" INTEGER NOT NULL,
    "address" TEXT NOT NULL,
    "tokenId" INTEGER NOT NULL,
    "firstSeenAt" DATETIME NOT NULL,
    "lastSeenAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "events_client_number_idx" ON "events"("client", "number");

-- CreateIndex
CREATE INDEX "clients_lastSeenAt_idx" ON "clients"("lastSeenAt");
