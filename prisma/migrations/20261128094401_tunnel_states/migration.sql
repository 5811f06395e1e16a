-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_tunnels" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "machineId" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "allow" TEXT NOT NULL DEFAULT '',
    "isPaused" BOOLEAN NOT NULL DEFAULT false,
    "isKilled" BOOLEAN NOT NULL DEFAULT false,
    "steeredAt" DATETIME,
    "clientId" TEXT NOT NULL DEFAULT '',
    "clientLabel" TEXT NOT NULL DEFAULT '',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastOnlineAt" DATETIME NOT NULL
);
INSERT INTO "new_tunnels" ("allow", "createdAt", "id", "isKilled", "isPaused", "kind", "lastOnlineAt", "machineId", "name", "target") SELECT "allow", "createdAt", "id", "isKilled", "isPaused", "kind", "lastOnlineAt", "machineId", "name", "target" FROM "tunnels";
DROP TABLE "tunnels";
ALTER TABLE "new_tunnels" RENAME TO "tunnels";
CREATE UNIQUE INDEX "tunnels_name_key" ON "tunnels"("name");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;
