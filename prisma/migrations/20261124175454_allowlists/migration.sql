-- CreateTable
CREATE TABLE "allowlists" (
    "tunnelId" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "entries" TEXT NOT NULL,
    "changedAt" DATETIME NOT NULL,
    CONSTRAINT "allowlists_tunnelId_fkey" FOREIGN KEY ("tunnelId") REFERENCES "tunnels" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
