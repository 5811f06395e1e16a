-- CreateTable
CREATE TABLE "ports" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "protocol" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "isOnline" BOOLEAN NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUsedAt" DATETIME NOT NULL,
    "tunnelId" INTEGER NOT NULL,
    CONSTRAINT "ports_tunnelId_fkey" FOREIGN KEY ("tunnelId") REFERENCES "tunnels" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "ports_tunnelId_idx" ON "ports"("tunnelId");

-- CreateIndex
CREATE UNIQUE INDEX "ports_protocol_number_key" ON "ports"("protocol", "number");
