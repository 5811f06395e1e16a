-- Names below the base domain, ports and allowlists were three tables, and a tunnel was a target of a machine. From now on an address is a row
-- of its own, whatever its kind, with the entries of its allowlist; and a tunnel is known by its name. Everything is kept: who has which
-- address, what each target had last time, and who may come.

ALTER TABLE "tokens" RENAME COLUMN "revokedAt" TO "endsAt";
ALTER TABLE "tokens" ADD COLUMN "lastUsedAt" DATETIME;

-- What there was, in one form. "rank": the address that a tunnel is named after comes first.
CREATE TEMPORARY TABLE "old" AS
SELECT *, ROW_NUMBER() OVER (PARTITION BY "tunnelId" ORDER BY "lastUsedAt" DESC, "at") AS "rank" FROM (
  SELECT "label" AS "address", "label" AS "name", "tunnelId", "isOnline", "createdAt", "lastUsedAt", "id" AS "at" FROM "subdomains"
  UNION ALL
  SELECT "protocol" || ':' || "number", "protocol" || '-' || "number", "tunnelId", "isOnline", "createdAt", "lastUsedAt", "id" FROM "ports"
);

CREATE TABLE "new_tunnels" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "machineId" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "allow" TEXT NOT NULL DEFAULT '',
    "isPaused" BOOLEAN NOT NULL DEFAULT false,
    "isKilled" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastOnlineAt" DATETIME NOT NULL
);
-- A tunnel without an address has no name, and nothing to be remembered for. A label may look like the name of a port.
INSERT INTO "new_tunnels" ("id", "name", "kind", "machineId", "target", "createdAt", "lastOnlineAt")
SELECT "tunnels"."id",
  CASE WHEN "old"."address" <> "old"."name" AND "old"."name" IN (SELECT "label" FROM "subdomains")
    THEN "old"."name" || '-port-' || "tunnels"."id" ELSE "old"."name" END,
  "tunnels"."kind", "tunnels"."machineId", "tunnels"."target", "tunnels"."createdAt", "tunnels"."lastOnlineAt"
FROM "tunnels" JOIN "old" ON "old"."tunnelId" = "tunnels"."id" AND "old"."rank" = 1;

CREATE TABLE "addresses" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "address" TEXT NOT NULL,
    "tunnelId" INTEGER,
    "isMapped" BOOLEAN NOT NULL DEFAULT false,
    "isExpected" BOOLEAN NOT NULL DEFAULT false,
    "machineId" TEXT NOT NULL DEFAULT '',
    "target" TEXT NOT NULL DEFAULT '',
    "access" TEXT NOT NULL DEFAULT 'client',
    "note" TEXT NOT NULL DEFAULT '',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUsedAt" DATETIME,
    CONSTRAINT "addresses_tunnelId_fkey" FOREIGN KEY ("tunnelId") REFERENCES "tunnels" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);
INSERT INTO "addresses" ("address", "tunnelId", "isExpected", "machineId", "target", "createdAt", "lastUsedAt")
SELECT "old"."address", "old"."tunnelId", "old"."isOnline", "tunnels"."machineId", "tunnels"."target", "old"."createdAt", "old"."lastUsedAt"
FROM "old" JOIN "tunnels" ON "tunnels"."id" = "old"."tunnelId" ORDER BY "old"."at";
-- Lists of custom domains, which were not remembered by themselves, and of addresses that nobody has.
INSERT INTO "addresses" ("address", "createdAt")
SELECT "address", "changedAt" FROM "allowlists" WHERE "address" NOT IN (SELECT "address" FROM "old");
-- A list without entries let everybody in.
UPDATE "addresses" SET "access" = (
  SELECT CASE WHEN trim("entries") = '' THEN 'everybody' ELSE 'listed' END FROM "allowlists" WHERE "allowlists"."address" = "addresses"."address"
) WHERE "address" IN (SELECT "address" FROM "allowlists");

CREATE TABLE "allowlist_entries" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "addressId" INTEGER NOT NULL,
    "block" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "endsAt" DATETIME,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "allowlist_entries_addressId_fkey" FOREIGN KEY ("addressId") REFERENCES "addresses" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT OR IGNORE INTO "allowlist_entries" ("addressId", "block", "createdAt")
SELECT "addresses"."id", "each"."value", "allowlists"."changedAt"
FROM "allowlists"
JOIN "addresses" ON "addresses"."address" = "allowlists"."address",
json_each('[' || replace(json_quote("allowlists"."entries"), ' ', '","') || ']') AS "each"
WHERE "each"."value" <> '';

DROP TABLE "old";
DROP TABLE "allowlists";
DROP TABLE "subdomains";
DROP TABLE "ports";
DROP TABLE "tunnels";
ALTER TABLE "new_tunnels" RENAME TO "tunnels";

CREATE UNIQUE INDEX "tunnels_name_key" ON "tunnels"("name");
CREATE UNIQUE INDEX "addresses_address_key" ON "addresses"("address");
CREATE INDEX "addresses_tunnelId_idx" ON "addresses"("tunnelId");
CREATE UNIQUE INDEX "allowlist_entries_addressId_block_key" ON "allowlist_entries"("addressId", "block");
