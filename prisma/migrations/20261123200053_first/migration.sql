-- CreateTable
CREATE TABLE "tokens" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "hash" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "revokedAt" DATETIME
);

-- CreateTable
CREATE TABLE "tunnels" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "machineId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastOnlineAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "subdomains" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "label" TEXT NOT NULL,
    "isOnline" BOOLEAN NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUsedAt" DATETIME NOT NULL,
    "tunnelId" INTEGER NOT NULL,
    CONSTRAINT "subdomains_tunnelId_fkey" FOREIGN KEY ("tunnelId") REFERENCES "tunnels" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE UNIQUE INDEX "tokens_hash_key" ON "tokens"("hash");

-- CreateIndex
CREATE UNIQUE INDEX "tunnels_machineId_kind_target_key" ON "tunnels"("machineId", "kind", "target");

-- CreateIndex
CREATE UNIQUE INDEX "subdomains_label_key" ON "subdomains"("label");

-- CreateIndex
CREATE INDEX "subdomains_tunnelId_idx" ON "subdomains"("tunnelId");
